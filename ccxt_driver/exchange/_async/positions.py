"""Positions: reading them, and the OMS's own commands on them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ccxt

from ccxt_driver.contract.features import Feature
from ccxt_driver.exchange.base import LOGGER
from ccxt_driver.exchange.command_outcomes import BEFORE_SENDING
from ccxt_driver.exchange.configuration import identifier
from ccxt_driver.exchange.list_requests import MOST_OPEN_ROWS, RouteMissing, Wanted
from ccxt_driver.exchange.order_requests import NO_FEATURES
from ccxt_driver.exchange.placing import Changing, Placing
from ccxt_driver.exchange.spelling import agreed, in_own_spelling, said
from ccxt_driver.exchange.unknown_creates import Pending
from ccxt_driver.mappers.position import net_rows

from .fallback import Fallback
from .settling import Settling

if TYPE_CHECKING:
    from ccxt.base.types import Order, Position, PositionModeInfo, Trade


_CLOSED = frozenset({"closed", "merged"})


class Positions(Settling, Fallback):
    """Queries and commands on positions."""

    async def _positions_now(self, account_id: int, wanted: Wanted, surely_all: bool = False) -> Any:
        """Open positions, after the gateway has learned of all trades; None when there are too many.

        :raises OperationRejected: `surely_all`, and it has not learned of all
        """
        composes = await self._composes()
        if composes and not await self._reconcile_all(account_id, wanted.market_symbols()) and surely_all:
            raise ccxt.OperationRejected(
                f"{self.id} the gateway has not learned of all trades of the last ten minutes, so its "
                "positions are not what the venue has; ask again later, or name a position_id"
            )
        return await self._open_rows("positions_open", account_id, wanted, "opened_at")

    async def fetch_positions(self, symbols: Any = None, params: dict[str, Any] = {}) -> list[Position]:
        """Open positions, or closed ones with `params={"history": True}`.

        :param symbols: unified symbols, or None for all
        :param params: `history`, `since`, `limit`, `until`, `strategy_id`, `positions` (raw or net)
        :returns: a list of ccxt position structures; `id` is the OMS position id
        """
        await self.load_markets()
        account_id = self._account_id(params)
        names = self.market_symbols(symbols)
        statuses = _CLOSED if params.get("history") else None
        wanted = self._wanted(None, params.get("since"), params.get("limit"), params, statuses)
        if names and len(names) == 1:
            wanted = replace(wanted, symbol=names[0])
        elif names:
            wanted = replace(wanted, symbols=frozenset(names))
        if params.get("history"):
            if await self._composes():
                await self._reconcile_all(account_id, wanted.market_symbols())
            rows = await self._history("positions_history", account_id, wanted, "opened_at")
        else:
            try:
                rows = await self._positions_now(account_id, wanted)
            except RouteMissing:
                return await self._positions_of_venue(account_id, names)
            if rows is None:
                raise ccxt.ExchangeError(f"{self.id} more than {MOST_OPEN_ROWS} open positions")
        mode = (await self._account(account_id)).get("position_mode")
        if not params.get("history") and self._view(mode, params, await self._composes()) == "net":
            rows = self._mapped(net_rows, rows, False, self._terms_of)
        hedged = None if mode is None else mode == "hedge"
        return [self._position(row, hedged) for row in rows]

    async def fetch_positions_for_symbol(self, symbol: str, params: dict[str, Any] = {}) -> list[Position]:
        """Open positions of one market; arguments as of `fetch_positions`."""
        return await self.fetch_positions([symbol], params)

    async def fetch_position(self, symbol: str, params: dict[str, Any] = {}) -> Position:
        """The position of a market; several, also of several strategies, are netted into one.

        :param symbol: unified symbol
        :returns: a ccxt position structure; without a position `contracts` is 0 and `side` None
        """
        return self.one_position(symbol, await self.fetch_positions([symbol], {**params, "positions": "raw"}))

    async def fetch_positions_history(
        self, symbols: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Position]:
        """Closed positions, ascending in time of opening.

        :param symbols: unified symbols, or None for all
        :param since: milliseconds since the Unix epoch, by opening
        :param limit: the newest when `since` is absent, the oldest from `since` otherwise
        :returns: a list of ccxt position structures
        """
        asked = {**params, "history": True, "since": since, "limit": limit}
        return await self.fetch_positions(symbols, asked)

    async def fetch_position_history(
        self, symbol: str, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Position]:
        """Closed positions of one market; arguments as of `fetch_positions_history`."""
        return await self.fetch_positions_history([symbol], since, limit, params)

    async def fetch_position_mode(self, symbol: Any = None, params: dict[str, Any] = {}) -> PositionModeInfo:
        """Whether the account keeps long and short positions side by side.

        :returns: `hedged` (bool) and the account's row as `info`
        """
        row = await self._account(self._account_id(params))
        mode = row.get("position_mode")
        return {"info": row, "hedged": None if mode is None else mode == "hedge"}

    async def close_position(self, symbol: str, side: Any = None, params: dict[str, Any] = {}) -> Order:
        """Close the caller's open position of a market, all members of it.

        :param symbol: unified symbol
        :param side: only those of this side: long or buy, short or sell; None for both
        :param params: `position_id` for one of them, `amount` for a part (oldest first), `type` and
            `price` for a limit order, `clientOrderId`, `comment`, `reason`
        :returns: the ccxt order structure that closes it; of several the first, with all under
            `info["orders"]`
        :raises OperationRejected: there is nothing to close, or it is being closed already
        """
        with BEFORE_SENDING:
            await self.load_markets()
            name = self.market(symbol)["symbol"]
        outcomes = await self._closed(name, side, params)
        if len(outcomes) == 1:
            return self.order_or_raise(outcomes[0])
        failures = [each for each in outcomes if isinstance(each, ccxt.BaseError)]
        if failures:
            self._raise_failure(failures, outcomes)
        orders: list[Any] = outcomes
        closing: Any = {**orders[0], "info": {"orders": [order["info"] for order in orders]}}
        return closing

    async def close_all_positions(self, params: dict[str, Any] = {}) -> list[Order | ccxt.BaseError]:
        """Close every open position that the caller may see, or those of its strategy.

        :param params: `strategy_id`, `comment`, `reason`
        :returns: a ccxt order structure for each position, or the exception of one that was refused
        """
        with BEFORE_SENDING:
            await self.load_markets()
        return self._unless_all_refused(await self._closed(None, None, params))

    async def _closing_commands(self, rows: list[dict[str, Any]], params: dict[str, Any]) -> list[Any]:
        """Commands that close positions: by opposite orders where the gateway's own command is broken."""
        by_orders = False
        if rows and await self._composes():
            by_orders = (await self._account(self._account_id(params))).get("position_mode") == "hedge"
        needed = self.needs_features(in_own_spelling(params), params.get("type"))
        features = await self._features_now() if needed else NO_FEATURES
        return self.close_position_requests(rows, params, by_orders, features)

    async def _closed(self, symbol: Any, side: Any, params: dict[str, Any]) -> list[Any]:
        """Close what is meant.

        While the outcome of an identical call is unknown, that is what it has not done, and nothing
        that was opened since. A position that another call may be closing is not closed once more.

        :returns: for each position its order, or the exception of its failure
        """
        with Placing(self) as placing:
            with BEFORE_SENDING:
                made_up, composes = self.is_id_made_up(params), await self._composes()
                await self._others_have_ended()
                call = self.closing_call(symbol, side, params)
                pendings = placing.call(call)
                in_use: dict[int, ccxt.BaseError] = {}
                if not pendings:
                    read_at = self._unknown_creates.count()
                    rows = await self._closable(symbol, side, params)
                    for index, command in enumerate(await self._closing_commands(rows, params)):
                        other = placing.closing(command) if made_up else None
                        if other is None and not placing.may_close(command, read_at):
                            in_use[index] = self.closing_in_progress(command)
                        else:
                            pendings.append(other or placing.new(command, made_up, call))
            outcomes = await self._outcomes_of_closing(pendings, call, composes)
            for index, pending in enumerate(pendings):
                if pending.call != call and (pending.is_unknown or "qty" in pending.command["payload"]):
                    outcomes[index] = self.being_closed(pending)
        for index, error in in_use.items():
            outcomes.insert(index, error)
        return [
            self.closing_failure(each, composes) if isinstance(each, ccxt.BaseError) else each
            for each in outcomes
        ]

    async def _outcomes_of_closing(self, pendings: list[Pending], call: str, composes: bool) -> list[Any]:
        """What became of commands to close, of this call and of others."""
        if not pendings:
            return []
        if len(pendings) == 1 and pendings[0].call == call:
            return [await self._outcome(pendings[0], self._order_of_close)]
        try:
            return await self._placed_batch(pendings, self._order_of_close)
        except ccxt.BaseError as error:
            raise self.closing_failure(error, composes) from error.__cause__

    async def _closable(self, symbol: Any, side: Any, params: dict[str, Any]) -> list[dict[str, Any]]:
        """Open position rows that are meant.

        :raises OperationRejected: a symbol or position was named and there is none, or trades are missing
        """
        wanted = self._wanted(symbol, None, None, params)
        chosen = self.position_side(side, params)
        position_id = said(params, "position_id")
        rows = await self._positions_now(self._account_id(params), wanted, position_id is None)
        if rows is None:
            raise ccxt.ExchangeError(f"{self.id} more than {MOST_OPEN_ROWS} open positions")
        meant = [
            row
            for row in rows
            if chosen in (None, row["side"]) and (position_id is None or str(row["id"]) == str(position_id))
        ]
        if not meant and (symbol is not None or position_id is not None):
            what = f"position {position_id}" if position_id is not None else f"open position in {symbol}"
            raise ccxt.OperationRejected(f"{self.id} there is no {what} to close")
        return meant

    async def _order_of_close(self, command: dict[str, Any], result: dict[str, Any]) -> Any:
        """The order that closes: failing here would look as if nothing was being closed."""
        client_order_id = command["payload"]["client_order_id"]
        account_id = command["account_id"]
        row, order_id = result.get("order"), result.get("order_id")
        try:
            if row is not None:
                return self._order(row, result.get("deals"))
            if type(order_id) is int and command["command"] == "send_order":
                return await self._complete_order(account_id, order_id, None)
            found = await self._row_by_client_order_id(account_id, client_order_id, None)
            return await self._with_deals(found, account_id)
        except ccxt.BaseError as error:
            LOGGER.warning("%s the closing order %s could not be read: %s", self.id, client_order_id, error)
        return self.order_in_short(command, order_id if type(order_id) is int else None, result)

    async def close_by(
        self, position_id_a: Any, position_id_b: Any, amount: Any = None, params: dict[str, Any] = {}
    ) -> list[Trade]:
        """Close two opposite positions of one market by each other, without an order at the venue.

        :param position_id_a: OMS position id
        :param position_id_b: OMS position id
        :param amount: how much of each; the smaller of both when left out
        :returns: the two deals as ccxt trade structures, as far as the server tells them
        """
        with BEFORE_SENDING:
            payload: dict[str, Any] = {
                "position_id_a": identifier("position_id_a", position_id_a),
                "position_id_b": identifier("position_id_b", position_id_b),
            }
            if amount is not None:
                payload["qty"] = self.exact_text("amount", amount)
            await self.load_markets()
            result = await self._position_command("close_by", payload, params)
        return [self.parse_trade(row) for row in result.get("deals") or []]

    async def merge_positions(
        self, source_position_id: Any, target_position_id: Any, params: dict[str, Any] = {}
    ) -> Position:
        """Move the whole of a position into another of the same market and side.

        :param source_position_id: OMS position id; its state becomes merged
        :param target_position_id: OMS position id; gets the quantity at the average price
        :param params: `stop_mode` (keep, clear, set) and with set `stop_loss`, `take_profit`
        :returns: the target as a ccxt position structure
        """
        with BEFORE_SENDING:
            payload: dict[str, Any] = {
                "source_position_id": identifier("source_position_id", source_position_id),
                "target_position_id": identifier("target_position_id", target_position_id),
            }
            stop_mode = said(params, "stop_mode")
            if stop_mode is not None:
                payload["stop_mode"] = stop_mode
            for name, key in (("stopLoss", "oms_stop_loss"), ("takeProfit", "oms_stop_gain")):
                price = agreed({name: said(params, name), key: said(params, key)}, name, key)
                if price is not None:
                    await self._need_enforced_stops(name)
                    payload[key] = self.exact_text(name, price)
            await self.load_markets()
            result = await self._position_command("merge_positions", payload, params)
        return await self._changed_position(result, payload["target_position_id"], params)

    async def set_position_stops(
        self,
        position_id: Any,
        stop_loss: Any = None,
        take_profit: Any = None,
        comment: Any = None,
        params: dict[str, Any] = {},
    ) -> Position:
        """Set the prices at which the OMS closes a position at the market.

        :param position_id: OMS position id
        :param stop_loss: in quote units; 0 removes it, None keeps it
        :param take_profit: in quote units; 0 removes it, None keeps it
        :param comment: a new comment; an empty one removes it, None keeps it
        :returns: the position as a ccxt position structure
        :raises NotSupported: the server keeps stops and nobody enforces them
        """
        with BEFORE_SENDING:
            number = identifier("position_id", position_id)
            payload: dict[str, Any] = {"position_id": number}
            await self.load_markets()
            stops = {"stop_loss": stop_loss, "take_profit": take_profit}
            if any(value is not None for value in stops.values()):
                await self._need_enforced_stops("set_position_stops()")
                market = self.market((await self._position_row(number, params))["symbol"])
                for name, key in (("stop_loss", "oms_stop_loss"), ("take_profit", "oms_stop_gain")):
                    if stops[name] is not None:
                        payload[key] = self.stop_price(market, name, stops[name])
            if comment is not None:
                payload["comment"] = comment or None
            result = await self._position_command("position_change", payload, params)
        return await self._changed_position(result, number, params)

    async def _need_enforced_stops(self, what: str) -> None:
        if Feature.STOPS_ENFORCED not in await self._features_now():
            raise ccxt.NotSupported(
                f"{self.id} {what}: this server keeps stops of positions but nobody enforces them; place a "
                "stop order (stopLossPrice, takeProfitPrice) instead"
            )

    async def _position_command(
        self, name: str, payload: dict[str, Any], params: dict[str, Any]
    ) -> dict[str, Any]:
        """Carry out a command on positions, guarded by strategy."""
        account_id, strategy_id = self._account_id(params), self._strategy_id(params)
        if strategy_id is not None:
            if Feature.STRATEGY_GUARD in await self._features():
                payload["strategy_id"] = strategy_id
            else:
                for key, position_id in payload.items():
                    if "position_id" in key:
                        await self._position_row(position_id, params)
        command = {"account_id": account_id, "command": name, "payload": payload}
        with Changing(self, command):
            return await self._command(command)

    async def _changed_position(
        self, result: dict[str, Any], position_id: int, params: dict[str, Any]
    ) -> Any:
        rows = result.get("positions") or []
        row = next((row for row in rows if row.get("id") == position_id), None)
        return self._position(row or await self._position_row(position_id, params), None)

    async def _position_row(self, position_id: int, params: dict[str, Any]) -> dict[str, Any]:
        """An open position of the account, and of the strategy when there is one.

        :raises OperationRejected: there is none
        """
        wanted = self._wanted(None, None, None, params)
        rows = await self._positions_now(self._account_id(params), wanted)
        for row in rows or []:
            if row.get("id") == position_id:
                return dict(row)
        raise ccxt.OperationRejected(f"{self.id} position {position_id} is not open on this account")

    def _view(self, mode: Any, params: dict[str, Any], a_position_a_trade: bool) -> str:
        """Raw or net: netted where the account is, and where the gateway that should do it does not."""
        given = params.get("positions") or self.options.get("positions")
        if given not in (None, "net", "raw"):
            raise ccxt.BadRequest(f"{self.id} positions: expected net or raw, got {given!r}"[:200])
        netting = ("netting", "strategy_netting") if a_position_a_trade else ("netting",)
        return given or ("net" if mode in netting else "raw")
