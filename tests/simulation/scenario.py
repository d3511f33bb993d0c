"""A random program of commands over a bad line, made and repeated by a seed."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

import ccxt

from .bookkeeper import Bookkeeper, Violation, outcome_of
from .faulty_gateway import ALL, NONE, SYMBOLS, WITHOUT_DEDUPE, FaultyGateway
from .lagging_gateway import FaultyLaggingGateway
from .transports import COLOURS

_PRICES: Final = {"BTC/USDT": 50_000, "ETH/USDT": 3_000, "BTC/USDT:USDT": 50_000}
_AMOUNTS: Final = {"BTC/USDT": "0.01", "ETH/USDT": "0.1", "BTC/USDT:USDT": "0.01"}
_MARGIN_MS: Final = 30_000
"""How long before the end of a hold a program no longer relies on it."""
_LONGEST_CIRCUIT_MS: Final = 5_000
"""For how long the driver may send nothing after an outage."""
_LONG_AGO_MS: Final = 125_000
"""Clocks may differ by a minute, and rows have whole seconds only: of older orders no driver may err."""
GATEWAYS: Final = ("prompt", "lagging")


class Interrupted(ccxt.NetworkError):
    """In place of what interrupted a call: the caller was told nothing but client order ids."""


@dataclass(eq=False)
class Wish:
    """One order that the program wants.

    :param asked: symbol, type, side, amount, price
    :param unknown_since: when it was last told that the outcome is unknown, virtual milliseconds
    """

    tag: str
    asked: tuple[Any, ...]
    params: dict[str, Any]
    unknown_since: int | None = None
    outcome: str = "not_sent"

    @property
    def is_named(self) -> bool:
        """Whether the program has given the order a client order id of its own."""
        return "clientOrderId" in self.params

    @property
    def as_member(self) -> dict[str, Any]:
        """As `create_orders` takes it."""
        names = ("symbol", "type", "side", "amount", "price")
        return {**dict(zip(names, self.asked, strict=True)), "params": dict(self.params)}


class Scenario:
    """One program, one driver, one gateway.

    :param seed: of everything
    :param folder: makes a folder, for an OMS that outlives its process
    :param colour: sync or async; None leaves that to the seed
    :param gateway: prompt, whose rows tell the truth, or lagging; None leaves that to the seed
    """

    def __init__(
        self, seed: int, folder: Callable[[], Path], colour: str | None = None, gateway: str | None = None
    ) -> None:
        self.seed = seed
        self.random = rng = Random(seed)
        random.seed(seed)  # whatever the driver draws, jitter of its pauses for one
        drawn = rng.choices(GATEWAYS, (2, 1))[0]
        self.hedge = rng.random() < 0.3
        mode = "hedge" if self.hedge else "netting"
        self.gateway: FaultyGateway
        if (gateway or drawn) == "lagging":
            self.gateway = FaultyLaggingGateway(Random(rng.random()), mode)
        else:
            self.gateway = self._prompt(mode, folder)
        self.gateway.fault_rate = rng.choice(self.gateway.fault_rates)
        self.gateway.outage_rate = rng.choice((0.0, 0.02, 0.1))
        self.books = Bookkeeper()
        drawn = rng.choice(tuple(COLOURS))
        self.colour = colour or drawn
        self.program = COLOURS[self.colour](self.gateway, self._options())
        self.exchange = self.program.exchange
        self.exchange.timeout = rng.choice((1_000, 10_000))
        self.guarded = bool(self.exchange.options.get("guard_unknown"))
        self.prices = {symbol: Decimal(price) for symbol, price in _PRICES.items()}
        self.orders: list[Any] = []
        self.unknown: list[Wish] = []
        told = ("returned", "refused", "not_sent", "unknown", "interrupted", "settled")
        self.counts = dict.fromkeys(told, 0)

    def _prompt(self, mode: str, folder: Callable[[], Path]) -> FaultyGateway:
        rng = self.random
        features = rng.choice((ALL, ALL, WITHOUT_DEDUPE, NONE))
        persistent = features is ALL and rng.random() < 0.05
        db = folder() / "oms.sqlite" if persistent else None
        gateway = FaultyGateway(Random(rng.random()), features, mode, db)
        if features is ALL and not persistent and rng.random() < 0.2:
            gateway.downgrade = WITHOUT_DEDUPE
        return gateway

    def _options(self) -> dict[str, Any]:
        rng = self.random
        names = Random(rng.random())
        options: dict[str, Any] = {
            "client_order_id_factory": lambda: f"g{names.getrandbits(80):x}"[:18],
            "lookup_timeout": rng.choice((0, 1_000, 5_000)),
        }
        if rng.random() < 0.1:
            options["guard_unknown"] = False
        if rng.random() < 0.3:
            options["strategy_id"] = 1
        return options

    # -- running -------------------------------------------------------------------------------

    def run(self) -> dict[str, int]:
        """Run the program, then check everything.

        :returns: how often the caller was told what
        :raises Violation: something is doubled, lost or untrue
        """
        try:
            self._run()
        except Exception as error:
            journal = "\n".join(self.gateway.journal)
            raise Violation(f"seed {self.seed}: {type(error).__name__}: {error}\n{journal}") from error
        finally:
            self.program.close()
            self.gateway.oms.close()
        return self.counts

    def _run(self) -> None:
        for symbol in SYMBOLS:
            self._move(symbol)
        if self.random.random() < 0.8:  # otherwise loading the markets meets the faults, too
            self.program.call("load_markets")
        self.gateway.faulty = True
        steps = (
            (self._create, 10),
            (self._create_several, 3),
            (self._edit, 4),
            (self._cancel, 6),
            (self._cancel_several, 2),
            (self._cancel_all, 1),
            (self._close, 5),
            (self._close_all, 1),
            (self._read, 2),
            (self._read_all, 1),
            (self._look_up, 4 if self.gateway.leftovers_for_ms else 1),
            (self._come_back, 3),
            (self._time_passes, 4),
            (self._take_id_again, 3 if self.gateway.takes_ids_again else 0),
        )
        kinds, weights = zip(*steps, strict=True)
        for _ in range(self.random.randint(5, 16)):
            self.random.choices(kinds, weights)[0]()
        self._settle()

    def _note(self, text: str) -> None:
        self.gateway.journal.append(text)

    def _told(self, text: str) -> None:
        self.counts[text] += 1

    def _call(self, name: str, *args: Any) -> tuple[Any, bool]:
        """Call the driver.

        :returns: its result or its exception, and whether what it says must still be so
        """
        late = self.gateway.late_executed
        self._note(f"{name}{args!r}"[:300])
        try:
            result = self.program.call(name, *args)
        except ccxt.BaseError as error:
            self._note(f"  {type(error).__name__} {vars(error).get('outcome')}: {error}"[:300])
            return error, late == self.gateway.late_executed
        except self.program.interruptions as error:
            ids = vars(error).get("client_order_ids") or []
            self._note(f"  {type(error).__name__} {ids}")
            self._told("interrupted")
            interrupted = Interrupted("interrupted")
            interrupted.__dict__.update(outcome="unknown", client_order_ids=ids)
            return interrupted, False
        finally:
            if self.exchange._commands_in_flight:
                raise Violation(f"{name} is over, {self.exchange._commands_in_flight} commands are in flight")
        self._note(f"  ok {result!r}"[:300])
        return result, late == self.gateway.late_executed

    def _order_told(self, tag: str, order: Any, fresh: bool) -> None:
        self._told("returned")
        self.books.order(tag, order, self.gateway.order_rows() if fresh else None)
        self.orders.append(order)

    # -- steps ---------------------------------------------------------------------------------

    def _move(self, symbol: str) -> None:
        moved = self.prices[symbol] * (1 + Decimal(self.random.randint(-300, 300)) / 10_000)
        self.prices[symbol] = price = moved.quantize(Decimal("0.1"))
        self.gateway.set_price(symbol, str(price), str(price + 1))

    def _time_passes(self) -> None:
        self.gateway.advance(self.random.choice((10, 1_000, 15_000)))
        self._move(self.random.choice(SYMBOLS))

    def _wanted(self, too_much: float = 0.03) -> tuple[Any, ...]:
        """Symbol, type, side, amount and price of a new order.

        :param too_much: how likely it is that the account cannot pay
        """
        rng = self.random
        symbol = rng.choice(SYMBOLS)
        amount = float(Decimal(_AMOUNTS[symbol]) * rng.randint(1, 9))
        if rng.random() < too_much:
            amount *= 1_000
        kind = rng.choice(("market", "limit", "limit"))
        side = rng.choice(("buy", "sell"))
        away = Decimal(rng.randint(-50, 400)) / 10_000  # most rest in the book for a while
        offset = 1 - away if side == "buy" else 1 + away
        price = float((self.prices[symbol] * offset).quantize(Decimal("0.1")))
        return symbol, kind, side, amount, None if kind == "market" else price

    def _tag(self, letter: str) -> str:
        return f"{letter}{len(self.books.intents)}"

    def _dedupes(self) -> bool:
        return "client_order_id_dedupe" in self.gateway.features and self.gateway.downgrade is None

    def _wish(self, letter: str, named: float, too_much: float = 0.03) -> Wish:
        """A new wish.

        :param named: how likely it is that the program names its order
        """
        asked = self._wanted(too_much)
        tag = self._tag(letter)
        params: dict[str, Any] = {"comment": tag}
        if self.random.random() < named:
            params["clientOrderId"] = f"own-{tag}"
        self.books.intent(tag)
        return Wish(tag, asked, params)

    def _create(self) -> None:
        wish = self._wish("create", named=0.3)
        for _ in range(self.random.randint(1, 4)):
            self._attempt(wish)
            if not self._may_ask_again(wish):
                return
            self.gateway.advance(self.random.choice((0, 100, 5_000)))

    def _attempt(self, wish: Wish) -> Any:
        """Call create_order, the same way as before if it was called before."""
        result, fresh = self._call("create_order", *wish.asked, dict(wish.params))
        self._outcome_told(wish, result, fresh)
        return result

    def _outcome_told(self, wish: Wish, result: Any, fresh: bool) -> None:
        """What a call has said of a wish."""
        was_unknown = wish.unknown_since is not None
        wish.unknown_since = None
        if wish in self.unknown:
            self.unknown.remove(wish)
        if isinstance(result, Interrupted):
            ids = vars(result)["client_order_ids"]
            self.books.interrupted(wish.tag, ids)
            outcome = "unknown" if ids or was_unknown else "not_sent"
        elif isinstance(result, ccxt.BaseError):
            outcome = self.books.failure(wish.tag, result, vars(result).get("client_order_id"))
            self._told(outcome)
        else:
            expected = wish.params.get("clientOrderId", result["clientOrderId"])
            if result["clientOrderId"] != expected:
                raise Violation(f"{wish.tag}: asked for {expected}, got {result}")
            self._order_told(wish.tag, result, fresh)
            outcome = "returned"
        wish.outcome = outcome
        if outcome == "unknown":
            wish.unknown_since = self.gateway.now_ms()
            if self.guarded and not wish.is_named:
                self.unknown.append(wish)

    def _take_id_again(self) -> None:
        """A program that counts its orders anew each day gives one a name that another has had."""
        ended = [order for order in self.orders if self._has_ended(order)]
        if not ended:
            return
        order = self.random.choice(ended)
        self.gateway.advance(_LONG_AGO_MS)
        wish = self._wish("again", named=0.0)
        asked = (order["symbol"], order["type"], order["side"], order["amount"], order["price"])
        wish.asked = asked if order["type"] == "limit" else (*asked[:4], None)
        name = wish.params["clientOrderId"] = order["clientOrderId"]
        self.books.taken_again[name] += 1
        self._attempt(wish)

    def _has_ended(self, order: Any) -> bool:
        name = order["clientOrderId"]
        ended = self.gateway.order_rows()[int(order["id"])]["closed_at"] is not None
        return ended and name is not None and name not in self.books.unknown and order["amount"] is not None

    def _may_ask_again(self, wish: Wish) -> bool:
        """Whether a program may ask again for what was not done, or is not known."""
        if wish.outcome == "not_sent":
            return True
        if wish.outcome != "unknown":
            return False
        return self._dedupes() if wish.is_named else self.guarded and self._still_held(wish)

    def _come_back(self) -> None:
        """A program asks again for what it was told is unknown: by one call, or for several at once."""
        held = [wish for wish in self.unknown if self._still_held(wish)]
        if not held:
            return
        several = self.random.sample(held, self.random.randint(1, len(held)))
        if self.random.random() < 0.5:
            self._attempt(several[0])
        else:
            self._attempt_several(several)

    def _still_held(self, wish: Wish) -> bool:
        hold = int(self.exchange.options.get("unknown_hold") or 0)
        return (
            wish.unknown_since is not None and self.gateway.now_ms() < wish.unknown_since + hold - _MARGIN_MS
        )

    def _create_several(self) -> None:
        wishes = [self._wish("batch", named=0.4, too_much=0.2) for _ in range(self.random.randint(1, 4))]
        twin = self.random.choice(wishes)
        if not twin.is_named and self.random.random() < 0.3:  # the same order twice
            self.books.intents[twin.tag].most = 2
            wishes.append(Wish(twin.tag, twin.asked, twin.params))
        for _ in range(self.random.randint(1, 3)):
            self._attempt_several(wishes)
            wishes = [wish for wish in wishes if self._may_ask_again(wish)]
            if not wishes:
                return
            self.gateway.advance(self.random.choice((0, 100, 5_000)))
            if self.random.random() < 0.2:  # one of them alone
                self._attempt(wishes.pop())
            if self.random.random() < 0.2:  # together with another
                wishes.append(self._wish("batch", named=0.0))

    def _attempt_several(self, wishes: list[Wish]) -> None:
        """Call create_orders."""
        if not wishes:
            return
        result, fresh = self._call("create_orders", [wish.as_member for wish in wishes])
        if isinstance(result, Interrupted):
            for wish in wishes:
                self._outcome_told(wish, result, fresh)
            return
        for wish, each in zip(wishes, self._members(result, len(wishes)), strict=True):
            self._outcome_told(wish, each, fresh)

    def _members(self, result: Any, count: int) -> list[Any]:
        """What became of each member of a batch."""
        if not isinstance(result, ccxt.BaseError):
            return list(result)
        results = vars(result).get("results")
        if results is not None:
            hidden = [each for each in results if _is_unknown(each)]
            if hidden and outcome_of(result) != "unknown":
                raise Violation(f"{outcome_of(result)} is raised and hides what is unknown: {hidden}")
            return list(results)
        ids = vars(result).get("client_order_ids") or [None] * count
        members = []
        for client_order_id in ids:
            own = type(result)(str(result))
            own.__dict__.update(vars(result), client_order_id=client_order_id)
            members.append(own)
        return members

    def _one_of_ours(self) -> Any:
        """An order that was returned: one that is open, as a rule."""
        if not self.orders:
            return None
        rows = self.gateway.order_rows()
        still_open = [order for order in self.orders if rows[int(order["id"])]["closed_at"] is None]
        choose_open = still_open and self.random.random() < 0.8
        return self.random.choice(still_open if choose_open else self.orders)

    def _edit(self) -> None:
        order = self._one_of_ours()
        if order is None or order["type"] != "limit":
            return
        symbol = order["symbol"]
        offset = Decimal(self.random.choice(("0.97", "0.99", "1.01", "1.03")))
        price = float((self.prices[symbol] * offset).quantize(Decimal("0.1")))
        amount = float(Decimal(_AMOUNTS[symbol]) * self.random.randint(1, 9))
        before = self.gateway.order_rows()[int(order["id"])]
        result, fresh = self._call("edit_order", order["id"], symbol, "limit", order["side"], amount, price)
        if isinstance(result, ccxt.BaseError):
            self._untouched(result, before, fresh)
            return
        self._order_told(self.books.returned[order["id"]], result, fresh)
        row = self.gateway.order_rows()[int(order["id"])]
        if fresh and (float(row["qty"]), float(row["price"])) != (amount, price):
            raise Violation(f"the caller was told that the order was changed to {result}, it is {row}")

    def _untouched(self, error: ccxt.BaseError, before: dict[str, Any], fresh: bool) -> None:
        """A command on an order failed: unless that is unknown, it did nothing."""
        outcome = self._failed(error)
        row = self.gateway.order_rows()[before["id"]]
        done = [name for name in ("qty", "price", "status") if row[name] != before[name]]
        if fresh and outcome != "unknown" and done:
            raise Violation(f"the caller was told {outcome}: {error}; it was {before}, it is {row}")

    def _cancel(self) -> None:
        order = self._one_of_ours()
        if order is None:
            return
        name = order["clientOrderId"]
        # One that was taken again names the newest order.
        by_client_id = name is not None and not self.books.taken_again[name] and self.random.random() < 0.3
        for _ in range(self.random.choice((1, 1, 2))):
            before = self.gateway.order_rows()[int(order["id"])]
            if by_client_id:
                params = {"clientOrderId": order["clientOrderId"]}
                result, fresh = self._call("cancel_order", "", None, params)
            else:
                result, fresh = self._call("cancel_order", order["id"])
            self._cancel_told(before, result, fresh)

    def _cancel_told(self, before: dict[str, Any], result: Any, fresh: bool) -> None:
        order_id = str(before["id"])
        row = self.gateway.order_rows()[before["id"]]
        if not isinstance(result, ccxt.BaseError):
            if row["status"] != "CANCELED":
                raise Violation(f"the caller was told that it is cancelled: {result}, it is {row}")
            if result["id"] != order_id:
                raise Violation(f"order {order_id} was to be cancelled, got {result}")
            self._told("returned")
            return
        self._untouched(result, before, fresh)
        outcome = outcome_of(result)
        if isinstance(result, ccxt.OrderNotFound):
            raise Violation(f"the caller was told that there is no order {order_id}: {row}")
        closed = outcome == "refused" and vars(result).get("code") == "invalid_order_state"
        if closed and row["closed_at"] is None:
            raise Violation(f"the caller was told that it is not open: {result}, it is {row}")

    def _cancel_several(self) -> None:
        if not self.orders:
            return
        ids = sorted({self._one_of_ours()["id"] for _ in range(3)}, key=int)
        result, _ = self._call("cancel_orders", ids)
        if isinstance(result, ccxt.BaseError):
            self._failed(result)
            return
        if [order["id"] for order in result] != ids:
            raise Violation(f"orders {ids} were to be cancelled, got {result}")
        rows = self.gateway.order_rows()
        for order in result:
            self.books.compare("cancel_orders", order, rows)
        left = self._left_open(result)
        still_open = [
            rows[int(each)] for each in ids if each not in left and rows[int(each)]["closed_at"] is None
        ]
        if still_open:
            raise Violation(f"the caller was told that they are cancelled, they are {still_open}")

    def _cancel_all(self) -> None:
        symbol = self.random.choice(SYMBOLS)
        result, fresh = self._call("cancel_all_orders", symbol)
        if isinstance(result, ccxt.BaseError):
            self._failed(result)
            return
        rows = self.gateway.order_rows().values()
        left = self._left_open(result)
        still_open = [
            row
            for row in rows
            if row["symbol"] == symbol and row["closed_at"] is None and str(row["id"]) not in left
        ]
        if fresh and still_open:
            raise Violation(f"the caller was told that none is open, they are {still_open}")

    def _left_open(self, told: list[Any]) -> set[str]:
        """Ids of orders that a cancellation of several may leave open: of no other than it says so."""
        if self.gateway.cancels_all_or_none:
            return set()
        return {order["id"] for order in told if order["status"] in ("open", None)}

    def _failed(self, error: ccxt.BaseError) -> str:
        """A command failed; what its exception says."""
        outcome = outcome_of(error)
        if not isinstance(error, Interrupted):
            self._told(outcome)
        return outcome

    def _close(self) -> None:
        held = self.gateway.position_rows()
        symbol = self.random.choice([row["symbol"] for row in held] or SYMBOLS)
        if self.random.random() < 0.5:
            self._another_opens(symbol)
        tag = self._tag("close")
        intent = self.books.intent(tag, most=None)
        params: dict[str, Any] = {"comment": tag}
        if self.random.random() < 0.4:
            params["amount"] = _AMOUNTS[symbol]
            intent.amount = Decimal(_AMOUNTS[symbol])
        outcome = "not_sent"
        for _ in range(self.random.choice((1, 3, 4))):
            result, fresh = self._call("close_position", symbol, None, params)
            if outcome == "not_sent":  # it has read the positions now, those that came late to it too
                intent.positions = self.gateway.position_ids(symbol)
            told = self._close_told(tag, result, fresh)
            if told == "unknown" or outcome == "not_sent":
                outcome = told
            if told not in ("unknown", "not_sent") or (told == "unknown" and not self.guarded):
                return
            if self.random.random() < 0.5:
                self._another_opens(symbol)
            self.gateway.advance(self.random.choice((0, 100, 5_000)))

    def _another_opens(self, symbol: str) -> None:
        """Another program opens a position, over a line of its own."""
        payload = {"symbol": symbol, "side": "buy", "order_type": "market", "qty": _AMOUNTS[symbol]}
        self._note("another program buys")
        self.gateway.order(payload)

    def _close_told(self, tag: str, result: Any, fresh: bool) -> str:
        """What a call to close has said; "not_sent" of all, when it was interrupted before it sent any."""
        self.gateway.check_closed(result)
        if isinstance(result, Interrupted):
            ids = vars(result)["client_order_ids"]
            self.books.interrupted(tag, ids)
            return "unknown" if ids else "not_sent"
        if not isinstance(result, ccxt.BaseError):
            for info in result["info"].get("orders") or ():
                self.books.placed(tag, info.get("id", info.get("order_id")))
            self._order_told(tag, result, fresh)
            return "returned"
        results = vars(result).get("results")
        ids = vars(result).get("client_order_ids")
        if results is None and ids is None:
            outcome = self.books.failure(tag, result, vars(result).get("client_order_id"))
            self._told(outcome)
            return outcome
        outcome = outcome_of(result)
        self._told(outcome)
        self._closed_each(tag, self._members(result, 0), fresh)
        return outcome if results is None or outcome == "unknown" else "refused"

    def _close_all(self) -> None:
        tag = self._tag("close")
        self.books.intent(tag, most=None)
        result, fresh = self._call("close_all_positions", {"comment": tag})
        if isinstance(result, Interrupted):
            self.books.interrupted(tag, vars(result)["client_order_ids"])
            return
        if isinstance(result, ccxt.BaseError):
            self._told(outcome_of(result))
        self._closed_each(tag, self._members(result, 0), fresh)

    def _closed_each(self, tag: str, members: list[Any], fresh: bool) -> None:
        for each in members:
            if isinstance(each, ccxt.BaseError):
                self.books.failure(tag, each, vars(each).get("client_order_id"))
            elif "clientOrderId" in each:
                self._order_told(tag, each, fresh)
            else:
                self.books.placed(tag, each["order_id"])

    def _read(self) -> None:
        result, fresh = self._call("fetch_open_orders")
        if isinstance(result, ccxt.BaseError) or not fresh:
            return
        self.books.check_open(result, self.gateway.order_rows(), self.gateway.under_way())

    def _read_all(self) -> None:
        result, fresh = self._call("fetch_orders", None, self.gateway.start_ms)
        if isinstance(result, ccxt.BaseError) or not fresh:
            return
        rows = self.gateway.order_rows()
        for order in result:
            self.books.compare("listed", order, rows)

    def _look_up(self) -> None:
        """A program looks up what it was told is unknown."""
        if not self.books.unknown:
            return
        client_order_id = self.random.choice([*self.books.unknown])
        result, fresh = self._call("fetch_order", None, None, {"clientOrderId": client_order_id})
        rows = self.gateway.order_rows()
        there = any(row["client_order_id"] == client_order_id for row in rows.values())
        if isinstance(result, ccxt.OrderNotFound) and there and fresh:
            raise Violation(f"{client_order_id} cannot be found: {result}") from result
        if not isinstance(result, ccxt.BaseError) and fresh:
            self.books.compare(client_order_id, result, rows)

    # -- the end -------------------------------------------------------------------------------

    def _settle(self) -> None:
        """The line is good again: everything can be found out."""
        gateway = self.gateway
        gateway.calm()
        gateway.deliver()
        gateway.advance(_LONGEST_CIRCUIT_MS)
        self._note("the line is good again")
        self.program.call("load_markets")
        for wish in [*self.unknown]:
            if self._still_held(wish):
                self._ask_again(wish)
        gateway.advance(gateway.leftovers_for_ms)
        rows = gateway.order_rows()
        self.books.check(rows)
        for order_id, tag in self.books.returned.items():
            read, _ = self._call("fetch_order", order_id)
            if isinstance(read, ccxt.BaseError):
                raise Violation(f"lost: {tag}, order {order_id} cannot be read: {read}") from read
            self.books.compare(tag, read, rows, whole=True)
        known = {row["client_order_id"]: row for row in rows.values()}
        for client_order_id, tag in self.books.unknown.items():
            read, _ = self._call("fetch_order", None, None, {"clientOrderId": client_order_id})
            if isinstance(read, ccxt.OrderNotFound) and client_order_id not in known:
                continue
            if isinstance(read, ccxt.BaseError):
                raise Violation(f"lost: {tag}, {client_order_id} cannot be found: {read}") from read
            self.books.compare(tag, read, rows, whole=True)
        self._check_lists()

    def _check_lists(self) -> None:
        """What the caller is told of everything there is."""
        gateway, since = self.gateway, self.gateway.start_ms
        gateway.check()
        self.exchange.options.pop("strategy_id", None)  # of other programs, too
        told = self._over_a_good_line("fetch_my_trades", None, since)
        self.books.check_trades(told, gateway.deal_rows(), gateway.deal_ids())
        told = self._over_a_good_line("fetch_positions")
        self.books.check_positions(told, gateway.position_rows())
        told = self._over_a_good_line("fetch_open_orders")
        self.books.check_open(told, gateway.order_rows(), set())
        told = self._over_a_good_line("fetch_orders", None, since)
        rows, second = gateway.order_rows(), gateway.second_rows()
        self.books.check_listed(told, {each: row for each, row in rows.items() if each not in second})

    def _over_a_good_line(self, name: str, *args: Any) -> Any:
        result, _ = self._call(name, *args)
        if isinstance(result, ccxt.BaseError):
            raise Violation(f"{name} over a good line: {result}") from result
        return result

    def _ask_again(self, wish: Wish) -> None:
        """The same call over a good line gives the order, when there is one."""
        there = [row for row in self.gateway.order_rows().values() if row["comment"] == wish.tag]
        if self.books.intents[wish.tag].most != 1:
            there = []  # of twins it may be the other one that is there
        result = self._attempt(wish)
        self.counts["settled"] += not isinstance(result, ccxt.BaseError)
        looks = int(self.exchange.options.get("lookup_timeout") or 0) > 0
        rejected = bool(there) and there[0]["status"] == "REJECTED"
        if there and looks and isinstance(result, ccxt.BaseError) and not rejected:
            raise Violation(f"{wish.tag} is at the OMS, asking again does not find it: {result}") from result


def _is_unknown(result: Any) -> bool:
    return isinstance(result, ccxt.BaseError) and outcome_of(result) == "unknown"


def run(seed: int, colour: str | None = None, gateway: str | None = None) -> dict[str, int]:
    """Run the scenario of a seed.

    :param colour: as of `Scenario`
    :param gateway: as of `Scenario`
    :returns: how often the caller was told what
    :raises Violation: it says the seed, what is wrong, and everything that happened
    """
    with ExitStack() as stack:

        def folder() -> Path:
            return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="simulation-")))

        return Scenario(seed, folder, colour, gateway).run()
