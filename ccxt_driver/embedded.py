"""Where the driver meets the embedded OMS: each distinct `embedded:` URL is one OMS per process."""

from __future__ import annotations

import atexit
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import ccxt

if TYPE_CHECKING:
    from ccxt_driver.oms import EmbeddedOms

_PREFIX: Final = "embedded:"
_LOCK: Final = threading.Lock()
_OPEN: Final[dict[str, EmbeddedOms]] = {}


def open_embedded(url: str) -> EmbeddedOms:
    """The OMS behind an `embedded:` URL, made at its first use.

    :param url: `embedded:` for one in memory, `embedded:path/to/oms.sqlite` for one that is kept
    :returns: the same object for the same URL (or the same file), in every thread and loop
    :raises ExchangeNotAvailable: another process has the file open
    :raises ExchangeError: the file cannot be opened or is not an OMS's
    """
    path = url.removeprefix(_PREFIX)
    path = str(Path(path).expanduser()) if path else ""
    key = os.path.realpath(path) if path else ""
    with _LOCK:
        oms = _OPEN.get(key)
        if oms is None or oms.closed:
            oms = _OPEN[key] = _make(url, path or None)
        return oms


def stand_on(oms: EmbeddedOms) -> None:
    """Have `embedded:` mean an OMS that the caller made, for programs that name nothing else."""
    with _LOCK:
        _OPEN[""] = oms


def _make(url: str, path: str | None) -> EmbeddedOms:
    from ccxt_driver.oms import EmbeddedOms
    from ccxt_driver.oms.store import StoreError, StoreInUse

    try:
        return EmbeddedOms(db=path)
    except StoreInUse as error:
        raise ccxt.ExchangeNotAvailable(f"oms {url}: {error}") from error
    except (StoreError, OSError) as error:
        raise ccxt.ExchangeError(f"oms {url}: {error}") from error


def close_embedded() -> None:
    """Close every OMS that was opened by its URL; the next use opens it anew."""
    with _LOCK:
        while _OPEN:
            _, oms = _OPEN.popitem()
            oms.close()


atexit.register(close_embedded)
