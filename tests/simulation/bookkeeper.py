"""What the caller was told of each order, held against what is at the OMS."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import isclose
from typing import Any, Final

import ccxt

from ccxt_driver.contract.values import parse_time

_STATUSES: Final = {
    "PENDING_SUBMIT": "open",
    "SUBMITTED": "open",
    "PARTIALLY_FILLED": "open",
    "FILLED": "closed",
    "CANCELED": "canceled",
    "REJECTED": "rejected",
}
_OUTCOMES: Final = frozenset({"refused", "not_sent", "unknown"})
Rows = dict[int, dict[str, Any]]


class Violation(AssertionError):
    """Something is doubled, lost, or not as the caller was told."""


@dataclass
class Intent:
    """What the caller wants, by one call or several identical ones.

    :param most: how many orders that is, however many calls it takes; None for any number
    :param positions: ids of those that may be closed, each by one order
    :param amount: how much in all may be closed
    """

    tag: str
    most: int | None = 1
    positions: frozenset[int] | None = None
    amount: Decimal | None = None


def outcome_of(error: ccxt.BaseError) -> str:
    """What the exception of a command says of it; every one must say."""
    outcome = vars(error).get("outcome")
    if outcome not in _OUTCOMES:
        raise Violation(f"no outcome in {type(error).__name__}: {error}")
    return str(outcome)


def _same(told: Any, true: Any) -> bool:
    if told is None or true is None:
        return told is None and true is None
    return Decimal(str(told)) == Decimal(true)


def _nearly(told: Any, true: Any) -> bool:
    """An average may have more places than a float."""
    return (told is None) == (true is None) and (told is None or isclose(told, float(true), rel_tol=1e-9))


class Bookkeeper:
    """Client order ids and order ids by what was said of them."""

    def __init__(self) -> None:
        self.intents: dict[str, Intent] = {}
        self.returned: dict[str, str] = {}
        """Order ids that were returned, with the intent's tag."""
        self.unknown: dict[str, str] = {}
        self.denied: set[str] = set()
        self._interrupted: set[str] = set()
        self.taken_again: Counter[str] = Counter()
        """How often the program has used a client order id for another order, once the first had ended."""

    def intent(self, tag: str, most: int | None = 1) -> Intent:
        """The intent of a tag, which travels as the order's comment."""
        return self.intents.setdefault(tag, Intent(tag, most))

    def order(self, tag: str, order: Any, rows: Rows | None) -> None:
        """An order was returned to the caller.

        :param rows: the truth now; None when it may have moved on since it was read
        """
        if order["id"] is None:
            raise Violation(f"{tag}: an order without an id was returned: {order}")
        self.returned[order["id"]] = tag
        if rows is not None:
            self.compare(tag, order, rows)

    def interrupted(self, tag: str, client_order_ids: Iterable[str]) -> None:
        """A call was interrupted; its exception says which orders may be there."""
        self.unknown.update(dict.fromkeys(client_order_ids, tag))
        self._interrupted.add(tag)

    def placed(self, tag: str, order_id: Any) -> None:
        """The caller was told the id of an order, and no more."""
        if type(order_id) is not int:
            raise Violation(f"{tag}: expected an order id, got {order_id!r}")
        self.returned[str(order_id)] = tag

    def failure(self, tag: str, error: ccxt.BaseError, client_order_id: Any) -> str:
        """A command that makes an order failed; what its exception said."""
        outcome = outcome_of(error)
        if outcome == "unknown":
            if not client_order_id:
                raise Violation(f"{tag}: unknown, and no client order id to look up: {error}")
            self.unknown[client_order_id] = tag
        elif client_order_id:
            self.denied.add(client_order_id)
        return outcome

    @staticmethod
    def compare(tag: str, order: Any, rows: Rows, whole: bool = False) -> None:
        """An order as the caller sees it is as it is at the OMS.

        :param whole: it was read over a good line: state and fills too
        """
        row = rows.get(int(order["id"]))
        if row is None:
            raise Violation(f"{tag}: order {order['id']} was returned and is not at the OMS")
        told = {name: order[name] for name in ("clientOrderId", "symbol", "side", "type")}
        true = {
            "clientOrderId": row["client_order_id"],
            "symbol": row["symbol"],
            "side": row["side"],
            "type": row["order_type"],
        }
        wrong = [name for name in told if told[name] is not None and told[name] != true[name]]
        # A venue may make less of an order that only reduces; unread, it is told as it was asked for.
        amounts = [row["qty"]] if whole else [row["qty"], row.get("asked_qty", row["qty"])]
        if order["amount"] is not None and not any(_same(order["amount"], each) for each in amounts):
            wrong.append("amount")
        status = _STATUSES[row["status"]]
        if order["status"] != status and (whole or order["status"] not in (None, "open")):
            wrong.append("status")
        if whole:
            left = Decimal(row["qty"]) - Decimal(row["filled_qty"])
            wrong += [] if _same(order["filled"], row["filled_qty"]) else ["filled"]
            wrong += [] if _same(order["remaining"], left) else ["remaining"]
            wrong += [] if _nearly(order["average"], row["avg_fill_price"]) else ["average"]
        if wrong:
            raise Violation(f"{tag}: {', '.join(wrong)} of {order} is not as at the OMS: {row}")

    def check(self, rows: Rows) -> None:
        """Nothing is doubled, nothing is lost, nothing that was denied exists."""
        named = (row["client_order_id"] for row in rows.values())
        names = Counter(name for name in named if name is not None)  # those of other programs have none
        doubled = [name for name, count in names.items() if count > 1 + self.taken_again[name]]
        if doubled:
            raise Violation(f"doubled: several orders have the client order ids {doubled}")
        for row in rows.values():
            self._check_covered(row)
        by_tag: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows.values():
            if row["status"] != "REJECTED":
                by_tag[row["comment"]].append(row)
        for tag, made in by_tag.items():
            intent = self.intents.get(tag)
            if intent is not None:
                self._check_intent(intent, made)
        missing = [order_id for order_id in self.returned if int(order_id) not in rows]
        if missing:
            raise Violation(f"lost: the orders {missing} were returned and are not at the OMS")

    def check_listed(self, told: Iterable[Any], rows: Rows) -> None:
        """Every order was told once, as it is."""
        ids = Counter(int(order["id"]) for order in told)
        if ids != Counter(rows.keys()):
            raise Violation(f"orders {sorted(rows)} were to be listed, the caller was told {sorted(ids)}")
        for order in told:
            self.compare("listed", order, rows, whole=True)

    @staticmethod
    def check_trades(told: Iterable[Any], true: Iterable[dict[str, Any]], deal_ids: set[str]) -> None:
        """Every trade was told once, under an id of the OMS, as it was at the venue."""
        told = [*told]
        ids = Counter(trade["id"] for trade in told)
        strange = [each for each, count in ids.items() if count > 1 or each not in deal_ids]
        if strange:
            raise Violation(f"trades with the ids {strange} are told twice, or are not the OMS's")

        def key(symbol: str, side: str, qty: Any, price: Any, at_ms: int) -> Any:
            return symbol, side, Decimal(str(qty)).normalize(), Decimal(str(price)).normalize(), at_ms

        names = ("symbol", "side", "amount", "price", "timestamp")
        as_told = Counter(key(*(trade[name] for name in names)) for trade in told)
        truly = Counter(
            key(row["symbol"], row["side"], row["qty"], row["price"], parse_time(row["executed_at"]))
            for row in true
        )
        if as_told != truly:
            raise Violation(f"trades: told and not there {as_told - truly}, not told {truly - as_told}")

    @staticmethod
    def check_positions(told: Iterable[Any], true: Iterable[dict[str, Any]]) -> None:
        """What is held of each market, long less short, is what the caller is told."""
        told_nets: dict[str, Decimal] = defaultdict(Decimal)
        true_nets: dict[str, Decimal] = defaultdict(Decimal)
        for position in told:
            amount = Decimal(str(position["contracts"]))
            told_nets[position["symbol"]] += amount if position["side"] == "long" else -amount
        for row in true:
            true_nets[row["symbol"]] += Decimal(row["qty"]) if row["side"] == "buy" else -Decimal(row["qty"])
        for symbol in {*told_nets, *true_nets}:
            if told_nets[symbol] != true_nets[symbol]:
                raise Violation(
                    f"{true_nets[symbol]} {symbol} are held, the caller was told {told_nets[symbol]}"
                )

    @staticmethod
    def check_open(told: Iterable[Any], rows: Rows, perhaps: set[int]) -> None:
        """The open orders are those that the caller is told of.

        :param perhaps: ids of orders of which nobody can know
        """
        ids = {int(order["id"]) for order in told} - perhaps
        true = {row["id"] for row in rows.values() if row["closed_at"] is None} - perhaps
        if ids != true:
            raise Violation(f"open orders are {sorted(true)}, the caller was told {sorted(ids)}")

    @staticmethod
    def _check_intent(intent: Intent, made: list[dict[str, Any]]) -> None:
        if intent.most is not None and len(made) > intent.most:
            raise Violation(f"doubled: {intent.tag} was wanted {intent.most} times, there are {made}")
        if intent.positions is None:
            return
        closed = Counter(row["position_id"] for row in made)
        if max(closed.values()) > 1:
            raise Violation(f"doubled: {intent.tag} closes a position twice: {made}")
        if not closed.keys() <= intent.positions:
            raise Violation(f"{intent.tag} was to close {sorted(intent.positions)}, it closes {made}")
        if intent.amount is not None and sum(Decimal(row["qty"]) for row in made) > intent.amount:
            raise Violation(f"doubled: {intent.tag} was to close {intent.amount}, it closes {made}")

    def _check_covered(self, row: dict[str, Any]) -> None:
        if row["comment"] not in self.intents:
            return  # of another program
        client_order_id = row["client_order_id"]
        if str(row["id"]) in self.returned or client_order_id in self.unknown:
            return
        denied = client_order_id in self.denied or row["comment"] in self._interrupted
        if row["status"] == "REJECTED" and denied:
            return
        if client_order_id in self.denied:
            raise Violation(f"the caller was told that this order does not exist: {row}")
        raise Violation(f"lost: nobody was told of this order: {row}")
