"""Which files of market data there are, and what their names say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, cast

from ccxt_driver.oms.market.feed import TIMEFRAMES
from ccxt_driver.oms.market.file_rows import FORMATS, BadFile, Kind

_NAME: Final = re.compile(
    r"([A-Za-z0-9]+)_([A-Z0-9]+)(?:_([A-Z0-9]+))?-(\w+)(?:-([A-Za-z_]+))?(\.[a-z.]+)", re.ASCII
)
_CANDLES: Final = ("futures", "spot")
"""Second words of names of candles that are prices at which people traded."""
_OTHERS: Final = {
    "index": "index prices",
    "premiumIndex": "premiums",
    "open_interest": "open interest",
}
_OF_SWAPS: Final[dict[str, Kind]] = {"mark": "mark", "funding_rate": "funding"}
"""Second words of names of what is known of swaps beside their prices; a funding rate needs no timeframe."""
_EXPECTED: Final = (
    "expected a name such as BTC_USDT-1m.csv, BTC_USDT_USDT-1h-futures.feather, BTC_USDT_USDT-trades.jsonl, "
    f"BTC_USDT-quotes.json or BTC_USDT-book.parquet, timeframes being {', '.join(TIMEFRAMES)}"
)


class DataFile(NamedTuple):
    """What the name of a file says.

    :param timeframe: of candles, of mark prices and in freqtrade's names of funding rates; of others empty
    """

    path: Path
    symbol: str
    kind: Kind
    timeframe: str

    @property
    def is_price(self) -> bool:
        """Whether it is of prices at which people trade."""
        return self.kind not in ("mark", "funding")


class Ignored(NamedTuple):
    """A file of market data that is of no use here, and why."""

    path: Path
    symbol: str
    reason: str


Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""Files and folders."""


def find(paths: Paths) -> tuple[list[DataFile], list[Ignored]]:
    """The files of market data at some paths.

    A folder is searched with its sub-folders, but not behind links to folders, and not in those whose
    name begins with a dot; names of files that are not such as these are passed over in silence.

    :raises BadFile: a path that is not there or has another name, or nothing to read at all
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else [*paths]
    found: list[DataFile] = []
    ignored: list[Ignored] = []
    for path in map(Path, given):
        if not path.exists():
            raise BadFile(f"{path}: No such file or folder")
        if path.is_dir():
            known = [_of_a_folder(each) for each in _within(path)]
        else:
            known = [named(path)]
            if known == [None]:
                raise BadFile(f"{path}: {_EXPECTED}")
        found += [file for file in known if isinstance(file, DataFile)]
        ignored += [file for file in known if isinstance(file, Ignored)]
    if not found:
        names = ", ".join(map(str, given)) or "paths"
        raise BadFile(f"{names}: expected at least one file of market data, named such as BTC_USDT-1m.csv")
    return [*dict.fromkeys(found)], [*dict.fromkeys(ignored)]


def _within(folder: Path) -> Iterator[Path]:
    """Files in a folder and below it, always in the same order."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(files))


def _of_a_folder(path: Path) -> DataFile | Ignored | None:
    """As `named`; what cannot be traded is refused only to those who ask for it by name."""
    file = named(path)
    if isinstance(file, DataFile):
        pair, _, settle = file.symbol.partition(":")
        if settle and settle != pair.partition("/")[2]:
            return Ignored(path, file.symbol, f"swaps that settle in {settle} are not traded here")
    return file


def named(path: Path) -> DataFile | Ignored | None:
    """What the name of a file says; None when it is not one of market data."""
    match = _NAME.fullmatch(path.name)
    if match is None or match[6] not in FORMATS:
        return None
    base, quote, settle, what, more, _ = match.groups()
    symbol = f"{base}/{quote}" + (f":{settle}" if settle else "")
    if what in ("trades", "quotes", "book"):
        return DataFile(path, symbol, cast("Kind", what), "") if more is None else None
    if what == "funding_rate" and more is None:
        what, more = "", what
    timeframe = what.replace("Mo", "M")
    if timeframe not in TIMEFRAMES and more not in _OTHERS and (timeframe or more != "funding_rate"):
        return None
    if more in _OTHERS:
        return Ignored(path, symbol, f"{_OTHERS[more]} are not used")
    if more is not None and more not in _CANDLES and more not in _OF_SWAPS:
        return None
    if more != "spot" and more is not None and not settle:
        return Ignored(path, symbol, "futures that do not say what they settle in are not used")
    return DataFile(path, symbol, _OF_SWAPS.get(more or "", "candles"), timeframe)
