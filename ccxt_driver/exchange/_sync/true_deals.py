# Generated from `_async/true_deals.py` by `_generate.py`: change that file, not this one.
"""Deals of gateways that learn of trades, not of their times, and only when asked to reconcile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from typing import Any

import ccxt

from ccxt_driver.contract.endpoints import BY_NAME, TRADES_RAW
from ccxt_driver.contract.values import format_date
from ccxt_driver.exchange.base import LOGGER
from ccxt_driver.exchange.list_requests import DAY_MS, RouteMissing, Wanted
from ccxt_driver.exchange.server_truth import has_zone, is_rough
from ccxt_driver.mappers.composition import composed_deal
from ccxt_driver.mappers.values import ZERO, decimal_of, needed_decimal

from .rows import Rows

FRESH_MS = 60_000
_ONE_RECONCILE_MS = 5_000
_NEXT_SECOND_MS = 1_100
_RECONCILES = 3
_WHOLE_SECOND_MS = 1000
"""Some servers keep no part of a second."""
_MOST_RECONCILES = 10
SYMBOLS_AT_ONCE = 3
"""So many markets a gateway asks a venue for that wants a symbol, the named ones first."""
_TRADES_IN_ONE_RECONCILE = 200
_LOOKS_BACK_MS = 600_000
"""How far a reconcile looks back at least, also when it has read these trades before."""


class TrueDeals(Rows):
    """Deals as many as there truly are, with the times at which the venue traded."""

    def _composes(self) -> bool:
        """Whether rows have to be completed by what the venue says."""
        return self._truth.composes(self.truth_option(), self._features())

    def _dealt(self, account_id: int, row: dict[str, Any]) -> Decimal:
        """How much of an order its deals say was filled."""
        return self._mapped(total_of, self._deals_learned_of(account_id, row))

    def _deals_learned_of(self, account_id: int, row: dict[str, Any]) -> list[dict[str, Any]]:
        """The deals of an order, after the gateway has learned of its trades."""
        self._reconcile_now(account_id, [row["symbol"]], self._time_of(row, "created_at"))
        return self._deals_of(account_id, row)

    def _reconcile_now(self, account_id: int, symbols: Iterable[str], since: int | None = None) -> None:
        """Let the gateway learn of the venue's trades.

        It goes on where it stopped the last time; one that has never begun looks ten minutes back only.

        :param since: milliseconds; the trades that are needed are not older
        """
        request = {"account_id": account_id, "scope": "short", "symbols_hint": [*symbols]}
        first = account_id not in self._truth.reconciled
        if first and self._has_never_reconciled(account_id):
            request.update(self._far_back(since))
        self.request(BY_NAME["reconcile"].path, "private", "POST", request)
        self._truth.reconciled.add(account_id)

    def _reconcile_markets(
        self, account_id: int, symbols: Iterable[str], since: int | None = None
    ) -> None:
        """As `_reconcile_now`, by as many requests as it takes where the venue wants a symbol.

        :param symbols: none for all that have orders
        """
        named, at_once = [*symbols], SYMBOLS_AT_ONCE
        if len(named) not in range(1, at_once + 1) and self._trades_want_symbol(account_id):
            if not named:
                named = self._traded_symbols(account_id)
                at_once -= 1  # and leaves room for markets that the gateway knows of by itself
            while len(named) > at_once:
                self._reconcile_now(account_id, named[:SYMBOLS_AT_ONCE], since)
                named = named[SYMBOLS_AT_ONCE:]
        self._reconcile_now(account_id, named, since)

    def _trades_want_symbol(self, account_id: int) -> bool:
        """Whether the venue tells trades of one market at a time, and so does to the gateway."""
        truth = self._truth
        if truth.trades_want_symbol is None:
            newest = [None, self.milliseconds(), 1]
            [answer] = self._venue_calls(account_id, [("fetch_my_trades", newest)])
            if isinstance(answer, ccxt.OperationFailed):
                return True  # nobody can tell now: to name too many costs time only
            truth.trades_want_symbol = isinstance(answer, ccxt.ArgumentsRequired)
        return truth.trades_want_symbol

    def _traded_symbols(self, account_id: int) -> list[str]:
        """The markets of orders whose end a gateway that lags may not know, the newest first."""
        request = self._open_request(account_id, Wanted(), frozenset())
        rows = self._items(self._read_list("orders_open", request))
        return [*dict.fromkeys(row["symbol"] for row in reversed(rows) if isinstance(row.get("symbol"), str))]

    def _has_never_reconciled(self, account_id: int) -> bool:
        try:
            return (self._reconcile_status(account_id)).get("status") == "never"
        except ccxt.ExchangeError as error:
            LOGGER.debug("%s when it was reconciled is not known: %s", self.id, error)
            return False

    def _reconcile_status(self, account_id: int) -> Mapping[str, Any]:
        """When the gateway has last reconciled."""
        path = BY_NAME["reconcile_account_status"].path
        status = self.request(path, "private", "GET", {"account_id": account_id})
        return status if isinstance(status, Mapping) else {}

    def _know_zone(self, account_id: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Learn of which zone the times of rows are, if nothing has shown it yet: by a reconcile of now."""
        truth = self._truth
        if truth.zone_is_hidden or not any(self._zone_blur_ms(row.get("created_at")) for row in rows):
            return
        try:
            self._learn_zone(account_id)
        except (ccxt.NotSupported, ccxt.AuthenticationError) as error:
            LOGGER.debug("%s its zone is not known: %s", self.id, error)
            truth.zone_is_hidden = True
        except ccxt.ExchangeError as error:
            LOGGER.debug("%s its zone is not known yet: %s", self.id, error)

    def _learn_zone(self, account_id: int) -> None:
        before = (self._reconcile_status(account_id)).get("updated_at")
        for pause in (0, _NEXT_SECOND_MS):  # it tells whole seconds, and may have reconciled in this one
            if pause:
                self.sleep(pause)
            started = self.milliseconds()
            self._reconcile_now(account_id, [])
            status = self._reconcile_status(account_id)
            after = status.get("updated_at")
            if after is None or after != before:
                break
        else:
            return
        if isinstance(after, str) and not has_zone(after):
            written = self._time_of({"updated_at": after}, "updated_at") + self._utc_offset_ms()
            self._truth.learn_offset(written, self.milliseconds())
        if "status" in status and self.milliseconds() - started < _ONE_RECONCILE_MS:
            self._truth.zone_is_hidden = self._truth.utc_offset_ms is None

    def _far_back(self, since: int | None) -> dict[str, str]:
        """What a reconcile is told to look farther back: by days of its own zone, hence with a margin."""
        if since is None:
            return {"scope": "long"}
        start, end = max(since - DAY_MS, 0), self.milliseconds() + DAY_MS
        return {"scope": "period", "start_date": format_date(start), "end_date": format_date(end)}

    def _deals_of(self, account_id: int, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The deals of one order, ascending, as the server has them."""
        if self._composes():
            return (self._deals_by_order(account_id, [row]))[row["id"]]
        since = max(self._time_of(row, "created_at") - _WHOLE_SECOND_MS, 0)
        wanted = Wanted(order_id=row["id"], symbol=row["symbol"], since=since)
        return self._history("deals", account_id, wanted, "executed_at")

    def _deals_by_order(
        self, account_id: int, rows: Sequence[Mapping[str, Any]]
    ) -> dict[int, list[dict[str, Any]]]:
        """The deals of orders, by OMS id, ascending, as a server has them that filters none."""
        since = min(self._time_of(row, "created_at") for row in rows) - _WHOLE_SECOND_MS
        needed = {
            row["id"]: self._mapped(decimal_of, row, "filled_qty") or self._mapped(decimal_of, row, "qty")
            for row in rows
        }
        deals = self._search_back(
            "deals",
            account_id,
            since,
            lambda deal: self._order_id_of(deal) in needed,
            lambda deals: not self._lacking(needed, deals),
        )
        return {each: [deal for deal in deals if self._order_id_of(deal) == each] for each in needed}

    def _order_id_of(self, deal: Mapping[str, Any]) -> Any:
        """Which order a deal is of: that which stands for it, where reconciling made a second row."""
        order_id = deal.get("order_id")
        return self._truth.doubles.get(order_id, order_id)

    def _lacking(self, needed: Mapping[int, Decimal], deals: Iterable[Mapping[str, Any]]) -> list[int]:
        """The orders of which deals are missing.

        :param needed: how much was filled, by OMS id
        """
        sums = dict.fromkeys(needed, ZERO)
        for deal in deals:
            sums[self._order_id_of(deal)] += self._mapped(needed_decimal, deal, "qty")
        return [order_id for order_id, filled in needed.items() if sums[order_id] < filled]

    def _true_deals_of(
        self, account_id: int, rows: Sequence[dict[str, Any]]
    ) -> dict[int, list[dict[str, Any]]]:
        """The deals of orders that have filled, as many as there must be, at their true times; by OMS id."""
        filled = {row["id"]: self._mapped(decimal_of, row, "filled_qty") for row in rows}
        found: dict[int, list[dict[str, Any]]] = {}
        if all(self._may_be_dealt(row) for row in rows):  # otherwise they are missing, most likely
            found = self._deals_by_order(account_id, rows)
        lacking = self._lacking(filled, chain(*found.values()))
        for _ in range(_RECONCILES):
            if not lacking:
                break
            missing = [row for row in rows if row["id"] in lacking]
            since = min(self._time_of(row, "created_at") for row in missing)
            self._reconcile_markets(account_id, dict.fromkeys(row["symbol"] for row in missing), since)
            self._find_doubles(account_id, missing)
            found.update(self._deals_by_order(account_id, missing))
            lacking = self._lacking(filled, chain(*found.values()))
        if lacking:
            LOGGER.warning("%s the gateway lacks deals of orders %s", self.id, lacking)
        for row in rows:
            self._truth.dealt.keep(row["id"])
            for trade in (row.get("venue_order") or {}).get("trades") or []:
                self._keep_trade(trade)
        deals = self._at_true_times(account_id, [*chain(*found.values())])
        return {order_id: [deal for deal in deals if deal["order_id"] == order_id] for order_id in filled}

    def _find_doubles(self, account_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Find the rows that reconciling made of orders whose venue id the gateway never learned."""
        venue_ids = {
            str((row.get("venue_order") or {}).get("id")): row
            for row in rows
            if not row.get("exchange_order_id")
        }
        if not venue_ids:
            return
        since = min(self._time_of(row, "created_at") for row in rows) - DAY_MS
        for double in self._orders_of_venue_ids(account_id, venue_ids, since):
            self._truth.doubles.keep(double["id"], venue_ids[str(double["exchange_order_id"])]["id"])

    def _may_be_dealt(self, row: Mapping[str, Any]) -> bool:
        """Whether the gateway may know of an order's trades already."""
        return row["id"] in self._truth.dealt or self._age_ms(row, "created_at") > FRESH_MS

    def _true_trades(self, account_id: int, wanted: Wanted) -> list[dict[str, Any]]:
        """The account's deals, after the gateway has learned of all trades, with their true times.

        A gateway's own time of a deal is later than the trade's, so the limit of a window is held here.
        """
        listed = wanted if wanted.since is None else replace(wanted, limit=None)
        deals, _ = self._deals_learned(account_id, wanted.market_symbols(), listed, self._at_true_times)
        self._mapped(self._truth.learn_fills, self._mapped(sums_of, deals))
        return self._newest_or_oldest(deals, wanted, "executed_at")

    def _reconcile_all(self, account_id: int, symbols: Iterable[str]) -> bool:
        """Let the gateway learn of every trade.

        One reconcile reads so many trades, from where the last one ended or ten minutes back: of more in
        that time it learns later only.

        :returns: whether it has; otherwise a warning has said so
        """
        try:
            wanted = Wanted(limit=_TRADES_IN_ONE_RECONCILE)
            deals, complete = self._deals_learned(account_id, symbols, wanted)
        except RouteMissing as error:
            LOGGER.debug("%s what it learned is not known: %s", self.id, error)
            return True
        if complete:
            return True
        self._know_zone(account_id, [{"created_at": deals[-1]["executed_at"]}])
        if self._age_ms(deals[-1], "executed_at") > _LOOKS_BACK_MS:
            return True
        LOGGER.warning("%s the gateway may lack trades: more came than it reads at once", self.id)
        return False

    def _deals_learned(
        self, account_id: int, symbols: Iterable[str], wanted: Wanted, corrected: Any = None
    ) -> tuple[list[dict[str, Any]], bool]:
        """Deals, after as many reconciles as bring new ones.

        :param corrected: as `_history` takes it
        :returns: the deals, and whether the last reconcile brought fewer than it may
        """
        deals: list[dict[str, Any]] = []
        newest = None
        for _ in range(_MOST_RECONCILES):
            self._reconcile_markets(account_id, symbols, wanted.since)
            deals = self._history("deals", account_id, wanted, "executed_at", corrected)
            if self._newest_at_once(deals) < _TRADES_IN_ONE_RECONCILE:
                return deals, True
            before, newest = newest, max(deal["id"] for deal in deals)
            if newest == before:
                break
        return deals, False

    def _newest_at_once(self, deals: list[dict[str, Any]]) -> int:
        """How many deals the gateway learned of together with the newest."""
        learned = [self._time_of(deal.get("gateway_row", deal), "executed_at") for deal in deals]
        newest = max(learned, default=0)
        return sum(newest - time <= _ONE_RECONCILE_MS for time in learned)

    def _at_true_times(self, account_id: int, deals: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Deals with the times at which the venue traded."""
        kept = self._truth.venue_trades
        unknown = {
            str(deal["exchange_trade_id"]): deal
            for deal in deals
            if deal.get("exchange_trade_id")
            and is_rough(deal.get("executed_at"))
            and str(deal["exchange_trade_id"]) not in kept
        }
        if unknown:
            self._read_trades(account_id, unknown)
        true = [
            self._mapped(composed_deal, deal, kept.get(str(deal.get("exchange_trade_id")))) for deal in deals
        ]
        return [{**deal, "order_id": self._order_id_of(deal)} for deal in true]

    def _read_trades(self, account_id: int, unknown: dict[str, dict[str, Any]]) -> None:
        """Learn what the venue said of trades: as the gateway kept it, or else from the venue."""
        since = min(self._time_of(deal, "executed_at") for deal in unknown.values())
        try:
            rows = self._search_back(
                TRADES_RAW.name,
                account_id,
                since,
                lambda row: self.raw_trade_id(row) in unknown,
                lambda rows: len(rows) >= len(unknown),
            )
            for row in rows:
                self._keep_trade(self.raw_trade(row))
        except RouteMissing:
            self._ask_for_trades(account_id, unknown, since)

    def _ask_for_trades(self, account_id: int, unknown: dict[str, dict[str, Any]], since: int) -> None:
        """Learn of trades from the venue itself."""
        symbols = [*dict.fromkeys(deal["symbol"] for deal in unknown.values())]
        calls: list[tuple[str, list[Any]]] = [
            ("fetch_my_trades", [symbol, max(since - DAY_MS, 0)]) for symbol in symbols
        ]
        for answer in self._venue_calls(account_id, calls):
            if isinstance(answer, ccxt.NotSupported):
                LOGGER.debug("%s the times of trades are the gateway's: %s", self.id, answer)
            elif isinstance(answer, ccxt.BaseError):
                raise answer
            else:
                for trade in self.venue_list(answer):
                    self._keep_trade(trade)

    def _keep_trade(self, trade: Any) -> None:
        if isinstance(trade, Mapping) and trade.get("id") is not None:
            kept = {key: value for key, value in trade.items() if key != "info"}
            self._truth.venue_trades.keep(str(trade["id"]), kept)


def sums_of(deals: Iterable[Mapping[str, Any]]) -> dict[Any, Decimal]:
    """How much deals say was filled, by the OMS id of the order."""
    sums: dict[Any, Decimal] = {}
    for deal in deals:
        sums[deal.get("order_id")] = sums.get(deal.get("order_id"), ZERO) + needed_decimal(deal, "qty")
    return sums


def total_of(deals: Iterable[Mapping[str, Any]]) -> Decimal:
    """How much deals say was filled."""
    return sum((needed_decimal(deal, "qty") for deal in deals), ZERO)


def average_of(deals: Iterable[Mapping[str, Any]]) -> Decimal:
    """The average price of deals of a market that is not inverse; there is one at least."""
    rows = [(needed_decimal(deal, "qty"), needed_decimal(deal, "price")) for deal in deals]
    return sum((quantity * price for quantity, price in rows), ZERO) / sum((each for each, _ in rows), ZERO)
