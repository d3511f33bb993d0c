"""Building commands from the arguments of ccxt's methods: everything is checked before it is sent."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal
from functools import cached_property, lru_cache
from typing import Any, Final, NoReturn

import ccxt
from ccxt.base.decimal_to_precision import NO_PADDING, TICK_SIZE

from ccxt_driver.contract.features import Feature
from ccxt_driver.contract.values import (
    checked_time,
    format_decimal,
    format_time,
    parse_decimal,
    parse_decimal_text,
    parse_time,
)
from ccxt_driver.mappers.values import ZERO

from .configuration import identifier
from .host import Host
from .request_parts import is_foreign_number, is_whole_text, json_text, plain
from .retries import CCXTS_PARAMS
from .spelling import in_own_spelling, named_client_order_id, with_client_order_id

NO_FEATURES: Final[frozenset[str]] = frozenset()
"""What an order needs to know of the server when it asks for nothing special."""

_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_LETTERS: Final = _ALPHABET[10:]
_TO_ALPHABET: Final = bytes(ord(_ALPHABET[byte % 36]) for byte in range(256))
_TIMES_IN_FORCE: Final = frozenset({"GTC", "IOC", "FOK", "GTD", "PO"})
_POST_ONLY: Final = frozenset({"GTX", "POSTONLY", "POST_ONLY", "POC"})
"""What Binance, Bybit, Bitget and Gate call a time in force that only posts."""
_PER_SERVER: Final = (
    *("stopLoss", "takeProfit", "oms_stop_loss", "oms_stop_gain"),
    *("stopLossPrice", "cost", "expireAt", "displayQty"),
)
_STOPS: Final = {
    "stop": None,
    "stop_market": "market",
    "stop_limit": "limit",
    "stop_loss": "market",
    "stop_loss_limit": "limit",
    "take_profit": None,
    "take_profit_market": "market",
    "take_profit_limit": "limit",
}
"""Types that programs write, and what the trigger places; None: a limit order when there is a price."""
_DIRECTION: Final = "triggerDirection"
_DIRECTIONS: Final = {
    **dict.fromkeys(("stop", "stop_market", "stop_limit"), _DIRECTION),
    **dict.fromkeys(("stop_loss", "stop_loss_limit"), "stopLossPrice"),
    **dict.fromkeys(("take_profit", "take_profit_market", "take_profit_limit"), "takeProfitPrice"),
}
"""What the trigger is of types that say from which side the price comes, or what says so beside it."""
_REACHED_BY: Final = {"buy": "ascending", "sell": "descending"}
"""How the price of a stop moves that buys or sells: venues refuse one that it is beyond already."""
_TRIGGERS: Final = (
    *("triggerPrice", "stopPrice", "stopLossPrice", "takeProfitPrice"),
    *("trailingAmount", "trailingPercent"),
)
_ATTACHED_PRICE: Final = ("triggerPrice", "stopPrice")
_ATTACHED: Final = {"stopLoss": "oms_stop_loss", "takeProfit": "oms_stop_gain"}
"""Stops of the position that an order opens: ccxt's dict, and the price alone as the contract has it."""
_EXACT: Final = Context(prec=200)
"""More digits than two numbers of a caller's have together, whatever context the program has set."""
_NEEDS_PRICE: Final = "createMarketBuyOrderRequiresPrice"
"""ccxt's option: False says that `amount` of a market order to buy is what to spend, where it counts."""
SPENDING: Final = frozenset(
    (
        *("bigone", "bitget", "bithumb", "bittrade", "btse", "coinbase", "coinsph", "cryptomus", "digifinex"),
        *("gate", "gateeu", "gateio", "htx", "huobi", "lbank", "poloniex", "tokocrypto", "upbit", "xt"),
    )
)
"""Exchanges where it counts: they take the cost, which ccxt reckons from the price unless told so.

Not bitrue, cryptocom and woo, which know the word: there ccxt sends coins of one order in any case.
"""
_COINS_AT_TRIGGERS: Final = frozenset(("gate", "gateeu", "gateio", "tokocrypto"))
"""Those of them where an order that waits for a price counts coins all the same."""
_COSTS_IN_LISTS: Final = frozenset(("cryptocom",))
"""Where it counts in `create_orders` alone."""
_UNIT: Final = "tgtCcy"
_UNIT_BY_OPTION: Final = frozenset(("okx", "okxus", "myokx"))
"""Where this option of ccxt's says for all market orders whether their amounts count coins or money."""
EXECUTION: Final = ("time_in_force", "post_only", "reduce_only")
"""Columns of an order that no change changes."""
_REHEARSALS: Final = ("test", "validate")
"""Of `params`, as ccxt has them for binance, kucoin and others, and for kraken."""
_NOT_EDITED: Final = (
    *("triggerPrice", "stopPrice", "stopLossPrice", "takeProfitPrice"),
    *("stopLoss", "takeProfit", "trailingAmount", "trailingPercent"),
    *("oms_stop_loss", "oms_stop_gain"),
)


class OrderRequests(Host):
    """The `*_request` builders of orders."""

    def create_order_request(
        self,
        symbol: str,
        type: str,
        side: str,
        amount: Any,
        price: Any = None,
        params: Mapping[str, Any] = {},
        features: frozenset[str] = NO_FEATURES,
    ) -> dict[str, Any]:
        """The `send_order` command for the arguments of `create_order`.

        :param symbol: unified symbol
        :param type: market, limit, or another type that the venue knows
        :param side: buy or sell
        :param amount: in the market's units: float, int, str or Decimal
        :param price: in quote units, for limit orders
        :param params: as `create_order` takes them, in either spelling
        :param features: of the server, as far as `needs_features` asked for them
        :returns: a command of the contract
        :raises InvalidOrder, ArgumentsRequired, BadSymbol, NotSupported: before anything is sent
        """
        market = self.market(symbol)
        if params:
            params = with_client_order_id(params)
            self._refuse_rehearsal(params)
        rest = with_its_direction(type, side, params, features)
        payload: dict[str, Any] = {
            "symbol": market["symbol"],
            "side": self._checked_side(side),
            "order_type": self._checked_type(type, price, params),
        }
        if self.served_id in SPENDING:
            amount = self._amount_unless_cost(payload, rest, market, amount)
        elif self.served_id in _UNIT_BY_OPTION:
            self._add_unit_of_options(payload, rest, market)
        self._add_size(payload, rest, market, amount, features)
        if payload["order_type"] != "market":
            if price is None and payload["order_type"] == "limit":
                raise ccxt.ArgumentsRequired(f"{self.id} createOrder() price: a limit order requires a price")
            if price is not None:
                payload["price"] = self._checked_price(market, "price", price)
        self._check_cost(market, payload, no_minimum=rest.get("reduceOnly") is True)
        payload["client_order_id"] = self._client_order_id(rest)
        account_id = self._account_id(rest)
        strategy_id = self._strategy_id(rest)
        if strategy_id is not None:
            payload["strategy_id"] = strategy_id
        if rest:
            self._add_options(payload, rest, market, features)
        return {"account_id": account_id, "command": "send_order", "payload": payload}

    def _refuse_rehearsal(self, params: Mapping[str, Any]) -> None:
        """What some venues take for "check it and do not place it" an OMS would place.

        :raises NotSupported: with advice
        """
        for name in _REHEARSALS:
            if params.get(name) and params[name] != "false":
                raise ccxt.NotSupported(
                    f"{self.id} createOrder() {name}: the OMS would place the order; "
                    "canExecuteOrder() checks one without placing it"
                )

    def _add_options(
        self,
        payload: dict[str, Any],
        params: dict[str, Any],
        market: dict[str, Any],
        features: frozenset[str],
    ) -> None:
        """What `params` asks for; what is none of ours goes on to the venue."""
        self._add_identity(payload, params)
        self._add_execution(payload, params, features)
        self._add_triggers(payload, params, market, features)
        self._add_attached_stops(payload, params, market, features)
        for name in ("account_id", "request_id", "strategy_id", *CCXTS_PARAMS):
            params.pop(name, None)
        if params:
            payload["params"] = sendable(params)

    def _add_size(
        self,
        payload: dict[str, Any],
        params: dict[str, Any],
        market: dict[str, Any],
        amount: Any,
        features: frozenset[str],
    ) -> None:
        """`qty`, or `cost` in quote units when the caller gives it in place of an amount."""
        cost = params.pop("cost", None)
        if cost is None:
            payload["qty"] = self._checked_amount(market, amount)
            return
        if Feature.ORDER_OPTIONS not in features:
            raise ccxt.NotSupported(
                f"{self.id} cost: this server lacks the feature order_options; give an amount instead"
            )
        exact = self._exact("cost", cost)
        no_minimum = params.get("reduceOnly") is True
        self._check_limits(market, "cost", "cost", exact, no_minimum)
        payload["cost"] = format_decimal(exact)

    def _amount_unless_cost(
        self, payload: dict[str, Any], params: dict[str, Any], market: dict[str, Any], amount: Any
    ) -> Any:
        """The amount; None where a program means what to spend by it, which is `cost` then."""
        spends = self._spends_amounts(params)
        params.pop(_NEEDS_PRICE, None)
        buys = (payload["order_type"], payload["side"]) == ("market", "buy") and market["spot"]
        waits = any(params.get(name) is not None for name in _TRIGGERS)
        if not (spends and buys) or (waits and self.served_id in _COINS_AT_TRIGGERS):
            return amount
        if params.get("cost") is None:
            params["cost"] = amount
        return None

    def _add_unit_of_options(
        self, payload: Mapping[str, Any], params: dict[str, Any], market: Mapping[str, Any]
    ) -> None:
        """Send along what an option says that amounts count: the venue heeds it, or refuses it."""
        unit = self.options.get(_UNIT)
        if unit is None or params.get("cost") is not None or params.get(_UNIT) is not None:
            return
        if payload["order_type"] == "market" and market["spot"]:
            params[_UNIT] = unit

    def params_in_list(self, order: Mapping[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        """`params` of one of several orders, where what its `amount` means depends on that."""
        if self.served_id not in _COSTS_IN_LISTS or not self._spends_amounts(params):
            return params
        kind = (str(order.get("type")).lower(), str(order.get("side")).lower())
        if kind != ("market", "buy") or params.get("cost") is not None:
            return params
        return {**params, "cost": order.get("amount")} if self.market(order.get("symbol"))["spot"] else params

    def _spends_amounts(self, params: Mapping[str, Any]) -> bool:
        """Whether a program says so, where it can: on one of `SPENDING`."""
        of_orders = self.options.get("createOrder")
        for given in (params, of_orders, self.options):
            needs_price = given.get(_NEEDS_PRICE) if isinstance(given, Mapping) else None
            if needs_price is not None:
                return not needs_price
        return False

    def needs_features(self, params: Mapping[str, Any], order_type: Any = None) -> bool:
        """Whether `create_order_request` must know what the server offers."""
        if params and any(params.get(name) is not None for name in _PER_SERVER):
            return True
        if _direction_of(order_type) in ("stopLossPrice", _DIRECTION):
            return True
        return self.served_id in SPENDING and self._spends_amounts(params)

    def set_take_profit_and_stop_loss_params(
        self,
        symbol: str,
        type: Any,
        side: Any,
        amount: Any,
        price: Any = None,
        takeProfit: Any = None,
        stopLoss: Any = None,
        params: dict[str, Any] = {},
    ) -> Any:
        """ccxt's, on a copy: its own leaves the stops of one order in the default of the next."""
        prices = (takeProfit, stopLoss)
        return super().set_take_profit_and_stop_loss_params(
            symbol, type, side, amount, price, *prices, dict(in_own_spelling(params))
        )

    def trailing_params(
        self, name: str, distance: Any, trigger_price: Any, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """`params` of a trailing order, on a copy.

        :raises ArgumentsRequired: no distance was given
        """
        if distance is None:
            raise ccxt.ArgumentsRequired(f"{self.id} {name}: a trailing order requires it")
        own = {**in_own_spelling(params), name: distance}
        if trigger_price is not None:
            own["trailingTriggerPrice"] = trigger_price
        return own

    def _checked_side(self, side: Any) -> str:
        text = side.lower() if isinstance(side, str) else None
        if text not in ("buy", "sell"):
            raise ccxt.InvalidOrder(f"{self.id} createOrder() side: expected buy or sell, got {side!r}"[:200])
        return text

    def _checked_type(self, order_type: Any, price: Any, params: Mapping[str, Any]) -> str:
        text = order_type.lower() if isinstance(order_type, str) else ""
        if text not in _STOPS:
            if not 0 < len(text) <= 16:
                raise ccxt.InvalidOrder(
                    f"{self.id} createOrder() type: expected market or limit, got {order_type!r}"[:200]
                )
            return text
        if all(params.get(name) is None for name in _TRIGGERS):
            raise ccxt.ArgumentsRequired(f"{self.id} createOrder() type: {text} requires a triggerPrice")
        return _STOPS[text] or ("market" if price is None else "limit")

    def _exact(self, field: str, value: Any) -> Decimal:
        """A number of the caller's as a positive decimal."""
        if value is None:
            raise ccxt.InvalidOrder(f"{self.id} {field}: expected a number above 0, got None")
        try:
            number = parse_decimal(value)
        except ValueError as error:
            if not is_foreign_number(value):
                raise ccxt.InvalidOrder(f"{self.id} {field}: {error}") from None
            number = self._exact(field, str(value))
        if number <= ZERO:
            raise ccxt.InvalidOrder(f"{self.id} {field}: expected a number above 0, got {value!r}"[:200])
        return number

    def _checked_amount(self, market: dict[str, Any], amount: Any, field: str = "amount") -> str:
        """An amount as it is sent: rounded down to the market's step, within its limits."""
        return self._rounded(market, "amount", field, amount, _down, self.amount_to_precision)

    def _checked_price(self, market: dict[str, Any], field: str, price: Any) -> str:
        """A price as it is sent: rounded to the nearest of the market's steps, within its limits."""
        return self._rounded(market, "price", field, price, _nearest, self.price_to_precision)

    def _rounded(
        self,
        market: dict[str, Any],
        kind: str,
        field: str,
        value: Any,
        to_step: _ToStep,
        by_ccxt: Callable[[str, str], Any],
    ) -> str:
        """A number of the caller's as it is sent."""
        step = self._step_of(market, kind)
        if step is not None and type(value) in _USUAL_NUMBERS:
            limits = market["limits"].get(kind) or _NO_LIMITS
            sent = _sent(value, step, to_step, limits.get("min"), limits.get("max"))
            if sent is not None:
                return sent
        number = self._exact(field, value)
        if step is not None:
            rounded = to_step(number, step)
        else:
            rounded = self._rounded_by_ccxt(by_ccxt, market, kind, number)
        if not rounded:
            raise _outside_limits(
                f"{self.id} {field}: {format_decimal(number)} of {market['symbol']} must be greater than "
                f"minimum {kind} precision of {market['precision'][kind]}"
            )
        self._check_limits(market, kind, field, rounded)
        return format_decimal(rounded)

    def _step_of(self, market: dict[str, Any], kind: str) -> Decimal | None:
        """The market's step; None leaves the rounding to ccxt, or to a subclass that has its own.

        ccxt's own rounding by tick size gives the same and takes several times as long.
        """
        if self.precisionMode != TICK_SIZE or self.paddingMode != NO_PADDING or self._rounds_itself:
            return None
        return _step(market["precision"][kind])

    @cached_property
    def _rounds_itself(self) -> bool:
        """Whether a subclass replaced ccxt's rounding."""
        cls = type(self)
        return (
            getattr(cls, "amount_to_precision", None) is not ccxt.Exchange.amount_to_precision
            or getattr(cls, "price_to_precision", None) is not ccxt.Exchange.price_to_precision
        )

    def _rounded_by_ccxt(
        self, rounding: Callable[[str, str], Any], market: dict[str, Any], kind: str, number: Decimal
    ) -> Decimal:
        precision = market["precision"][kind]
        if precision is None or (self.precisionMode == TICK_SIZE and not precision):
            return number  # the venue does not say
        return Decimal(rounding(market["symbol"], format_decimal(number)))

    def _check_limits(
        self, market: dict[str, Any], kind: str, field: str, value: Decimal, no_minimum: bool = False
    ) -> None:
        limits = market["limits"].get(kind) or _NO_LIMITS
        lowest, highest = limits.get("min"), limits.get("max")
        if not no_minimum and _is_below(value, lowest):
            self._refuse_limit(market, field, value, f"below its minimum of {lowest}")
        if _is_above(value, highest):
            self._refuse_limit(market, field, value, f"above its maximum of {highest}")

    def _refuse_limit(self, market: dict[str, Any], field: str, value: Decimal, how: str) -> NoReturn:
        raise _outside_limits(f"{self.id} {field}: {format_decimal(value)} of {market['symbol']} is {how}")

    def _check_cost(self, market: dict[str, Any], payload: Mapping[str, Any], no_minimum: bool) -> None:
        """Limits of the cost, where the price is known before the order is placed.

        :param no_minimum: of an order that only reduces: the rest of a position may be worth less
        """
        if "price" in payload and "qty" in payload and market["limits"].get("cost"):
            terms = self._terms_of(market["symbol"])
            qty, price = parse_decimal_text(payload["qty"]), parse_decimal_text(payload["price"])
            self._check_limits(market, "cost", "cost", terms.cost(qty, price), no_minimum)

    def _client_order_id(self, params: dict[str, Any]) -> str:
        """The caller's client order id, or a new one; taken out of `params`."""
        given = params.pop("clientOrderId", None)
        if given is None:
            factory: Callable[[], str] | None = self.options.get("client_order_id_factory")
            if factory is None:
                return new_client_order_id()
            given = factory()
        text = "" if given is None else str(given)
        if not text.strip() or len(text) > 128:
            raise ccxt.InvalidOrder(
                f"{self.id} clientOrderId: expected 1 to 128 characters, got {text[:40]!r}"
            )
        self._check_characters("clientOrderId", text)
        return text

    def _check_characters(self, field: str, text: str) -> None:
        """No order is sent with a text that no server can read."""
        if not text.isascii() and not is_whole_text(text):
            raise ccxt.InvalidOrder(
                f"{self.id} {field}: expected what can be sent as JSON, got {text!a}"[:200]
            )

    def _add_identity(self, payload: dict[str, Any], params: dict[str, Any]) -> None:
        """On which position it is, and why."""
        position_id = params.pop("position_id", None)
        if position_id is not None:
            payload["position_id"] = identifier("position_id", position_id, or_zero=True)
        for name, longest in (("reason", 32), ("comment", 255)):
            text = params.pop(name, None)
            if text is None:
                continue
            if not isinstance(text, str) or len(text) > longest:
                raise ccxt.InvalidOrder(
                    f"{self.id} {name}: expected at most {longest} characters, got {text!r}"[:200]
                )
            self._check_characters(name, text)
            payload[name] = text

    def _add_order_options(
        self, payload: dict[str, Any], params: dict[str, Any], features: frozenset[str]
    ) -> None:
        """The time of a GTD order and the visible part of an iceberg, where the OMS keeps them."""
        expire_at = params.pop("expireAt", None)
        if payload.get("time_in_force") == "GTD" and expire_at is None:
            raise ccxt.ArgumentsRequired(f"{self.id} expireAt: a GTD order requires the time when it expires")
        display_qty = params.pop("displayQty", None)
        given = {"expireAt": expire_at, "displayQty": display_qty}
        named = [name for name, value in given.items() if value is not None]
        if named and Feature.ORDER_OPTIONS not in features:
            raise ccxt.NotSupported(
                f"{self.id} {', '.join(named)}: this server lacks the feature order_options"
            )
        if expire_at is not None:
            payload["expire_at"] = self._time_text("expireAt", expire_at)
        if display_qty is not None:
            payload["display_qty"] = format_decimal(self._exact("displayQty", display_qty))

    def _time_text(self, field: str, value: Any) -> str:
        """A time as ISO 8601, from milliseconds since the Unix epoch or a text."""
        value = plain(value)
        try:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return format_time(checked_time(int(value) if number else parse_time(value)))
        except (ValueError, OverflowError) as error:
            raise ccxt.InvalidOrder(f"{self.id} {field}: {error}"[:200]) from None

    def _add_execution(
        self, payload: dict[str, Any], params: dict[str, Any], features: frozenset[str]
    ) -> None:
        """Time in force, post-only, reduce-only."""
        asked = self._execution(params)
        if asked["time_in_force"] is not None:
            payload["time_in_force"] = asked["time_in_force"]
        self._add_order_options(payload, params, features)
        if asked["post_only"]:
            if payload["order_type"] == "market":
                raise ccxt.InvalidOrder(f"{self.id} postOnly: a market order cannot be post-only")
            payload["post_only"] = True
        if asked["reduce_only"]:
            payload["reduce_only"] = True

    def _execution(self, params: dict[str, Any]) -> dict[str, Any]:
        """Time in force, post-only and reduce-only, as the row of an order has them; taken out of `params`.

        :returns: None for each that is not said
        """
        given = params.pop("timeInForce", None)
        post_only = _flag(self.id, params, "postOnly")
        reduce_only = _flag(self.id, params, "reduceOnly")
        text = None if given is None else str(given).upper()
        text = "PO" if text in _POST_ONLY else text
        if text is not None and text not in _TIMES_IN_FORCE:
            expected = ", ".join(sorted(_TIMES_IN_FORCE))
            raise ccxt.InvalidOrder(f"{self.id} timeInForce: expected one of {expected}, got {given!r}"[:200])
        post_only = True if text == "PO" else post_only
        if post_only and text in ("IOC", "FOK"):
            raise ccxt.InvalidOrder(f"{self.id} postOnly: a post-only order cannot be {text}")
        time_in_force = None if text == "PO" else text
        return dict(zip(EXECUTION, (time_in_force, post_only, reduce_only), strict=True))

    def need_same_execution(self, id: int, row: Mapping[str, Any], params: Mapping[str, Any]) -> None:
        """See that an edit does not ask for another time in force, post-only or reduce-only.

        :param row: of the order; None where the server does not tell
        :raises InvalidOrder: it does, and would be believed to have it
        """
        asked = self._execution(dict(in_own_spelling(params)))
        has = {name: row.get(name) for name in EXECUTION}
        if has["time_in_force"] == "PO":  # as ccxt's class of the venue says it
            has.update(time_in_force="GTC", post_only=True)
        for name, value in asked.items():
            if None not in (value, has[name]) and value != has[name]:
                raise ccxt.InvalidOrder(
                    f"{self.id} editOrder() {name}: order {id} has {has[name]} and keeps it, got {value}; "
                    "cancel it and create another"
                )

    def _add_triggers(
        self,
        payload: dict[str, Any],
        params: dict[str, Any],
        market: dict[str, Any],
        features: frozenset[str],
    ) -> None:
        """Trigger, stop loss, take profit and trailing prices of the order itself."""
        trigger, older = params.pop("triggerPrice", None), params.pop("stopPrice", None)
        trigger = older if trigger is None else trigger
        if trigger is not None:
            payload["trigger_price"] = self._checked_price(market, "triggerPrice", trigger)
        stop_loss = params.pop("stopLossPrice", None)
        if stop_loss is not None:
            price = self._checked_price(market, "stopLossPrice", stop_loss)
            if Feature.ORDER_OPTIONS in features:
                payload["stop_price"] = price
            else:  # the venue's own parameter keeps the stop's direction where the OMS does not know it
                params["stopLossPrice"] = price
        take_profit = params.pop("takeProfitPrice", None)
        if take_profit is not None:
            payload["take_profit_price"] = self._checked_price(market, "takeProfitPrice", take_profit)
        for name, key in (("trailingAmount", "trailing_amount"), ("trailingPercent", "trailing_percent")):
            value = params.pop(name, None)
            if value is not None:
                payload[key] = format_decimal(self._exact(name, value))

    def _add_attached_stops(
        self,
        payload: dict[str, Any],
        params: dict[str, Any],
        market: dict[str, Any],
        features: frozenset[str],
    ) -> None:
        """`stopLoss` and `takeProfit` dicts: stops of the position that the order opens."""
        attached = {}
        for name, key in _ATTACHED.items():
            given = _attached_of(params.pop(name, None), params.pop(key, None), name, key)
            if given is not None:  # None: programs pass what they do not use
                attached[name] = given
        if not attached:
            return
        if Feature.STOPS_ENFORCED not in features:
            if self.options.get("unenforced_stops") == "venue":
                params.update(attached)
                return
            raise ccxt.NotSupported(
                f"{self.id} {', '.join(attached)}: this server keeps stops but nobody enforces them; set "
                'options["unenforced_stops"] = "venue" to pass them to the venue, or place a stop order '
                "(stopLossPrice, takeProfitPrice)"
            )
        for name, given in attached.items():
            price = self._attached_price(name, given)
            payload[_ATTACHED[name]] = self._checked_price(market, f"{name}.triggerPrice", price)

    def _attached_price(self, name: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ccxt.InvalidOrder(
                f"{self.id} {name}: expected a dict with triggerPrice, got {value!r}"[:200]
            )
        value = in_own_spelling(value)
        refused = [
            key
            for key, inner in value.items()
            if inner is not None and key not in _ATTACHED_PRICE and (key, inner) != ("type", "market")
        ]
        if refused:
            raise ccxt.NotSupported(
                f"{self.id} {name}: {', '.join(map(str, refused))} cannot be honoured; the OMS closes the "
                "position at the market when the last price reaches triggerPrice"
            )
        price = next((value[key] for key in _ATTACHED_PRICE if value.get(key) is not None), None)
        if price is None:
            raise ccxt.InvalidOrder(f"{self.id} {name}.triggerPrice: expected a price, got nothing")
        return price

    def edit_order_request(
        self, id: int, symbol: str, amount: Any, price: Any, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The `change_order` command for the arguments of `edit_order`.

        :param id: OMS order id
        :param amount: new total amount, filled included, or None to keep it
        :param price: new price in quote units, or None to keep it
        :raises ArgumentsRequired: neither was given
        :raises NotSupported: a stop or trigger is to be changed too, which the OMS cannot
        """
        params = in_own_spelling(params)
        kept = [name for name in _NOT_EDITED if params.get(name) is not None]
        if kept:
            raise ccxt.NotSupported(
                f"{self.id} editOrder() {', '.join(kept)}: only price and amount can be changed; cancel the "
                "order and create another, or use setPositionStops()"
            )
        market = self.market(symbol)
        payload: dict[str, Any] = {"order_id": id}
        if price is not None:
            payload["new_price"] = self._checked_price(market, "price", price)
        if amount is not None:
            payload["new_qty"] = self._checked_amount(market, amount)
        if len(payload) == 1:
            raise ccxt.ArgumentsRequired(f"{self.id} editOrder() requires an amount or a price")
        return {"account_id": self._account_id(params), "command": "change_order", "payload": payload}

    def order_id_of(self, id: Any) -> int:
        """An order id as the caller gave it, as the contract's integer.

        :raises OrderNotFound: it is no OMS id, so it names no order
        :raises ArgumentsRequired: it is missing
        """
        if id is None or id == "":
            raise ccxt.ArgumentsRequired(
                f"{self.id} id: expected the OMS id of an order, or params.clientOrderId"
            )
        text = str(id)
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
            raise ccxt.OrderNotFound(
                f"{self.id} id: expected the OMS id of an order (digits), got {text[:60]!r}"
            )
        return int(text)

    def order_ids_of(self, ids: Any) -> list[int]:
        """Order ids as a caller gave them: a list, one id, or a text with commas between them."""
        if ids is None or (isinstance(ids, str) and not ids):
            return []
        given = ids.split(",") if isinstance(ids, str) else plain(ids)
        listed = given if isinstance(given, Iterable) else [given]
        return [self.order_id_of(each.strip() if isinstance(each, str) else each) for each in listed]

    def checked_timeout(self, timeout: Any) -> int:
        """The time of a dead man's switch, in milliseconds; 0 disarms it.

        :raises BadRequest: it is no whole number from 0
        """
        number = plain(timeout)
        whole = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
        if isinstance(number, bool) or not whole or number < 0:
            raise ccxt.BadRequest(f"{self.id} timeout: expected milliseconds from 0, got {timeout!r}"[:200])
        return int(number)

    def is_id_made_up(self, params: Mapping[str, Any]) -> bool:
        """Whether an order gets its client order id from the driver."""
        return not params or with_client_order_id(params).get("clientOrderId") is None

    @staticmethod
    def client_order_id_of(id: Any, params: Mapping[str, Any]) -> tuple[Any, str | None]:
        """What a by-id method was given: id or None, client order id or None.

        The client order id wins over an id that is empty or equal to it.
        """
        client_order_id = named_client_order_id(params)
        if client_order_id is None:
            return id, None
        text = str(client_order_id)
        return (None if id in (None, "") or str(id) == text else id), text


def _outside_limits(message: str) -> ccxt.InvalidOrder:
    """The refusal of a size or price that is a good number, and that the market does not take."""
    error = ccxt.InvalidOrder(message)
    error.__dict__["outside_limits"] = True
    return error


def is_outside_limits(refusal: ccxt.BaseError) -> bool:
    """Whether an order was refused for the market's limits, and not because its arguments are none."""
    return "outside_limits" in vars(refusal)


def sendable(params: dict[str, Any]) -> dict[str, Any]:
    """What goes on to the venue: refused here, it is refused in process as over HTTP.

    :raises BadRequest: it holds what JSON does not
    """
    sent: dict[str, Any] = plain(params)
    json_text(sent)
    return sent


def new_client_order_id() -> str:
    """18 characters of `[a-z0-9]`, a letter first, with 92 random bits: short enough for every venue."""
    noise = secrets.token_bytes(18)
    return _LETTERS[noise[0] % 26] + noise[1:].translate(_TO_ALPHABET).decode("ascii")


_limit = lru_cache(maxsize=1024)(parse_decimal)
_ToStep = Callable[[Decimal, Decimal], Decimal]
_USUAL_NUMBERS: Final = frozenset({float, int, str})
_NO_LIMITS: Final[Mapping[str, Any]] = {}


def _down(number: Decimal, step: Decimal) -> Decimal:
    excess = _EXACT.remainder(number, step)
    return _EXACT.subtract(number, excess) if excess else number


def _nearest(number: Decimal, step: Decimal) -> Decimal:
    excess = _EXACT.remainder(number, step)
    if not excess:
        return number
    rounded = _EXACT.subtract(number, excess)
    return _EXACT.add(rounded, step) if _EXACT.add(excess, excess) >= step else rounded


def _is_below(value: Decimal, lowest: Any) -> bool:
    return lowest is not None and value < _limit(lowest)


def _is_above(value: Decimal, highest: Any) -> bool:
    return bool(highest) and value > _limit(highest)


@lru_cache(maxsize=4096, typed=True)  # a program's sizes come again and again, and many of its prices
def _sent(value: float | str, step: Decimal, to_step: _ToStep, lowest: Any, highest: Any) -> str | None:
    """A number rounded to a step, as it is sent; None of one that is refused."""
    try:
        rounded = to_step(parse_decimal(value), step)
    except ValueError:
        return None
    refused = rounded <= ZERO or _is_below(rounded, lowest) or _is_above(rounded, highest)
    return None if refused else format_decimal(rounded)


@lru_cache(maxsize=1024)
def _step(precision: Any) -> Decimal | None:
    step = None if precision is None else parse_decimal(precision)
    return step if step is not None and step > 0 else None


def _flag(exchange_id: str, params: dict[str, Any], name: str) -> bool | None:
    value = params.pop(name, None)
    if value is not None and not isinstance(value, bool):
        raise ccxt.InvalidOrder(f"{exchange_id} {name}: expected True or False, got {value!r}"[:200])
    return value


def _direction_of(order_type: Any) -> str | None:
    """What the trigger of a type is that says from which side the price comes; None of all others."""
    return _DIRECTIONS.get(order_type.lower()) if isinstance(order_type, str) else None


def with_its_direction(
    order_type: Any, side: Any, params: Mapping[str, Any], features: frozenset[str]
) -> dict[str, Any]:
    """`params`, with the trigger of a type that says stop or take profit as what it is.

    As a plain trigger, one that the price is beyond already would wait for its way back.

    :param side: of the order
    """
    rest, name = dict(params), _direction_of(order_type)
    if name is None:
        return rest
    if name == _DIRECTION:  # elsewhere a venue may refuse a word that it does not know
        waits = rest.get("triggerPrice") is not None or rest.get("stopPrice") is not None
        if waits and rest.get(name) is None and Feature.ORDER_OPTIONS in features:
            rest[name] = _REACHED_BY.get(str(side).lower())
        return rest
    trigger, older = rest.pop("triggerPrice", None), rest.pop("stopPrice", None)
    trigger = older if trigger is None else trigger
    if trigger is not None and rest.get(name) is None:
        rest[name] = trigger
    return rest


def _attached_of(given: Any, price: Any, name: str, key: str) -> Any:
    """A stop of the position as ccxt's dict, whichever way it was given.

    :raises BadRequest: both ways
    """
    if price is None:
        return given
    if given is not None:
        raise ccxt.BadRequest(f"{name}, {key}: expected one of them, got both")
    return {"triggerPrice": price}
