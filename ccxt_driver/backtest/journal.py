"""What a script commanded, and when: enough to have the OMS do it again without the script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, NamedTuple, Self

import ccxt

from ccxt_driver.contract.endpoints import BY_NAME
from ccxt_driver.exchange.request_parts import endpoint_of, json_text, parts_of
from ccxt_driver.oms.service import EmbeddedOms

END: Final = "END"
_AT_ONCE: Final = 1_000
_CALLS: Final = frozenset({BY_NAME[name].path for name in ("ccxt_call", "ccxt_core")})
_READS: Final = ("fetch", "describe", "load")


class Command(NamedTuple):
    """One request that may change something; with `END` for a method, how the script ended, and its error.

    :param at_ms: when, milliseconds since the Unix epoch
    """

    at_ms: int
    method: str
    path: str
    params: Any


def only_reads(method: str, path: str, params: Any) -> bool:
    """Whether a request changes nothing."""
    return method == "GET" or (path in _CALLS and str(params.get("func")).startswith(_READS))


class Journal:
    """Writes commands to a file, one JSON list a line.

    :param path: of the file, replaced when it is there
    """

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("w", encoding="utf-8", newline="\n")
        self._lines: list[Command] = []

    def note(self, at_ms: int, method: str, path: str, params: Any, *, reads_too: bool = False) -> None:
        """Remember a request, unless it only reads.

        :param reads_too: also such a one, as the report tells of it
        """
        if not reads_too and only_reads(method, path, params):
            return
        kept = dict(params) if type(params) is dict else params
        self._lines.append(Command(at_ms, method, path, kept))
        if len(self._lines) >= _AT_ONCE:
            self._write()

    def note_end(self, at_ms: int, ended: str, error: str | None) -> None:
        """Remember how the script ended, and when: the last line."""
        self._lines.append(Command(at_ms, END, ended, error))

    def _write(self) -> None:
        self._file.writelines(f"{json_text(list(line))}\n" for line in self._lines)
        self._lines.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()
        self._file.close()


def read_journal(path: Path) -> Iterator[Command]:
    """The commands of a file, in order.

    :raises ValueError: a line that is none, naming it
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                at_ms, method, name, params = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}: line {number}: expected [time, method, path, params]") from error
            yield Command(at_ms, method, name, params)


def do_again(oms: EmbeddedOms, command: Command) -> None:
    """Have an OMS do a command; what it refuses now it refused then."""
    try:
        endpoint = endpoint_of(command.method, command.path)
        placeholders, query, payload = parts_of(endpoint, command.params)
    except ccxt.BaseError:
        return  # the script got this error then, and the OMS has not heard of the request
    oms.handle(endpoint.name, placeholders, query, payload)
