"""`ccxt-driver watch`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from .arguments import finite
from .connection import account_in_words, connected
from .tables import for_people

if TYPE_CHECKING:
    from .connection import Desk
    from .screens import Screen

_KINDS: Final = ("orders", "trades", "positions", "balance")
_PAUSE_S: Final = 1.0
"""Before a stream that has failed is asked again."""
_LOST_TRACK: Final = ("cursor_expired", "slow_consumer")
"""What there is now is read anew then, and changes go on from there."""
_FIRST_LOOK: Final = {"watchBalance": {"fetchBalanceSnapshot": True}}


@click.command()
@click.option("--symbol", "symbols", multiple=True, help="Of this market; may be given more than once.")
@click.option("--orders", is_flag=True, help="Orders.")
@click.option("--trades", is_flag=True, help="The account's own trades.")
@click.option("--positions", is_flag=True, help="Positions.")
@click.option("--balance", is_flag=True, help="Money.")
@click.option("--ticker", is_flag=True, help="Prices of the markets of --symbol.")
@click.option("--count", type=click.IntRange(1), help="End after so many changes.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), callback=finite, help="End after so long."
)
@connected
def watch(
    desk: Desk,
    symbols: tuple[str, ...],
    ticker: bool,
    count: int | None,
    seconds: float | None,
    **chosen: bool,
) -> None:
    """Follow orders, trades, positions and money as they change, until Ctrl-C.

    Without a choice all of these. On a terminal it is a table that is kept up to date, otherwise one line
    for each change, and with --json one JSON object a line.
    """
    if ticker and not symbols:
        raise click.UsageError("--ticker: say of which market by --symbol")
    kinds = [kind for kind in _KINDS if chosen[kind]]
    if not kinds and not ticker:
        kinds = list(_KINDS)
    # Before the loop runs, in which Ctrl-C would wait until ccxt is imported.
    from ccxt_driver.pro import OmsCcxtExchange

    desk.exchange = OmsCcxtExchange({**desk.config, "options": {**desk.config["options"], **_FIRST_LOOK}})
    asyncio.run(_watch(desk, list(symbols), [*kinds, *(["ticker"] if ticker else [])], count, seconds))


async def _watch(
    desk: Desk, symbols: list[str], kinds: list[str], count: int | None, seconds: float | None
) -> None:
    from .screens import screen_of

    exchange = desk.exchange
    try:
        await exchange.load_markets()
        for symbol in symbols:
            exchange.market(symbol)
        title = str(account_in_words(exchange, await exchange.fetch_accounts()))
        with screen_of(desk.as_json, title) as screen, suppress(TimeoutError, _Enough):
            async with asyncio.timeout(seconds):
                await _Follower(exchange, symbols, kinds, count, screen).run()
    finally:
        await exchange.close()


class _Enough(Exception):
    """As many changes have come as were asked for."""


class _Follower:
    """Follows the streams of one exchange object, and shows on a screen what comes.

    :param count: of changes, after which it ends
    """

    def __init__(
        self, exchange: Any, symbols: list[str], kinds: list[str], count: int | None, screen: Screen
    ) -> None:
        self._exchange = exchange
        self._symbols = symbols or None
        self._kinds = kinds
        self._left = count
        self._screen = screen
        self._changes: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue()
        self._offline = False

    async def run(self) -> None:
        """Show everything until it is cancelled.

        :raises _Enough: as many changes have come as were asked for
        """
        of_account = self._kinds != ["ticker"]
        if of_account:  # the stream is on before anything is read, so that nothing is missed between
            self._screen.snapshot("balance", [await self._exchange.watch_balance()])
        tasks = [asyncio.create_task(self._follow(kind)) for kind in self._kinds]
        tasks.append(asyncio.create_task(self._screen.kept_up_to_date()))
        try:
            await asyncio.sleep(0)  # they watch now
            if of_account and "balance" not in self._kinds:
                await self._exchange.un_watch_balance()
            await self._read()
            self._screen.begun()
            tasks.append(asyncio.create_task(self._show()))
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        """Show what there is."""
        exchange, symbols = self._exchange, self._symbols
        if "orders" in self._kinds:
            found = await exchange.fetch_open_orders(None if symbols is None else symbols[0])
            for symbol in (symbols or [])[1:]:
                found += await exchange.fetch_open_orders(symbol)
            self._screen.snapshot("orders", [self._shown(row) for row in found])
        if "positions" in self._kinds:
            raw = {"positions": "raw"}  # as they are streamed
            found = await exchange.fetch_positions(symbols, raw)
            self._screen.snapshot("positions", [self._shown(row) for row in found])

    def _shown(self, row: Any) -> Any:
        return row if self._screen.exact else for_people(self._exchange, row)

    async def _show(self) -> None:
        while True:
            change = await self._changes.get()
            if change is None:
                await self._read()
                continue
            kind, row = change
            self._screen.changed(kind, self._shown(row))
            if self._left is not None:
                self._left -= 1
                if not self._left:
                    raise _Enough

    async def _follow(self, kind: str) -> None:
        """Take every change of one kind; a lost connection is waited for."""
        import ccxt

        params: dict[str, Any] = {}
        while True:
            try:
                rows = await self._next(kind, params)
            except ccxt.NetworkError as error:
                self._went_offline(error)
                await asyncio.sleep(_PAUSE_S)
            except ccxt.ExchangeError as error:
                params = self._lost_track(error)
                await asyncio.sleep(_PAUSE_S)
                self._changes.put_nowait(None)  # read anew once this stream goes on
            else:
                params = {}
                self._offline = False
                for row in rows:
                    self._changes.put_nowait((kind, row))

    async def _next(self, kind: str, params: dict[str, Any]) -> list[Any]:
        exchange, symbols = self._exchange, self._symbols
        if kind == "ticker":
            return list((await exchange.watch_tickers(symbols)).values())
        if kind == "balance":
            return [await exchange.watch_balance(params)]
        if kind == "positions":
            return list(await exchange.watch_positions(symbols, None, None, params))
        name = "watch_orders" if kind == "orders" else "watch_my_trades"
        if symbols is None:
            return list(await getattr(exchange, name)(None, None, None, params))
        return list(await getattr(exchange, f"{name}_for_symbols")(symbols, None, None, params))

    def _went_offline(self, error: BaseException) -> None:
        if not self._offline:  # each stream notices it
            self._offline = True
            self._screen.note(f"no connection, trying again ({type(error).__name__})")

    def _lost_track(self, error: Any) -> dict[str, Any]:
        """How to go on with a stream that was too slow, or whose server has lost its history.

        :raises ExchangeError: it is another failure
        """
        if getattr(error, "code", None) not in _LOST_TRACK:
            raise error
        self._screen.note(f"changes may be missing ({error.code}); what there is now is read anew")
        after_seq = getattr(error, "after_seq", None)
        return {} if after_seq is None else {"after_seq": after_seq}
