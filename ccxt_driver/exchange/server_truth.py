"""Whether a server's rows tell the truth, and what was learned of orders where they do not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.features import Feature
from ccxt_driver.mappers.values import ZERO, decimal_of

_TRUTHFUL: Final = frozenset({Feature.ROWS_IN_RESULTS, Feature.EVENT_ROWS})
"""A server that hands out rows as they stand after a change keeps them up to date."""
_ENOUGH: Final = 2
"""Fills on which row and venue agree, after which a server without these features is believed."""
_MOST_STRUCTURES: Final = 2_000
_MOST_MARKS: Final = 20_000
_QUARTER_MS: Final = 900_000
FARTHEST_ZONE_MS: Final = 14 * 3_600_000
_SAME_MOMENT_MS: Final = 10_000
_OF_GATE: Final = "t-"


class Kept(OrderedDict[Any, Any]):
    """The last entries, by key: old ones are forgotten.

    :param most: how many
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def keep(self, key: Any, value: Any = True) -> None:
        """Keep an entry."""
        self[key] = value
        if len(self) > self._most:
            self.popitem(last=False)  # in one step: other threads do the same


class ServerTruth:
    """What was learned of one server; a new one is made when the object turns to another."""

    def __init__(self) -> None:
        self.agreed = 0
        self.lags = False
        self.utc_offset_ms: int | None = None
        """How far times without a zone are ahead of UTC; None while nobody can tell."""
        self.zone_is_hidden = False
        """Whether even a reconcile has not shown it: then it is taken for UTC."""
        self.venue_orders = Kept(_MOST_STRUCTURES)
        """The venue's orders that have ended, by row and venue id: they never change again."""
        self.seen_ended = Kept(_MOST_MARKS)
        """When we first saw that an order has ended of which more fills may be told, by row and venue id."""
        self.not_open = Kept(_MOST_MARKS)
        """Orders of which the venue said that they have ended, by row and venue id."""
        self.venue_trades = Kept(_MOST_STRUCTURES)
        """The venue's trades by their ids there."""
        self.dealt = Kept(_MOST_MARKS)
        """Ids of orders whose deals the gateway has learned of before."""
        self.refused = Kept(_MOST_MARKS)
        """Client order ids of commands whose refusal we saw, and when: milliseconds."""
        self.sent = Kept(_MOST_MARKS)
        """When we have sent the orders of these client order ids, milliseconds by our own clock."""
        self.doubtful = Kept(_MOST_MARKS)
        """Client order ids of commands of which nobody knows what they did: a later refusal is not theirs.

        And when that was, milliseconds.
        """
        self.unsure = Kept(_MOST_MARKS)
        """Commands on orders of which nobody knows what they did: asked again, they may be done."""
        self.rejected = Kept(_MOST_MARKS)
        """Rows without a venue id that look open for ever: the venue refused the order or never got it.

        By row and venue id, as above: one that gets an id after all is none of them any more.
        """
        self.owned = Kept(_MOST_MARKS)
        """Rows without a venue id, with the venue order that is surely theirs and no other row's."""
        self.changing = Kept(_MOST_MARKS)
        """OMS ids of orders that a change may have replaced at the venue, and when it was sent (ms)."""
        self.being_changed: set[int] = set()
        """OMS ids of orders of which a change is under way."""
        self.replaced = Kept(_MOST_MARKS)
        """The venue's ids of orders that stand in the place of others, by the row and venue id of those: the
        gateway was not told."""
        self.doubles = Kept(_MOST_MARKS)
        """Rows that reconciling made of an order which another row stands for, with that row's id."""
        self.reconciled: set[int] = set()
        """Accounts whose gateway has reconciled before, so that it goes on from there."""
        self.missing_functions: set[str] = set()
        """What the venue does not have, of the functions that tell of orders."""
        self.orders_total: dict[int, int] = {}
        """Length of the list of orders, by account, when it was last read."""
        self.wants_symbol = False
        """Whether the venue lists open orders by symbol only."""
        self.trades_want_symbol: bool | None = None
        """Whether the venue tells trades by symbol only; None while nobody knows."""
        self.wants_strategy = False
        """Whether lists are refused to the key unless a strategy is named: it is limited to some."""
        self.wants_acknowledgement = False
        """Whether ccxt asks the venue for an order only when told that it knows what that is worth."""

    def composes(self, wanted: Any, features: frozenset[str]) -> bool:
        """Whether rows have to be completed by what the venue says.

        :param wanted: `options.truth`: auto, oms or venue
        """
        if wanted in ("oms", "venue"):
            return bool(wanted == "venue")
        return self.lags or (self.agreed < _ENOUGH and _TRUTHFUL.isdisjoint(features))

    def relearn(self) -> None:
        """Find out anew whether the server's rows tell the truth, and what the venue has."""
        self.agreed, self.lags, self.wants_symbol, self.wants_strategy = 0, False, False, False
        self.trades_want_symbol = None
        self.missing_functions.clear()

    def has_ended(self, key: tuple[Any, Any]) -> bool:
        """Whether an order is known not to be open any more.

        :param key: row and venue id
        """
        return key in self.venue_orders or key in self.not_open or key in self.rejected

    def learn(self, row: Mapping[str, Any], venue_order: Mapping[str, Any]) -> None:
        """Compare a row with what the venue says of the same order."""
        theirs = decimal_of(venue_order, "filled") or ZERO
        if not theirs or not row.get("command_id") or row.get("reason") == "external":
            return
        if (decimal_of(row, "filled_qty") or ZERO) < theirs:
            self.lags = True
        else:
            self.agreed += 1

    def learn_fills(self, filled: Mapping[Any, Decimal]) -> None:
        """Let the venue's orders that are kept say no less than their deals.

        :param filled: by OMS id, how much deals say at least
        """
        for key, venue_order in [*self.venue_orders.items()]:  # others may add
            said, total = decimal_of(venue_order, "filled"), filled.get(key[0], ZERO)
            if said is not None and total > said:
                self.venue_orders[key] = {**venue_order, "filled": str(total)}

    def note_outcome(self, client_order_id: str | None, outcome: str | None, now_ms: int) -> None:
        """Remember how a command that makes an order has failed.

        :param outcome: refused, unknown or not_sent
        :param now_ms: milliseconds since the Unix epoch
        """
        if client_order_id is None:
            return
        if outcome == "unknown":
            self.doubtful.keep(client_order_id, now_ms)
            self.refused.pop(client_order_id, None)
        elif outcome == "refused" and client_order_id not in self.doubtful:
            self.refused.keep(client_order_id, now_ms)

    def learn_offset(self, written_ms: int, true_ms: int) -> None:
        """Take the difference of a time without a zone, read as UTC, and the true one for the zone.

        :param written_ms: as the gateway wrote it, milliseconds
        :param true_ms: of the same moment, milliseconds since the Unix epoch
        """
        difference = written_ms - true_ms
        zone = round(difference / _QUARTER_MS) * _QUARTER_MS
        if abs(difference - zone) < _SAME_MOMENT_MS and abs(zone) <= FARTHEST_ZONE_MS:
            self.utc_offset_ms = zone


def youngest_age(difference_ms: int) -> int:
    """How old something is at least, of whose time nobody knows the zone.

    :param difference_ms: from its time, read as UTC, to now; zones differ by quarters of an hour
    """
    return max(difference_ms % _QUARTER_MS, difference_ms - FARTHEST_ZONE_MS)


def has_zone(text: Any) -> bool:
    """Whether a time of a row says in which zone it is."""
    return isinstance(text, str) and (text.endswith(("Z", "z")) or "+" in text[10:] or "-" in text[10:])


def is_rough(text: Any) -> bool:
    """Whether a row tells a time in whole seconds or in no known zone: its database's, not the venue's."""
    return isinstance(text, str) and ("." not in text or not has_zone(text))


def may_differ(row: Mapping[str, Any]) -> bool:
    """Whether a row of a server that may lag has to be compared with the venue.

    One that is filled whole cannot: no server says so before it is. A cancelled one may have filled
    in part before.
    """
    if row.get("status") == "REJECTED":
        return False
    whole = row.get("status") == "FILLED" and row.get("reason") != "external"
    return not whole or decimal_of(row, "filled_qty") != decimal_of(row, "qty")


def matched(
    rows: Iterable[Mapping[str, Any]], venue_orders: Iterable[Mapping[str, Any]], since_ms: Mapping[int, int]
) -> dict[int, Any]:
    """Which order of the venue belongs to which row.

    A row without the venue's id is found by the client order id that its order was sent with. Such an id may
    have been used before, by an order that is older than the row, and of several rows with one id the newest
    goes first. No order is given to two rows.

    :param since_ms: by OMS id, before which an order cannot be the row's
    :returns: the venue's orders by OMS id
    """
    left = {str(order["id"]): order for order in venue_orders}
    found: dict[int, Any] = {}
    loose: list[Mapping[str, Any]] = []
    for row in rows:
        name = str(row.get("exchange_order_id"))
        if not row.get("exchange_order_id"):
            loose.append(row)
        elif name in left:
            found[row["id"]] = left.pop(name)
    for row in sorted(loose, key=lambda row: int(row["id"]), reverse=True):
        names = sent_as(row)
        candidates = [
            name
            for name, order in left.items()
            if str(order.get("clientOrderId")) in names and may_be(order, row, since_ms[row["id"]])
        ]
        if candidates:
            newest = max(candidates, key=lambda name: left[name].get("timestamp") or 0)
            found[row["id"]] = left.pop(newest)
    return found


def sent_as(row: Mapping[str, Any]) -> tuple[str, str]:
    """The client order ids that the order of a row may have at the venue.

    It was sent with the row's own, or else with the OMS id, before which ccxt's class of gate puts a word.
    """
    name = str(row.get("client_order_id") or row["id"])
    return name, f"{_OF_GATE}{name}"


def may_be(order: Mapping[str, Any], row: Mapping[str, Any], since_ms: int) -> bool:
    """Whether an order of the venue may be a row's.

    :param since_ms: before which it cannot be
    """
    placed_ms = order.get("timestamp")
    same = order.get("symbol") == row.get("symbol") and order.get("side") == row.get("side")
    return same and (not isinstance(placed_ms, int) or placed_ms >= since_ms)
