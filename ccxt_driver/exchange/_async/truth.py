"""Orders and trades as they truly are, on gateways whose rows lag behind the venue.

Some gateways never move an order's row after it was placed, and learn of fills only when they are asked
to reconcile. There an order is composed of its row, its deals, and what the venue says of it. A server
that keeps its rows up to date is asked nothing of this: see `server_truth.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import ccxt

from ccxt_driver.contract.features import Feature
from ccxt_driver.exchange.base import LOGGER
from ccxt_driver.exchange.list_requests import MOST_OPEN_ROWS, PAGE_SIZE, Wanted
from ccxt_driver.exchange.server_truth import has_zone, matched, may_be, may_differ, sent_as
from ccxt_driver.mappers.composition import (
    composed_order,
    filled_of,
    has_ended,
    never_arrived,
    tells_no_fill,
    was_replaced_in_vain,
)
from ccxt_driver.mappers.values import decimal_of, needed_decimal

from .rows import MOST_CALLS
from .true_deals import FRESH_MS, TrueDeals, average_of, total_of

_LISTS = ("fetch_open_orders", "fetch_orders", "fetch_closed_orders", "fetch_canceled_orders")
_SURELY_LISTED_MS = 10_000
"""A venue may list an order some moments after it has taken it."""
_RECENT_MS = 3_600_000
_MAY_BE_CUT = 20
"""As many orders as a venue's list has that may hold only its first page."""
_TRIGGER = {"trigger": True}
"""ccxt's parameter for the stop orders of venues that keep them apart."""
_ACKNOWLEDGED = {"acknowledged": True}
"""What ccxt wants to hear before it asks a venue that gives its newest orders only."""
_SAMPLES = 2


class InLists(NamedTuple):
    """What the venue's lists say of rows."""

    found: dict[int, Any]
    """Orders by OMS id."""
    unsure: set[int]
    """Rows that are in none, though the venue may have them: a list may be cut."""
    nameless: dict[int, set[str]]
    """By OMS id, the venue's ids of orders without a client order id that may be the row's."""


class Truth(TrueDeals):
    """Order rows as they truly are."""

    # -- single orders

    async def _complete_order(self, account_id: int, order_id: int, strategy_id: Any) -> Any:
        return await self._with_deals(await self._order_row(account_id, order_id, strategy_id), account_id)

    async def _with_deals(self, row: dict[str, Any], account_id: int) -> Any:
        """An order with its trades: a second request, only when something filled."""
        composes = await self._composes()
        if composes:
            row = await self._true_row(account_id, row)
        order = self._order(row)
        if not order["filled"] or float(order["filled"]) == 0:
            return order
        if not composes:
            return self._order(row, await self._deals_of(account_id, row))
        deals = (await self._true_deals_of(account_id, [row]))[row["id"]]
        return self._order(self._with_its_deals(row, deals), deals)

    def _with_its_deals(self, row: dict[str, Any], deals: list[dict[str, Any]]) -> dict[str, Any]:
        composed: dict[str, Any] = self._mapped(composed_order, _said(row), row.get("venue_order"), deals)
        return composed

    async def _read_placed(self, commands: list[dict[str, Any]], results: list[Any]) -> None:
        """Complete the results of several commands that made orders, by requests for all of them together.

        Where that fails they stay as they are, and each order is read by itself.
        """
        placed: dict[int, dict[int, dict[str, Any]]] = {}
        for command, result in zip(commands, results, strict=True):
            if isinstance(result, dict) and result.get("order") is None and result.get("order_id"):
                placed.setdefault(command["account_id"], {})[result["order_id"]] = result
        for account_id, of_account in placed.items():
            try:
                if len(of_account) > 1 and await self._composes():
                    await self._complete_results(account_id, of_account)
            except ccxt.BaseError as error:
                LOGGER.debug("%s orders %s could not be read at once: %s", self.id, [*of_account], error)

    async def _complete_results(self, account_id: int, results: dict[int, dict[str, Any]]) -> None:
        rows = await self._true_rows(account_id, await self._order_rows(account_id, [*results], None))
        filled = [row for row in rows if self._mapped(decimal_of, row, "filled_qty")]
        deals = await self._true_deals_of(account_id, filled) if filled else {}
        for row in rows:
            own = deals.get(row["id"], [])
            order = self._with_its_deals(row, own) if own else row
            results[row["id"]].update(order=order, deals=own)

    async def _true_row(self, account_id: int, row: dict[str, Any]) -> dict[str, Any]:
        [true] = await self._true_rows(account_id, [row])
        return dict(true)

    # -- several orders

    async def _true_rows(self, account_id: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Order rows as they truly are; only those that may differ cost a request."""
        if not rows or not await self._composes():
            return rows
        rejected = self._truth.rejected
        asked = [row for row in rows if _key(row) not in rejected]
        differing = [row for row in asked if self._mapped(may_differ, row)]
        if not self._truth.lags:  # as long as the server is not known, its filled orders tell
            differing += [row for row in asked if not self._mapped(may_differ, row)][-_SAMPLES:]
        known = await self._venue_orders(account_id, differing)
        return [self._true(row, known) for row in rows]

    async def _true_page(self, account_id: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Order rows of a list as they truly are: one for each order."""
        true = await self._true_rows(account_id, rows)
        owners = {name: order_id for order_id, name in [*self._truth.owned.items()]}  # others may add
        doubles = self._truth.doubles
        for row in true:
            owner = owners.get(row.get("exchange_order_id"))
            if owner is not None and owner != row["id"]:
                doubles.keep(row["id"], owner)
        return [row for row in true if row["id"] not in doubles]

    async def _dated_page(self, account_id: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """As `_true_page`, to be chosen by time."""
        true = await self._true_page(account_id, rows)
        await self._know_zone(account_id, true)
        return true

    def _true(self, row: dict[str, Any], known: Mapping[int, Any]) -> dict[str, Any]:
        if _key(row) in self._truth.rejected:
            return never_arrived(row)
        if row["id"] not in known:
            return row
        return dict(self._mapped(composed_order, row, known[row["id"]]))

    async def _venue_orders(self, account_id: int, rows: list[dict[str, Any]]) -> dict[int, Any]:
        """The venue's own orders of these rows, by OMS id, as far as it knows them."""
        kept = self._truth.venue_orders
        known = {row["id"]: kept[_key(row)] for row in rows if _key(row) in kept}
        left = [row for row in rows if row["id"] not in known]
        named = [self._with_its_name(row) for row in left]
        found = await self._asked_by_id(account_id, [row for row in named if row.get("exchange_order_id")])
        found = await self._after_changes(account_id, left, found)
        loose = [row for row in named if not row.get("exchange_order_id")]
        found.update(await self._loose_ends(account_id, loose))
        found.update(await self._fills_of_silent(account_id, left, found))
        for row in left:
            venue_order = found.get(row["id"])
            if venue_order is not None:
                self._learn_of(row, venue_order)
        return {**known, **found}

    async def _fills_of_silent(
        self, account_id: int, rows: list[dict[str, Any]], found: Mapping[int, Any]
    ) -> dict[int, Any]:
        """Orders that ended, and of which the venue does not say how much had filled: by their deals."""
        silent = [row for row in rows if self._mapped(tells_no_fill, found.get(row["id"]) or {})]
        if not silent:
            return {}
        since = min(self._time_of(row, "created_at") for row in silent)
        await self._reconcile_markets(account_id, dict.fromkeys(row["symbol"] for row in silent), since)
        deals = await self._deals_by_order(account_id, silent)
        return {
            order_id: {**found[order_id], "filled": str(self._mapped(total_of, own))}
            for order_id, own in deals.items()
        }

    def _with_its_name(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with the venue's id, also where it is known of the venue's lists only."""
        name = self._truth.replaced.get(_key(row))
        if name is None and not row.get("exchange_order_id"):
            name = self._truth.owned.get(row["id"])
        return row if name is None else {**row, "exchange_order_id": name}

    async def _after_changes(
        self, account_id: int, rows: list[dict[str, Any]], found: dict[int, Any]
    ) -> dict[int, Any]:
        """What was found, with the orders that changes have placed instead of others: those are cancelled.

        While a change is under way, and there is no new order yet, nothing is known but the row.
        """
        gone = [
            row
            for row in rows
            if self._may_be_replaced(row) and (found.get(row["id"]) or {}).get("status") == "canceled"
        ]
        if not gone:
            return found
        calls: list[tuple[str, list[Any]]] = [
            (_LISTS[0], [symbol]) for symbol in dict.fromkeys(row["symbol"] for row in gone)
        ]
        listed = _all_of(await self._listed(account_id, calls))
        placed = await self._replacements(account_id, gone, listed)
        unsure = {row["id"] for row in gone if row["id"] in self._truth.being_changed} - placed.keys()
        return {key: order for key, order in {**found, **placed}.items() if key not in unsure}

    def _may_be_replaced(self, row: Mapping[str, Any]) -> bool:
        """Whether another order may stand in the place of the one that the gateway knows."""
        if _key(row) in self._truth.replaced:
            return False
        return row["id"] in self._truth.changing or was_replaced_in_vain(row)

    async def _replaced_unseen(
        self,
        account_id: int,
        rows: list[dict[str, Any]],
        listed: list[dict[str, Any]],
        found: Mapping[int, Any],
    ) -> dict[int, Any]:
        """As `_after_changes`, also where it was another program that sent the change.

        An order that was just placed may have no row yet, or not in it its venue id: it is taken for that in
        the place of another, and this is not remembered.

        :param listed: the venue's open orders
        :param found: those that are of rows
        """
        known, now = {order["id"] for order in found.values()}, self.milliseconds()
        strange = [order for order in listed if order["id"] not in known]
        names = {str(order.get("clientOrderId")) for order in strange}
        gone = [
            row
            for row in rows
            if row["id"] not in found and row.get("exchange_order_id") and not names.isdisjoint(sent_as(row))
        ]
        if not gone:
            return {}
        old = [order for order in strange if now - (order.get("timestamp") or now) > _SURELY_LISTED_MS]
        placed = await self._replacements(account_id, gone, old)
        new = [order for order in strange if order not in old]
        return {**self._matched([_without_venue_id(row) for row in gone], new), **placed}

    async def _brought_back(
        self, account_id: int, said: list[dict[str, Any]], listed: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Rows that were taken for ended before the order in their place was seen.

        :param said: all rows of the gateway
        """
        truth = self._truth
        ended = [row for row in said if truth.has_ended(_key(row)) and _key(row) not in truth.rejected]
        if not ended or not listed:
            return []
        await self._replaced_unseen(account_id, ended, listed, self._matched(said, listed))
        back = [row for row in ended if self._lives_on(row, listed)]
        for row in back:
            truth.not_open.pop(_key(row), None)
            truth.venue_orders.pop(_key(row), None)
        return back

    def _lives_on(self, row: Mapping[str, Any], listed: list[dict[str, Any]]) -> bool:
        """Whether the order that stands in the place of a row's is open."""
        name = self._truth.replaced.get(_key(row))
        return name is not None and any(str(order["id"]) == name for order in listed)

    async def _replacements(
        self, account_id: int, rows: list[dict[str, Any]], listed: list[dict[str, Any]]
    ) -> dict[int, Any]:
        """Open orders of the venue with the client order id of rows that have another order, and of no other.

        :param listed: the venue's open orders
        """
        nameless = [_without_venue_id(row) for row in rows]
        found = await self._owned(account_id, nameless, self._matched(nameless, listed))
        for row in rows:
            if row["id"] in found:
                self._truth.replaced.keep(_key(row), str(found[row["id"]]["id"]))
        return found

    def _learn_of(self, row: dict[str, Any], venue_order: Mapping[str, Any]) -> None:
        self._mapped(self._truth.learn, row, venue_order)
        if has_ended(venue_order) and not self._is_changing(row):
            self._truth.not_open.keep(_key(row))
            if self._is_final(row, venue_order):
                self._truth.venue_orders.keep(_key(row), venue_order)
        written, true_ms = row.get("created_at"), venue_order.get("timestamp")
        if row.get("edit_replace_at") is not None or not isinstance(true_ms, int) or has_zone(written):
            return
        # Learned anew of new orders: clocks are put forward in spring and back in autumn. Not of those that
        # have filled: some venues give the time of the last fill.
        is_new = self.milliseconds() - true_ms < FRESH_MS and not venue_order.get("filled")
        if self._truth.utc_offset_ms is None or is_new:
            offset = self._utc_offset_ms()
            self._truth.learn_offset(self._time_of(row, "created_at") + offset, true_ms)

    def _is_changing(self, row: Mapping[str, Any]) -> bool:
        """Whether a change of an order may be carried out still, or its new one be listed late."""
        since = self._truth.changing.get(row["id"])
        return since is not None and self._may_be_replaced(row) and self.milliseconds() - since < FRESH_MS

    def _is_final(self, row: Mapping[str, Any], venue_order: Mapping[str, Any]) -> bool:
        """Whether nothing is to be learned of an order that has ended: its last fill may be told late."""
        status, filled = venue_order["status"], self._mapped(filled_of, venue_order)
        quantity = self._mapped(needed_decimal, row, "qty")
        if status == "rejected" or (status == "closed" and filled >= quantity):
            return True
        moved, now = venue_order.get("lastUpdateTimestamp"), self.milliseconds()
        if isinstance(moved, int) and 0 < moved < now - FRESH_MS:
            return True
        written = row.get("closed_at") is not None and self._age_ms(row, "closed_at") > FRESH_MS
        if written and row.get("status") == "CANCELED":
            return True
        seen = self._truth.seen_ended
        if _key(row) not in seen:
            seen.keep(_key(row), now)
        return bool(now - seen.get(_key(row), now) > FRESH_MS)

    async def _asked_by_id(self, account_id: int, rows: list[dict[str, Any]]) -> dict[int, Any]:
        """The venue's orders by the ids that it gave them.

        One that the venue answers oddly is left out: nobody knows what became of it.
        """
        found: dict[int, Any] = {}
        if len(rows) > MOST_CALLS:  # one list may tell of most
            found = (await self._in_lists(account_id, rows)).found
        left = [row for row in rows if row["id"] not in found]
        odd: dict[int, ccxt.BaseError] = {}
        for params in ({}, _TRIGGER):  # many venues keep stop orders apart
            lost: list[dict[str, Any]] = []
            answers = await self._orders_by_id(account_id, left, params)
            for row, answer in zip(left, answers, strict=True):
                if not isinstance(answer, ccxt.BaseError):
                    found[row["id"]] = answer
                    continue
                if not _refuses(answer):
                    raise answer
                lost.append(row)
                if not params and not isinstance(answer, ccxt.OrderNotFound | ccxt.NotSupported):
                    odd[row["id"]] = answer
            left = lost
        if left:
            found.update(await self._forgotten(account_id, left, odd))
        return found

    async def _orders_by_id(
        self, account_id: int, rows: list[dict[str, Any]], params: dict[str, Any]
    ) -> list[Any]:
        """What the venue answers of orders, in order: the order, or an exception."""
        truth = self._truth
        given = {**params, **_ACKNOWLEDGED} if truth.wants_acknowledgement else params
        calls: list[tuple[str, list[Any]]] = [
            ("fetch_order", [row["exchange_order_id"], row["symbol"], *([given] if given else [])])
            for row in rows
        ]
        answers = await self._venue_calls(account_id, calls)
        if not truth.wants_acknowledgement and any(map(_wants_acknowledgement, answers)):
            truth.wants_acknowledgement = True
            return await self._orders_by_id(account_id, rows, params)
        return [each if isinstance(each, ccxt.BaseError) else self._order_or_error(each) for each in answers]

    def _order_or_error(self, answer: Any) -> Any:
        """An order of the venue; for one that is none an exception, as if the venue had refused to tell."""
        try:
            return self.venue_order(answer)
        except ccxt.BadResponse as error:
            return ccxt.ExchangeError(str(error))

    async def _forgotten(
        self, account_id: int, rows: list[dict[str, Any]], odd: Mapping[int, ccxt.BaseError]
    ) -> dict[int, Any]:
        """Orders that the venue does not give by id: in its lists, or else by their deals.

        What it does not list as open either has ended.

        :param odd: by OMS id, what the venue said of those that it may know all the same
        """
        await self._know_zone(account_id, rows)
        found = (await self._in_lists(account_id, rows)).found
        for row in rows:
            if row["id"] in found:
                continue
            if row["id"] in odd:
                LOGGER.warning("%s order %s stays as its row says: %s", self.id, row["id"], odd[row["id"]])
            elif self._cannot_be_under_way(row):
                deals = await self._deals_learned_of(account_id, row)
                quantity = self._mapped(total_of, deals)
                whole = quantity >= self._mapped(needed_decimal, row, "qty")
                order = {"status": "closed" if whole else "canceled", "filled": str(quantity)}
                if deals and not ((self.markets or {}).get(row["symbol"]) or {}).get("inverse"):
                    order["average"] = str(self._mapped(average_of, deals))
                found[row["id"]] = order
        return found

    async def _loose_ends(self, account_id: int, rows: list[dict[str, Any]]) -> dict[int, Any]:
        """Rows without the venue's id: the command was refused, is under way, or its answer was lost.

        Rejected are those that the venue's lists do not hold by client order id or OMS id, if we saw their
        refusal, or if they are older than `pending_timeout` and no list may hide them.
        """
        await self._know_zone(account_id, rows)
        left = [row for row in rows if _key(row) not in self._truth.rejected]
        lists = await self._in_lists(account_id, left)
        found = await self._owned(account_id, left, lists.found)
        for row in left:
            if row["id"] in found:
                continue
            if not self._was_refused(row):
                if row["id"] in lists.unsure or not self._cannot_be_under_way(row):
                    continue
                if quantity := await self._dealt(account_id, row):
                    found[row["id"]] = {"status": "canceled", "filled": str(quantity)}
                    continue
                names = lists.nameless[row["id"]]
                if names - await self._taken(account_id, names, self._since(row)):
                    continue
            self._truth.rejected.keep(_key(row))
        return found

    def _was_refused(self, row: dict[str, Any]) -> bool:
        """Whether a row is what a command has left behind whose refusal we saw."""
        refused_ms = self._truth.refused.get(row.get("client_order_id"))
        if refused_ms is None:
            return False
        age_ms = self._age_ms(row, "created_at") - self.ahead_of_server_ms()
        return bool(age_ms < self.milliseconds() - refused_ms + FRESH_MS)

    async def _owned(
        self, account_id: int, rows: list[dict[str, Any]], found: dict[int, Any]
    ) -> dict[int, Any]:
        """Of the venue's orders that client order ids have led to, those that are no other row's."""
        owned = self._truth.owned
        named = {str(found[row["id"]]["id"]): row for row in rows if row["id"] in found}
        unsure = {name: row for name, row in named.items() if owned.get(row["id"]) != name}
        if not unsure:
            return found
        taken = await self._taken(account_id, {*unsure}, min(self._since(row) for row in unsure.values()))
        for name, row in unsure.items():
            if name not in taken:
                owned.keep(row["id"], name)
        return {order_id: order for order_id, order in found.items() if str(order["id"]) not in taken}

    async def _taken(self, account_id: int, names: set[str], since: int) -> set[str]:
        """Which of the venue's orders are those of rows that have their ids.

        :param names: the venue's ids
        :param since: milliseconds, before which none of them was placed
        """
        if not names:
            return set()
        others = await self._orders_of_venue_ids(account_id, names, since, own=True)
        return {str(row["exchange_order_id"]) for row in others}

    async def _is_loose_end(self, account_id: int, row: dict[str, Any]) -> bool:
        """Whether a row says nothing of an order: the venue has given it no id and does not know it."""
        if self._with_its_name(row).get("exchange_order_id") or not await self._composes():
            return False
        return row["id"] not in await self._loose_ends(account_id, [row])

    def _cannot_be_under_way(self, row: dict[str, Any]) -> bool:
        """Whether an order that the venue's lists do not hold has ended: they were read, and it is old.

        Where even a reconcile does not show the gateway's zone that is UTC. A row that was taken for old
        too early is looked at again when it gets the venue's id.
        """
        as_utc = self.milliseconds() - self._time_of(row, "created_at")
        age = as_utc if self._truth.zone_is_hidden else self._age_ms(row, "created_at")
        age -= self.ahead_of_server_ms()  # where our clock is minutes ahead, what is under way looks old
        # What we have sent ourselves is as old as our own clock says: the gateway's may be minutes behind.
        name = row.get("client_order_id")
        ours = self._truth.doubtful.get(name) or self._truth.sent.get(name)
        age = age if ours is None else min(age, self.milliseconds() - ours)
        old = age > self.pending_timeout_ms()
        missing = self._truth.missing_functions
        return old and _LISTS[0] not in missing and not {*_LISTS[1:3]} <= missing

    async def _in_lists(self, account_id: int, rows: list[dict[str, Any]]) -> InLists:
        """Orders found in the venue's lists, by its id, the client order id or the OMS id.

        :raises BaseError: a list that the venue has could not be read
        """
        result = InLists({}, set(), {})
        for symbol in dict.fromkeys(row["symbol"] for row in rows):
            of_symbol = [row for row in rows if row["symbol"] == symbol]
            since = min(self._since(row) for row in of_symbol)
            recent = self.milliseconds() - since < _RECENT_MS
            calls: list[tuple[str, list[Any]]] = [
                (name, [symbol] if recent or name == _LISTS[0] else [symbol, max(since, 0)])
                for name in _LISTS
                if name not in self._truth.missing_functions
            ]
            calls.append((_LISTS[0], [symbol, None, None, _TRIGGER]))
            lists = await self._listed(account_id, calls)
            listed = _all_of(lists)
            result.found.update(self._matched(of_symbol, listed))
            # Once for all rows: there may be thousands of both.
            whole = [self._whole_since(*call, orders) for call, orders in zip(calls, lists, strict=True)]
            whole_since = max(whole)
            nameless = [each for each in listed if each.get("clientOrderId") is None and not has_ended(each)]
            for row in of_symbol:
                if whole_since >= self._since(row):
                    result.unsure.add(row["id"])
                result.nameless[row["id"]] = {
                    str(order["id"]) for order in nameless if self._may_be_nameless(order, row)
                }
        return result

    def _whole_since(self, name: str, arguments: list[Any], orders: list[dict[str, Any]] | None) -> float:
        """Since when a list has every order of the venue's (ms): the market is unknown now, or it may be cut.

        A list of the newest orders has all since its oldest.
        """
        if orders is None:
            return math.inf
        if len(orders) < _MAY_BE_CUT:
            return -math.inf
        if name == _LISTS[0]:
            return math.inf
        times = [order["timestamp"] for order in orders if isinstance(order.get("timestamp"), int)]
        return min(times, default=self.milliseconds()) if len(arguments) == 1 else -math.inf

    def _may_be_nameless(self, order: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
        """Whether an open order without a client order id may be the row's, which was placed about then.

        What has filled has a row of its own once the gateway has reconciled.
        """
        if not may_be(order, row, self._since(row)):
            return False
        latest = self._time_of(row, "created_at") + self._zone_blur_ms(row.get("created_at"))
        placed = order.get("timestamp")
        return not isinstance(placed, int) or placed <= latest + self.pending_timeout_ms() + FRESH_MS

    async def _listed(
        self, account_id: int, calls: list[tuple[str, list[Any]]]
    ) -> list[list[dict[str, Any]] | None]:
        """What lists of the venue hold, as far as it has them; None for one whose market it refuses.

        :raises BaseError: one that it has could not be read
        """
        lists: list[list[dict[str, Any]] | None] = []
        answers = await self._venue_calls(account_id, calls)
        for (name, arguments), answer in zip(calls, answers, strict=True):
            if not isinstance(answer, ccxt.BaseError):
                lists.append([self.venue_order(each) for each in self.venue_list(answer)])
            elif _TRIGGER in arguments and _refuses(answer):
                LOGGER.debug("%s the venue lists no stop orders apart: %s", self.id, answer)
                lists.append([])
            elif isinstance(answer, ccxt.NotSupported):
                self._truth.missing_functions.add(name)
                lists.append([])
            elif isinstance(answer, ccxt.BadSymbol):  # of this market: those of others are what they are
                LOGGER.debug("%s the venue lists no orders of %s: %s", self.id, arguments[0], answer)
                lists.append(None)
            else:
                raise answer
        return lists

    def _matched(self, rows: list[dict[str, Any]], listed: list[dict[str, Any]]) -> dict[int, Any]:
        return matched(rows, listed, {row["id"]: self._since(row) for row in rows})

    # -- times, also while nobody knows the gateway's zone

    def _since(self, row: Mapping[str, Any]) -> int:
        """Before which the order of a row cannot have been placed."""
        return self._time_of(row, "created_at") - FRESH_MS - self._zone_blur_ms(row.get("created_at"))

    # -- open orders

    async def _all_open_orders(self, account_id: int, wanted: Wanted) -> list[dict[str, Any]]:
        """Every open order that is wanted, however many there are."""
        if await self._composes():
            return await self._truly_open(account_id, wanted)
        rows = await self._open_rows("orders_open", account_id, wanted, "created_at")
        if rows is None:
            all_of_them = replace(wanted, everything=True)
            one_page = wanted.limit is not None and wanted.limit <= PAGE_SIZE
            if one_page or Feature.QUERY_FILTERS not in await self._features():
                rows = await self._history("orders_history", account_id, all_of_them, "created_at")
            else:
                rows = await self._leaving("orders_history", account_id, all_of_them, "created_at")
        return list(rows)

    async def _truly_open(self, account_id: int, wanted: Wanted) -> list[dict[str, Any]]:
        """Orders that are open at the venue and known to the OMS, whose own list may hold dead ones too."""
        request = self._open_request(account_id, wanted, frozenset())
        items = self._items(await self._read_list("orders_open", request))
        chosen = replace(wanted, since=None, until=None, limit=None, statuses=None)
        said = self._matching(items, chosen, "created_at")
        rows = [row for row in said if not self._truth.has_ended(_key(row))]
        listed = await self._open_at_venue(account_id, wanted.symbol, rows)
        rows += await self._wrongly_rejected(account_id, said, rows, listed)
        rows += await self._brought_back(account_id, said, listed)
        if len(items) >= MOST_OPEN_ROWS:  # the oldest, of which most may be dead
            rows += self._matching(await self._rows_of(account_id, listed, rows), chosen, "created_at")
        rows += self._matching(await self._given_up(account_id, listed, rows), chosen, "created_at")
        if _LISTS[0] in self._truth.missing_functions:
            true = await self._true_rows(account_id, rows)
        else:
            true = await self._still_open(account_id, rows, listed)
        if wanted.since is not None or wanted.until is not None:
            await self._know_zone(account_id, true)
        return self._newest_or_oldest(self._matching(true, wanted, "created_at"), wanted, "created_at")

    async def _open_at_venue(
        self, account_id: int, symbol: Any, rows: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The venue's open orders, of a market or of all; where it lists by market only, of those of rows."""
        function, truth = _LISTS[0], self._truth
        if symbol is None and not truth.wants_symbol and function not in truth.missing_functions:
            [answer] = await self._venue_calls(account_id, [(function, [])])
            if isinstance(answer, ccxt.BaseError) and not _refuses(answer):
                raise answer
            if not isinstance(answer, ccxt.BaseError):
                return [self.venue_order(each) for each in self.venue_list(answer)]
            LOGGER.debug("%s %s of all markets: %s", self.id, function, answer)
            truth.wants_symbol = True
        symbols = {row["symbol"] for row in rows} if symbol is None else {symbol}
        return _all_of(await self._listed(account_id, [(function, [each]) for each in sorted(symbols)]))

    async def _wrongly_rejected(
        self,
        account_id: int,
        said: list[dict[str, Any]],
        rows: list[dict[str, Any]],
        listed: list[dict[str, Any]],
    ) -> list[dict[str, Any]]:
        """Rows that were taken for rejected, and whose orders the venue lists after all: rejected no more.

        :param said: all rows of the gateway
        :param rows: those that may be open
        """
        rejected = [row for row in said if _key(row) in self._truth.rejected]
        if not rejected:
            return []
        found = self._matched(rows + rejected, listed)
        owned = await self._owned(
            account_id, rejected, {row["id"]: found[row["id"]] for row in rejected if row["id"] in found}
        )
        back = [row for row in rejected if row["id"] in owned]
        for row in back:
            self._truth.rejected.pop(_key(row), None)
        return back

    async def _rows_of(
        self, account_id: int, listed: list[dict[str, Any]], rows: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Rows of the venue's open orders that the OMS's open list was too long to hold."""
        known = {str(row.get("exchange_order_id")) for row in rows}
        wanted = {str(order["id"]): order for order in listed if str(order["id"]) not in known}
        if not wanted:
            return []
        times = [order["timestamp"] for order in wanted.values() if isinstance(order.get("timestamp"), int)]
        since = min(times) if len(times) == len(wanted) else None
        return await self._orders_of_venue_ids(account_id, wanted, since)

    async def _given_up(
        self, account_id: int, listed: list[dict[str, Any]], rows: list[dict[str, Any]]
    ) -> list[Any]:
        """Rows of orders that are cancelled for the gateway, and in whose place another stands."""
        stands_for = {name: order_id for (order_id, _), name in [*self._truth.replaced.items()]}
        living = {stands_for[name] for name in (str(order["id"]) for order in listed) if name in stands_for}
        lacking = living - {row["id"] for row in rows}
        return await self._orders_of_ids(account_id, [*lacking]) if lacking else []

    async def _still_open(
        self,
        account_id: int,
        rows: list[dict[str, Any]],
        listed: list[dict[str, Any]],
    ) -> list[dict[str, Any]]:
        """The rows whose orders the venue lists as open, and those of which that is not sure.

        One list proves nothing: it may lack stop orders, markets of another kind, or one order for a
        moment. What it lacks is asked for by id, until the venue has said that it has ended.
        """
        found = self._matched(rows, listed)
        for row in rows:
            if row["id"] in found:
                self._learn_of(row, found[row["id"]])
        found.update(await self._replaced_unseen(account_id, rows, listed, found))
        left = [row for row in rows if row["id"] not in found]
        cut = len(listed) >= _MAY_BE_CUT
        unsure = [row for row in left if cut or not row.get("exchange_order_id") or self._is_just_placed(row)]
        asked = {row["id"] for row in unsure}
        dead = [row for row in left if row["id"] not in asked]
        if len(dead) > MOST_CALLS:  # one list may tell of most; of the others the next call asks for more
            apart = (await self._in_lists(account_id, dead)).found
            for row in dead:
                if row["id"] in apart:
                    self._learn_of(row, apart[row["id"]])
            found.update(apart)
            dead = [row for row in dead if row["id"] not in apart][-MOST_CALLS:]
        found.update(await self._venue_orders(account_id, unsure + dead))
        under_way = {row["id"] for row in unsure + dead if _key(row) not in self._truth.rejected}
        return [self._true(row, found) for row in rows if row["id"] in found or row["id"] in under_way]

    def _is_just_placed(self, row: dict[str, Any]) -> bool:
        """Whether the venue may not list an order yet."""
        moved = [key for key in ("created_at", "updated_at") if row.get(key) is not None]
        return min(self._age_ms(row, key) for key in moved) < _SURELY_LISTED_MS


def _key(row: Mapping[str, Any]) -> tuple[Any, Any]:
    """What an order of the venue is kept under: an edit may have replaced it by another."""
    return row["id"], row.get("exchange_order_id")


def _without_venue_id(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose order at the venue is to be found by its client order id."""
    return {**row, "exchange_order_id": None}


def _said(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row as the gateway gave it."""
    said: Mapping[str, Any] = row.get("gateway_row", row)
    return said


def _all_of(lists: list[list[dict[str, Any]] | None]) -> list[dict[str, Any]]:
    """The orders of all lists."""
    return [order for each in lists for order in each or ()]


def _refuses(answer: Any) -> bool:
    """Whether the venue said that it does not answer such a question: asked again, it would say so again."""
    return isinstance(answer, ccxt.ExchangeError) and not isinstance(answer, ccxt.AuthenticationError)


def _wants_acknowledgement(answer: Any) -> bool:
    return isinstance(answer, ccxt.ExchangeError) and "acknowledged" in str(answer)
