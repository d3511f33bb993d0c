"""History of an exchange in files that a backtest reads, fetched so that an interruption costs one page.

Rows go into a file beside the one that is asked for, `NAME.part`, a page by one write. It takes its place
when all is there; until then the same download goes on where this one has stopped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from filelock import FileLock, Timeout

from ccxt_driver.oms.market.feed import TIMEFRAMES
from ccxt_driver.oms.market.history import iso_text

from .past import Page, Past
from .row_files import GrowingFile, finish, reopen

Kind = Literal["candles", "trades", "funding", "mark"]
Format = Literal["csv", "parquet"]
Tell = Callable[["Progress"], None]

_METHODS: Final[dict[Kind, str]] = {
    "candles": "fetchOHLCV",
    "trades": "fetchTrades",
    "funding": "fetchFundingRateHistory",
    "mark": "fetchMarkOHLCV",
}
"""What an exchange of ccxt must have for each kind."""
_MARK_COLUMNS: Final = 5
_SYMBOL: Final = re.compile(r"([A-Za-z0-9]+)/([A-Z0-9]+)(?::([A-Z0-9]+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to fetch.

    :param symbol: unified, of a spot market or a linear swap
    :param timeframe: of candles and mark prices
    :param from_ms: the first moment, milliseconds since the Unix epoch
    :param to_ms: the moment to stop before; what has not closed by now is never fetched
    :param folder: where the file goes; it is made when it is not there
    :raises ValueError: a parameter that makes no sense
    """

    symbol: str
    from_ms: int
    to_ms: int
    folder: Path
    timeframe: str = "1m"
    kind: Kind = "candles"
    format: Format = "csv"

    def __post_init__(self) -> None:
        if _SYMBOL.fullmatch(self.symbol) is None:
            raise ValueError(f"symbols: expected such as BTC/USDT or BTC/USDT:USDT, got {self.symbol!r}")
        if self.kind in ("funding", "mark") and ":" not in self.symbol:
            raise ValueError(f"symbols: expected a swap such as BTC/USDT:USDT, got {self.symbol!r}")
        if self.has_timeframe and self.timeframe not in TIMEFRAMES:
            raise ValueError(f"timeframe: expected one of {', '.join(TIMEFRAMES)}, got {self.timeframe!r}")
        if self.format == "parquet" and find_spec("pyarrow") is None:
            raise ValueError('format: Parquet needs pyarrow: pip install "ccxt-driver[parquet]"')
        if not 0 < self.from_ms < self.to_ms:
            raise ValueError(f"from: expected before {iso_text(self.to_ms)}, got {iso_text(self.from_ms)}")

    @property
    def has_timeframe(self) -> bool:
        """Whether it is about candles."""
        return self.kind in ("candles", "mark")

    @property
    def path(self) -> Path:
        """The file."""
        names = {"candles": self.timeframe, "mark": f"{self.timeframe}-mark", "funding": "funding_rate"}
        what = names.get(self.kind, "trades")
        return self.folder / f"{re.sub('[/:]', '_', self.symbol)}-{what}.{self.format}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is.

    :param rows: fetched by this call
    :param until_ms: everything before it is fetched
    """

    rows: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What a download came to.

    :param rows: fetched by this call
    :param first_ms: time of the first row of the file; None when it has none
    :param last_ms: time of the last row of the file
    """

    path: Path
    rows: int
    first_ms: int | None
    last_ms: int | None


def exchange_of(name: str) -> Any:
    """An exchange of ccxt that holds itself to its rate limit, and knows no key.

    :raises ValueError: ccxt has none of that name
    """
    import ccxt

    if name not in ccxt.exchanges:
        raise ValueError(f"exchange: ccxt has no {name!r}")
    return getattr(ccxt, name)({"enableRateLimit": True})


def download(past: Past, wanted: Wanted, tell: Tell = lambda progress: None) -> Downloaded:
    """Fetch what is not there yet. What was fetched before an interruption stays.

    :param tell: is told of every page
    :raises ValueError: what makes no sense, or what the exchange or the file that is there does not allow
    :raises ccxt.BaseError: what the exchange raises, after it was asked again
    """
    past.market(wanted.symbol)
    past.need(_METHODS[wanted.kind], wanted.timeframe if wanted.has_timeframe else None)
    wanted.folder.mkdir(parents=True, exist_ok=True)
    with _alone(wanted.path):
        file = reopen(wanted.path, _beside(wanted, ".part"), wanted.kind)
        rows = 0
        if file.first_ms is not None and wanted.from_ms < file.first_ms:
            rows, file = _fetch_before(past, wanted, file, file.first_ms, tell)
        rows = _fetch(past, wanted, file, wanted.to_ms, tell, rows)
        if file.first_ms is None:
            file.path.unlink()
        else:
            finish(file, wanted.path)
        return Downloaded(wanted.path, rows, file.first_ms, file.last_ms)


def _fetch_before(
    past: Past, wanted: Wanted, file: GrowingFile, to_ms: int, tell: Tell
) -> tuple[int, GrowingFile]:
    """Fetch what comes before the rows that are there, and put them behind it."""
    before = GrowingFile(_beside(wanted, ".before.part"), wanted.kind)
    if before.first_ms is not None and wanted.from_ms < before.first_ms:
        before.clear()  # it may have been begun for a later moment
    rows = _fetch(past, wanted, before, to_ms, tell, 0)
    if before.last_ms is None:
        before.path.unlink()
        return rows, file
    both = GrowingFile(_beside(wanted, ".joined.part"), wanted.kind)
    both.clear()  # it may be there from an interruption
    both.add_file(before)
    both.add_file(file)
    both.path.replace(file.path)
    before.path.unlink()
    return rows, GrowingFile(file.path, wanted.kind)


def _fetch(past: Past, wanted: Wanted, file: GrowingFile, to_ms: int, tell: Tell, rows: int) -> int:
    """Fetch what follows the rows of a file.

    :param rows: fetched before
    :returns: fetched in all
    """
    for page in _pages(past, wanted, to_ms, file.last_ms):
        file.add(page.rows)
        rows += len(page.rows)
        tell(Progress(rows, page.until_ms))
    return rows


def _pages(past: Past, wanted: Wanted, to_ms: int, known_ms: int | None) -> Iterator[Page]:
    symbol, timeframe, from_ms = wanted.symbol, wanted.timeframe, wanted.from_ms
    if wanted.kind == "trades":
        yield from past.trades(symbol, from_ms, to_ms, known_ms)
    elif wanted.kind == "funding":
        yield from past.funding_rates(symbol, from_ms, to_ms, known_ms)
    elif wanted.kind == "candles":
        yield from past.candles(symbol, timeframe, from_ms, to_ms, known_ms)
    else:
        for page in past.candles(symbol, timeframe, from_ms, to_ms, known_ms, mark=True):
            yield page._replace(rows=[row[:_MARK_COLUMNS] for row in page.rows])


def _beside(wanted: Wanted, suffix: str) -> Path:
    return wanted.path.with_name(wanted.path.name + suffix)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two downloads into one file would mix their rows."""
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"{path}: another download is writing it") from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
