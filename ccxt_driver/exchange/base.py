"""Everything of the driver that does not wait: describe, sign, handle_errors, request builders, parse_*.

One mixin for both colours. A unified method in `_async/` reads: build a request here, send it, map
the answer here.
"""

from __future__ import annotations

import json
import logging
import os
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from decimal import getcontext, setcontext
from typing import Any, Final
from urllib.parse import urlencode

import ccxt

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.endpoints import snake_case
from ccxt_driver.contract.values import format_time, parse_decimal
from ccxt_driver.errors import annotate, command_of, error_from_detail, error_from_response, garbage
from ccxt_driver.mappers.composition import check_venue_order, finish_order
from ccxt_driver.mappers.order import order_from_row
from ccxt_driver.mappers.position import position_from_row
from ccxt_driver.mappers.trade import PLAIN, Terms, trade_from_row
from ccxt_driver.mappers.values import USUAL, BadRow, Number, decimal_of, number_maker

from .capabilities import CAPABILITIES, Source, description, learned_features, learned_has
from .command_outcomes import CommandOutcomes
from .configuration import (
    EMBEDDED,
    NO_SANDBOX,
    attributes_of_derived,
    described_otherwise,
    given_or_described,
    identifier,
    is_embedded,
    paper_name,
    refuse_credentials,
    resolve,
)
from .copying import Copying
from .list_requests import CALLERS_STRATEGY, OPEN_STATUSES, ListRequests
from .order_requests import EXECUTION
from .position_requests import PositionRequests
from .request_parts import KEY_HEADER, endpoint_of, filled_in, json_text, parts_of, secret_header
from .sandbox import Sandbox
from .secrecy import Secrecy
from .server_truth import FARTHEST_ZONE_MS, ServerTruth, has_zone, youngest_age
from .shared_markets import SharedMarkets
from .spelling import said
from .ticker_cache import TickerCache
from .transport import Transport
from .unknown_creates import UnknownCreates
from .venue_guard import check as check_venue_call

LOGGER: Final = logging.getLogger("ccxt_driver")

_CAPABILITY_OF: Final = {snake_case(key): key for key in CAPABILITIES}
_MOST_KNOWN_ORDERS: Final = 1000
_NEVER_CHANGES: Final = ("order_type", "side", "symbol", *EXECUTION)
_ROW_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    **dict.fromkeys(("id", "account_id", "order_id", "client_order_id"), (int, str)),
    **dict.fromkeys(("exchange_order_id", "exchange_trade_id"), (int, str)),
    **dict.fromkeys(("symbol", "status", "state", "side", "reason"), str),
}
"""What rows are compared and kept by, and of which types it is."""
_HOUR_MS: Final = 3_600_000
_FARTHEST_HOURS: Final = FARTHEST_ZONE_MS // _HOUR_MS


class OmsExchange(
    PositionRequests, ListRequests, CommandOutcomes, Transport, Secrecy, Sandbox, SharedMarkets, Copying
):
    """The part of the OMS exchange classes that is the same for both."""

    quoteJsonNumbers = False  # noqa: N815  # older releases of ccxt would make texts of ids and times

    fetchHistoryCacheSize = 0  # noqa: N815  # an older ccxt has no such history

    served_id: str | None = None
    """Of another exchange, in whose place this class stands; see `served_id.py`."""
    paper_name = paper_name()

    def __init__(self, config: dict[str, Any] = {}) -> None:
        """Make an exchange object. No I/O, but that the chosen profile is read when nothing else counts.

        :param config: as ccxt's: `apiKey`, `options` (`base_url`, `account_id`, `strategy_id`,
            `oms`, ...), `timeout`, `urls`, and every other attribute
        :raises BadRequest: an option is not what it should be
        :raises AuthenticationError: a venue's credentials for the embedded OMS
        """
        self._server_features = None
        self._features_asked_ms = 0
        self._account_rows = None
        self._terms = {}
        self._embedded_oms = None
        self._live = None
        self._known_orders = OrderedDict()
        self._missing_routes = set()
        self._commands_in_flight = 0
        self._placings = set()
        self._unknown_creates = UnknownCreates()
        self._truth = ServerTruth()
        self._sides = {}
        self._circuits = {}
        self._tickers = TickerCache()
        super().__init__(resolve(self._with_described(config), os.environ, self.served_id))
        self._told_target = self.options.get("base_url"), self.options.get("oms") is not None
        if self.options.get("testnet") is True and not self.isSandboxModeEnabled:
            self.set_sandbox_mode(True)  # an older ccxt looks no further than at `sandbox`, a dict here
        if self._is_embedded:
            LOGGER.info("%s is PAPER trading on %s", self.id, self.urls["api"])

    def describe(self) -> Any:
        """ccxt's description of the class; no I/O."""
        return self.deep_extend(super().describe(), description())

    def own_config(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """What of a program's configuration counts: all of it."""
        return config

    def _with_described(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """What of a configuration counts, and of what a class that a program derives says of it.

        In its `describe`, or by attributes, over which that wins, as in ccxt. The environment does not beat
        that either: such a class on `embedded:` would trade on a gateway.
        """
        own = self.own_config(config)
        kinds: Any = type(self).__mro__
        told: Mapping[str, Any] = attributes_of_derived(kinds)
        if not _is_of_the_driver(type(self).describe):
            usual = next(kind for kind in kinds if _is_of_the_driver(vars(kind).get("describe")))
            told = given_or_described(described_otherwise(self.describe(), usual.describe(self)), told)
        return given_or_described(own, self.own_config(told)) if told else own

    # -- requests -----------------------------------------------------------------------------

    def need_own_target(self) -> None:
        """Send nothing when the options name another OMS than they did when the object was made.

        Which one it is was settled then: a program that has set `embedded:` since would trade on a gateway.

        :raises BadRequest: nothing was sent
        """
        options, told = self.options, self._told_target
        url, is_given = options.get("base_url"), options.get("oms") is not None
        if (url, is_given) == told:
            return
        for name, changed in (
            ("base_url", url not in (None, told[0], self.urls["api"])),
            ("oms", is_given and not told[1]),
        ):
            if changed:
                error = ccxt.BadRequest(
                    f'{self.id} options["{name}"] was set after the object was made, which goes on with '
                    f"{self.urls['api']}: give it to the constructor"
                )
                raise annotate(error, outcome="not_sent")

    def sign(
        self,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Any = {},
        headers: Any = None,
        body: Any = None,
    ) -> dict[str, Any]:
        """The HTTP request for an endpoint of the contract.

        :param path: with `{placeholders}`, as in the contract
        :param api: public (no key), private (a key), market (a key when there is one)
        :param params: path, query and body parameters together; a list is a body
        :returns: url, method, headers, body
        :raises AuthenticationError: a private endpoint without `apiKey`
        :raises NotSupported: the program has turned to a sandbox that is not configured
        """
        endpoint = endpoint_of(method, path)
        filled, query, payload = filled_in(endpoint, path, params)
        base = self.urls["api"]
        if base == NO_SANDBOX:
            raise self.no_sandbox()
        url = f"{base if isinstance(base, str) else base[api]}/{filled}"
        if query:
            url += "?" + urlencode(query)
        headers = {} if headers is None else dict(headers)
        if method != "GET":
            headers["Content-Type"] = "application/json"
            body = json_text(payload)
        if api == "private" and not self.apiKey:
            self._need_key()
        if api != "public" and self.apiKey:
            headers[KEY_HEADER] = secret_header("apiKey", self.apiKey)
        return {"url": url, "method": method, "body": body, "headers": headers}

    def _need_key(self) -> None:
        """Raise for a private request without a key, unless the user said that none is required."""
        try:
            self.check_required_credentials()
        except ccxt.AuthenticationError as error:
            if not os.environ.get("CCXT_OMS_API_KEY"):
                raise ccxt.AuthenticationError(
                    f"{error}: set apiKey, or CCXT_OMS_API_KEY together with CCXT_OMS_BASE_URL; "
                    "ccxt-driver serve prints a key when it makes one, --new-key makes another"
                ) from None
            raise ccxt.AuthenticationError(
                f"{error}; CCXT_OMS_API_KEY is set, and used only where CCXT_OMS_BASE_URL gives the base "
                "URL: leave base_url out, or give the apiKey too"
            ) from None

    def handle_errors(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: Any,
        body: str,
        response: Any,
        request_headers: Any,
        request_body: Any,
    ) -> None:
        """Raise the exception for every answer that is not a success of the contract.

        ccxt's own status map, which calls a 409 or a 403 an outage, is never reached.
        """
        if code < 300 and response is not None:
            return
        command = command_of(request_body) if request_body and "/commands" in url else None
        if code >= 400:
            raise error_from_response(self.id, code, response, body, headers, command)
        if code >= 300:
            error = ccxt.ExchangeError(f"{self.id} {method} {url}: HTTP {code}, a redirect is not followed")
            raise annotate(error, status=code, outcome=None if command is None else "unknown")
        raise garbage(self.id, f"{method} {url}: expected JSON, got {body[:100]!r}", command, body)

    def need_capability(self, function: str) -> None:
        """Refuse a method that the venue does not have; what nobody could tell is tried.

        :raises NotSupported: with advice
        """
        key = _CAPABILITY_OF.get(function)
        if key is None or self.has.get(key) is not False:
            return
        advice = "the venue behind the gateway does not have it"
        if CAPABILITIES[key] is Source.MONEY and self.options.get("allow_money_movement") is not True:
            advice = "it moves money; set options['allow_money_movement'] = True to allow it"
        raise ccxt.NotSupported(f"{self.id} {key}() is not supported: {advice}")

    def apply_description(self, description: Any, features: frozenset[str]) -> None:
        """Take over what the venue says of itself, where it is the venue's to say."""
        venue = description if isinstance(description, Mapping) else {}
        has = venue.get("has")
        markets = (self.markets or {}).values()
        known = has if isinstance(has, Mapping) else None
        self.has.update(learned_has(known, features, markets, self.options))
        self.features = learned_features(self.features, features, self.options)
        if isinstance(venue.get("timeframes"), Mapping) and venue["timeframes"]:
            self.timeframes = dict(venue["timeframes"])
        if isinstance(venue.get("precisionMode"), int):
            self.precisionMode = venue["precisionMode"]
        for name in ("fees", "limits"):
            if isinstance(venue.get(name), Mapping):
                setattr(self, name, self.deep_extend(getattr(self, name), venue[name]))

    @staticmethod
    def local_description(exchange_id: Any) -> Any:
        """`describe()` of ccxt's own class for an account's `exchange_id`, such as `ccxt.binance`."""
        name = str(exchange_id or "").rpartition(".")[2]
        kind = getattr(ccxt, name, None) if name in ccxt.exchanges else None
        kind = getattr(kind, "replaced", kind)  # by one of ours
        return None if kind is None or issubclass(kind, OmsExchange) else kind().describe()

    def with_numbers(self, value: Any) -> Any:
        """A unified result with its floats as `exchange.number` asks for; `info` stays as it is."""
        if self.number is float:
            return value
        number = self._number()
        if isinstance(value, float):
            return number(parse_decimal(value))
        if isinstance(value, list):
            return [self.with_numbers(each) for each in value]
        if isinstance(value, dict):
            return {key: each if key == "info" else self.with_numbers(each) for key, each in value.items()}
        return value

    def guard_venue_request(self, path: str, params: Any) -> None:
        """Check every function that a request names, if it is one to `/ccxt`, before it is sent."""
        if not path.startswith("ccxt/"):
            return
        for call in params if isinstance(params, list) else [params]:
            check_venue_call(call.get("func") if isinstance(call, Mapping) else None, self.options, self.id)

    def _ask_in_process(self, path: str, method: str, params: Any) -> Any:
        """The embedded OMS's answer to a request; the same checks as over HTTP, no JSON."""
        oms = self._embedded_oms
        if oms is None:
            oms = self._open_embedded()
        endpoint = endpoint_of(method, path)
        placeholders, query, payload = parts_of(endpoint, params)
        self.last_request_url = EMBEDDED + path
        if self.verbose:
            self.log("\nembedded Request:", self.id, method, path, placeholders, query, payload)
        reply = oms.handle(endpoint.name, placeholders, query, payload)
        if self.verbose:
            self.log("\nembedded Response:", self.id, method, path, reply.status, reply.body)
        if reply.status >= 400:
            command = command_of(payload) if endpoint.name == "commands" else None
            raise error_from_response(self.id, reply.status, reply.body, command=command)
        return reply.body

    def _open_embedded(self) -> Any:
        from ccxt_driver.embedded import open_embedded

        refuse_credentials({name: getattr(self, name, None) for name in ("secret", "password", "privateKey")})
        self._embedded_oms = self.options.get("oms") or open_embedded(self.urls["api"])
        return self._embedded_oms

    @property
    def _is_embedded(self) -> bool:
        return is_embedded(self.urls["api"])

    # -- who asks, and for what ----------------------------------------------------------------

    def _account_id(self, params: Mapping[str, Any]) -> int:
        given = said(params, "account_id") if params else None
        given = self.options.get("account_id") if given is None else given
        if given is None:
            raise ccxt.ArgumentsRequired(
                f'{self.id} account_id: set options["account_id"] or CCXT_OMS_ACCOUNT_ID to the OMS '
                "account to trade on"
            )
        return identifier("account_id", given)

    def _strategy_id(self, params: Mapping[str, Any]) -> int | None:
        # None is what programs pass for what they do not use: it must not lift the strategy's limits.
        given = said(params, "strategy_id") if params else None
        given = self.options.get("strategy_id") if given is None else given
        strategy_id = None if given is None else identifier("strategy_id", given, or_zero=True)
        CALLERS_STRATEGY.set((weakref.ref(self), strategy_id))
        return strategy_id

    def _utc_offset_ms(self) -> int:
        """How far a gateway's times without a zone are ahead: `options.gateway_utc_offset`, or as learned."""
        hours = self.options.get("gateway_utc_offset")
        if hours is None:
            return self._truth.utc_offset_ms or 0
        if isinstance(hours, bool) or not isinstance(hours, int | float) or not abs(hours) <= _FARTHEST_HOURS:
            raise ccxt.BadRequest(
                f"{self.id} gateway_utc_offset: expected hours from -14 to 14, got {hours!r}"[:200]
            )
        return round(hours * _HOUR_MS)

    def _zone_blur_ms(self, text: Any) -> int:
        """By how much a time may be off: its zone is not known before it is learned."""
        known = self._truth.utc_offset_ms is not None or self.options.get("gateway_utc_offset") is not None
        return 0 if known or has_zone(text) else FARTHEST_ZONE_MS

    def _age_ms(self, row: Mapping[str, Any], time_key: str) -> int:
        """How old a row is, or at least is while the zone of its time is not known."""
        difference: int = self.milliseconds() - self._time_of(row, time_key)
        return youngest_age(difference) if self._zone_blur_ms(row.get(time_key)) else difference

    # -- answers ---------------------------------------------------------------------------------

    def _own(self, row: Mapping[str, Any], strategy_id: int | None) -> bool:
        """Whether a row is of the strategy, or no strategy is asked for."""
        return strategy_id is None or (row.get("strategy_id") or 0) == strategy_id

    def _row_of_command(self, command: Mapping[str, Any], order_id: int) -> dict[str, Any]:
        """What is certain of an order that was placed and cannot be read now."""
        kept = ("symbol", "side", "order_type", "qty", "price", "client_order_id", "strategy_id")
        payload = command["payload"]
        return {
            "id": order_id,
            "account_id": command["account_id"],
            "status": "SUBMITTED",
            "created_at": format_time(self.milliseconds()),
            **{key: payload[key] for key in kept if key in payload},
        }

    def order_in_short(
        self, command: Mapping[str, Any], order_id: int | None, result: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What is certain of an order after a command on it, when it cannot be read now.

        :param order_id: None when the server did not tell
        :param result: of the command: becomes `info`
        """
        payload, row = command["payload"], result.get("order")
        if row is not None:
            try:
                return self._order(row)
            except ccxt.BadResponse as error:
                LOGGER.warning("%s the row of order %s is none: %s", self.id, order_id, error)
        known = {
            "id": None if order_id is None else str(order_id),
            "clientOrderId": payload.get("client_order_id"),
            "price": payload.get("new_price"),
            "amount": payload.get("new_qty"),
            "status": "canceled" if command["command"] == "cancel_order" and "order_id" in payload else None,
            "info": dict(result),
        }
        order: dict[str, Any] = self.safe_order(known)
        return order

    def _items(self, body: Any) -> list[dict[str, Any]]:
        items = body.get("items") if isinstance(body, Mapping) else None
        if not isinstance(items, list):
            raise garbage(self.id, f"expected a list under items, got {str(body)[:200]}", None, body)
        if not all(isinstance(item, dict) for item in items):
            raise garbage(self.id, f"expected rows under items, got {str(items)[:200]}", None, body)
        for item in items:
            for name, kinds in _ROW_TYPES.items():
                value = item.get(name)
                if value is not None and not isinstance(value, kinds):
                    raise garbage(self.id, f"{name}: not expected in a row: {str(value)[:200]}", None, item)
        return items

    def _venue_result(self, body: Any) -> Any:
        if not isinstance(body, Mapping) or body.get("ok") is not True or "result" not in body:
            raise garbage(self.id, f"expected ok and result, got {str(body)[:200]}", None, body)
        return body["result"]

    def order_not_found(self, account_id: int, order_id: int, strategy_id: int | None) -> ccxt.OrderNotFound:
        """The exception for an order that is not there, or is not the strategy's."""
        whom = f"account {account_id}"
        if strategy_id is not None:
            whom = f"strategy {strategy_id} on {whom}"
        error = ccxt.OrderNotFound(f"{self.id} order {order_id} is not known to {whom}")
        annotate(error, code=ErrorCode.ORDER_NOT_FOUND)
        return error

    def need_symbol(self, order_id: Any, has: Any, symbol: Any) -> None:
        """See that an order is of the market that the caller names.

        :param has: the order's symbol; None when nobody knows it
        :param symbol: of the caller; None or empty for any
        :raises OrderNotFound: it is of another market
        :raises BadSymbol: the venue has no such market
        """
        if not symbol or has is None or symbol == has:  # programs that need none pass an empty one
            return
        of_id = (self.markets_by_id or {}).get(symbol)  # a venue may have several markets of one id
        if of_id is None:
            of_id = [self.market(symbol)]
        if all(market["symbol"] != has for market in of_id):
            error = ccxt.OrderNotFound(f"{self.id} order {order_id} is one of {has}, not of {symbol}")
            raise annotate(error, code=ErrorCode.ORDER_NOT_FOUND)

    def need_known_symbol(self, order_id: int, symbol: Any) -> None:
        """As `need_symbol`, of an order whose market is remembered; nothing is read for it."""
        known = self._known_orders.get(order_id) if symbol is not None else None
        if known is not None:
            self.need_symbol(order_id, known["symbol"], symbol)

    def results_of_calls(self, body: Any, count: int) -> list[Any]:
        """Results of calls to the venue, or the exceptions of those that failed, in order."""
        results = body.get("results") if isinstance(body, Mapping) else None
        if not isinstance(results, list) or len(results) != count:
            raise garbage(self.id, f"expected {count} results, got {str(body)[:200]}", None, body)
        return [self._outcome_of_call(result) for result in results]

    def _outcome_of_call(self, result: Any) -> Any:
        if isinstance(result, Mapping) and result.get("ok") is True:
            return result["result"] if "result" in result else self._no_answer(result)
        detail = result.get("error") if isinstance(result, Mapping) else None
        detail = detail if isinstance(detail, Mapping) else {"code": "exchange_error", "message": str(detail)}
        return error_from_detail(self.id, detail)

    def _no_answer(self, result: Any) -> ccxt.BaseError:
        return garbage(self.id, f"expected a result, got {str(result)[:200]}", None, result)

    def venue_list(self, answer: Any) -> list[Any]:
        """A list that the venue gave.

        :raises BadResponse: it is none
        """
        if not isinstance(answer, list):
            raise garbage(self.id, f"expected a list of the venue, got {str(answer)[:200]}", None, answer)
        return answer

    def venue_order(self, answer: Any) -> dict[str, Any]:
        """ccxt's order structure as the venue gave it, without the venue's raw answer.

        :raises BadResponse: it is none, or one of its fields is of another type
        """
        if not isinstance(answer, Mapping) or answer.get("id") is None:
            raise garbage(self.id, f"expected an order of the venue, got {str(answer)[:200]}", None, answer)
        order = {key: value for key, value in answer.items() if key != "info"}
        self._mapped(check_venue_order, order)
        return order

    @staticmethod
    def raw_trade(row: Mapping[str, Any]) -> Mapping[str, Any]:
        """ccxt's trade structure that a gateway kept as the venue gave it."""
        raw = row.get("raw_json")
        if isinstance(raw, str):
            try:
                raw = json.loads(raw)
            except ValueError:
                LOGGER.debug("a raw trade is no JSON: %s", raw[:200])
        return raw if isinstance(raw, Mapping) else {}

    def raw_trade_id(self, row: Mapping[str, Any]) -> str:
        """The venue's id of a trade that a gateway kept."""
        return str(row.get("exchange_trade_id") or self.raw_trade(row).get("id"))

    def _mapped(self, mapper: Callable[..., Any], *args: Any) -> Any:
        """What a mapper makes of an answer; a row that is not of the contract is a BadResponse."""
        before = getcontext()
        setcontext(USUAL)  # as `in_usual_context` does; every answer comes by here
        try:
            return mapper(*args)
        except BadRow as error:
            what = f"the server sent what is not of the contract: {error}"
            raise garbage(self.id, what, None, args[0]) from error
        finally:
            setcontext(before)

    def _number(self) -> Number:
        return number_maker(self.number)

    def _terms_of(self, symbol: Any) -> Terms:
        """What the mappers must know of a market; unknown markets count in base units."""
        if not isinstance(symbol, str):
            return PLAIN  # of a row that is none: the mapper names the field
        known: Terms | None = self._terms.get(symbol)
        if known is not None:
            return known
        market = (self.markets or {}).get(symbol)
        if market is None:
            return PLAIN
        size = market.get("contractSize")
        contract_size = PLAIN.contract_size if size is None else parse_decimal(size)
        terms = Terms(contract_size, bool(market.get("inverse")))
        self._terms[symbol] = terms
        return terms

    def market(self, symbol: Any) -> Any:
        """ccxt's market structure of a symbol.

        :raises ArgumentsRequired: None; an older ccxt would fail with an AttributeError
        :raises BadSymbol: the venue has no such market
        """
        if symbol is None:
            raise ccxt.ArgumentsRequired(f"{self.id} market() requires a symbol argument")
        if not isinstance(symbol, str):
            raise ccxt.BadSymbol(f"{self.id} does not have market symbol {symbol!r}"[:200])
        return super().market(symbol)

    def in_own_symbols(self, arguments: Any) -> Any:
        """Arguments for the venue, with symbols as the venue reads them: here one may mean another market."""
        if isinstance(arguments, list | tuple):
            return [self.in_own_symbols(each) for each in arguments]
        is_symbol = isinstance(arguments, str) and arguments in (self.markets or {})
        return self.market(arguments)["symbol"] if is_symbol else arguments

    def set_markets(self, markets: Any, currencies: Any = None) -> Any:
        """ccxt's; forgets what was derived from the markets before."""
        self._terms = {}
        return super().set_markets(markets, currencies)

    def parse_order(self, order: Any, market: Any = None) -> Any:
        """An order row of the contract as ccxt's order structure."""
        return self._order(order)

    def parse_trade(self, trade: Any, market: Any = None) -> Any:
        """A deal row of the contract as ccxt's trade structure."""
        terms = self._terms_of(trade.get("symbol"))
        return self._mapped(trade_from_row, trade, self._number(), terms, self._utc_offset_ms())

    def parse_strategy(self, row: Any) -> dict[str, Any]:
        """A strategy row of the contract with ccxt's conventions for ids."""
        if not isinstance(row, Mapping) or not isinstance(row.get("strategy_id"), int):
            raise garbage(self.id, f"expected a strategy row, got {str(row)[:200]}", None, row)
        client_id = row.get("client_strategy_id")
        return {
            "info": row,
            "id": str(row["strategy_id"]),
            "clientStrategyId": None if client_id is None else str(client_id),
            "name": row.get("name"),
            "status": row.get("status"),
            "accounts": [str(account_id) for account_id in row.get("account_ids") or []],
        }

    def parse_check(self, result: Any) -> dict[str, Any]:
        """The result of a dry run with numbers as `exchange.number` asks for."""
        if not isinstance(result, Mapping) or not isinstance(result.get("ok"), bool):
            raise garbage(self.id, f"expected ok and reason, got {str(result)[:200]}", None, result)
        number = self._number()
        amounts = {name: self._mapped(decimal_of, result, name) for name in ("required", "available")}
        return {
            "info": result,
            "ok": result["ok"],
            "reason": result.get("reason"),
            **{name: None if value is None else number(value) for name, value in amounts.items()},
        }

    def parse_position(self, position: Any, market: Any = None) -> Any:
        """A position row of the contract as ccxt's position structure."""
        return self._position(position, None)

    def _order(self, row: Any, deals: Sequence[dict[str, Any]] | None = None) -> Any:
        if not isinstance(row, dict):
            raise garbage(self.id, f"expected an order row, got {str(row)[:200]}", None, row)
        if deals and (not isinstance(deals, list) or [deal for deal in deals if not isinstance(deal, dict)]):
            raise garbage(self.id, f"expected deal rows, got {str(deals)[:200]}", None, deals)
        terms = self._terms_of(row.get("symbol"))
        result: dict[str, Any] = self._mapped(
            order_from_row, row, self._number(), terms, self._utc_offset_ms(), deals
        )
        if "venue_order" in row:
            self._mapped(finish_order, result, row["venue_order"] or {}, self._number())
        self._remember(row)
        return result

    def _remember(self, row: Mapping[str, Any]) -> None:
        """What never changes of an open order: a command on it need not read that."""
        known = self._known_orders
        if row["status"] not in OPEN_STATUSES:
            known.pop(row["id"], None)
        elif row["id"] not in known:
            known[row["id"]] = {name: row.get(name) for name in _NEVER_CHANGES}
            if len(known) > _MOST_KNOWN_ORDERS:
                known.popitem(last=False)  # in one step: other threads do the same

    def _position(self, row: dict[str, Any], hedged: bool | None) -> Any:
        terms = self._terms_of(row.get("symbol"))
        result: dict[str, Any] = self._mapped(
            position_from_row, row, self._number(), terms, self._utc_offset_ms(), hedged
        )
        return result


def _is_of_the_driver(describe: Any) -> bool:
    return getattr(describe, "__module__", "").startswith("ccxt_driver.")
