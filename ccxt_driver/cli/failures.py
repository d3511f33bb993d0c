"""How a command says that something failed, and the exit code that goes with it.

0 done · 1 refused by the OMS or the venue · 2 usage · 3 cannot connect, or not allowed · 4 nobody knows
whether it was done · 130 interrupted, or not confirmed.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from .connection import Desk

REFUSED: Final = 1
USAGE: Final = 2
NOT_CONNECTED: Final = 3
UNKNOWN: Final = 4
INTERRUPTED: Final = 130

_LONGEST: Final = 1000
_LOOK_UP: Final = "ccxt-driver orders --client-order-id"
_LOOK: Final = "Before you send anything again, look: ccxt-driver orders --all and ccxt-driver positions"
# By name, so that ccxt is not imported before it is needed; the first class that fits counts.
_WORDS: Final = (
    ("InsufficientFunds", "not enough free money", "See: ccxt-driver balance"),
    ("OrderNotFound", "no such order", "See: ccxt-driver orders --all"),
    ("DuplicateOrderId", "this client order id was used before", f"See: {_LOOK_UP} ID"),
    ("OrderImmediatelyFillable", "it would have filled at once", "Use a price further from the market."),
    ("BadSymbol", "no such market", "Write it as ccxt does, such as BTC/USDT or BTC/USDT:USDT."),
    ("MarketClosed", "the market is closed", None),
    ("InvalidOrder", "not possible", None),
    (
        "ArgumentsRequired",
        "something is missing",
        "See --help for the option.",
    ),
    ("BadRequest", "not possible", "See --help."),
    ("AccountNotEnabled", "no such account", "Give another by --account, or use a key that may see it."),
    ("PermissionDenied", "the key may not do this", "Use a key that has this right on this account."),
    ("AccountSuspended", "the account is blocked", None),
    (
        "AuthenticationError",
        "the gateway does not let us in",
        "Set CCXT_OMS_API_KEY (with CCXT_OMS_BASE_URL), or give --api-key-file.",
    ),
    ("RateLimitExceeded", "too many requests", "Wait a moment, and try again."),
    ("NetworkError", "the gateway or its venue cannot be reached", "See: ccxt-driver doctor"),
    ("NotSupported", "this cannot be done here", "ccxt-driver doctor tells what the gateway offers."),
    ("OperationRejected", "refused", None),
    ("BadResponse", "the answer is not one of an OMS", "Look with: ccxt-driver doctor"),
)


@dataclass
class Talk:
    """What is known of a command when it fails."""

    desk: Desk | None = None

    @property
    def base_url(self) -> str:
        """Of the gateway, as far as it is known."""
        exchange = None if self.desk is None else vars(self.desk).get("exchange")
        return "" if exchange is None else str(exchange.urls["api"])

    def clean(self, text: str) -> str:
        """One line that can be printed on any terminal, and that does not show the key, whoever wrote it."""
        config = {} if self.desk is None else self.desk.config
        exchange = None if self.desk is None else vars(self.desk).get("exchange")
        for key in (config.get("apiKey"), exchange and exchange.apiKey, os.environ.get("CCXT_OMS_API_KEY")):
            text = text.replace(str(key), "***") if key else text
        return printable(text)[:_LONGEST]


def printable(text: str) -> str:
    """A text of somebody else's on one line, without what would steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def exit_code(error: BaseException) -> int:
    """The exit code that a failure of ccxt's stands for."""
    import ccxt

    from .connection_faults import is_of_tls

    outcome = getattr(error, "outcome", None)
    if outcome == "unknown":
        return UNKNOWN
    if isinstance(error, ccxt.RateLimitExceeded):
        return REFUSED
    if isinstance(error, ccxt.NetworkError | ccxt.AuthenticationError | ccxt.BadResponse):
        return NOT_CONNECTED
    answered = outcome == "refused" or getattr(error, "http_status", None) is not None
    argument = isinstance(error, ccxt.ArgumentsRequired | ccxt.BadRequest | ccxt.InvalidOrder)
    if argument and not answered and not isinstance(error, ccxt.OrderNotFound):
        return USAGE
    return NOT_CONNECTED if _is_of_a_file(error) or is_of_tls(error) else REFUSED


def _is_of_a_file(error: BaseException) -> bool:
    """Whether the file of an `embedded:` OMS could not be used."""
    return str(error).startswith("oms embedded:")


def in_words(error: BaseException, base_url: str = "") -> str:
    """A failure of ccxt's in plain words, with advice."""
    import ccxt

    from .connection_faults import explain, is_of_tls

    if getattr(error, "outcome", None) == "unknown":
        return _unknown(error)
    lost = isinstance(error, ccxt.NetworkError) and not isinstance(error, ccxt.RateLimitExceeded)
    if (lost and not getattr(error, "code", None)) or _is_of_a_file(error) or is_of_tls(error):
        problem, remedy = explain(base_url, error)
        return f"{problem}. {remedy}"
    names = [kind.__name__ for kind in type(error).__mro__]
    words, advice = next(
        ((words, advice) for name, words, advice in _WORDS if name in names), (type(error).__name__, None)
    )
    said = message_of(error)
    text = f"{words}: {said}" if said else words
    return f"{text}. {advice}" if advice else text


def message_of(error: BaseException) -> str:
    """What an exception says, without the id and the code that ccxt's begin with."""
    text = str(error).removeprefix("oms ")
    code = getattr(error, "code", None)
    return text.removeprefix(str(code)).strip() if code else text


def _unknown(error: BaseException) -> str:
    """That nobody knows whether a command was done, and how to find out."""
    ids = [getattr(error, "client_order_id", None), *(getattr(error, "client_order_ids", None) or ())]
    known = list(dict.fromkeys(str(each) for each in ids if each))
    if known:
        look = " and ".join(f"{_LOOK_UP} {each}" for each in known)
        ids_text = f"Client order id {', '.join(known)}"
        found = f"{ids_text}. Before you send it again, look it up, with the same options: {look}"
    else:
        found = _LOOK
    return f"OUTCOME UNKNOWN: it may have been carried out, or not ({message_of(error)}). {found}"


@contextmanager
def told(debug: bool) -> Iterator[Talk]:
    """Say in one line on stderr what failed in here, and exit with its code."""
    import ccxt

    talk = Talk()
    if not debug:  # what the library logs is said below, in words
        logging.getLogger("ccxt_driver").addHandler(logging.NullHandler())
    try:
        yield talk
        sys.stdout.flush()
    except BrokenPipeError:
        leave_quietly()
    except ccxt.BaseError as error:
        _show(talk, debug, in_words(error, talk.base_url))
        raise click.exceptions.Exit(exit_code(error)) from error
    except (click.exceptions.Exit, click.ClickException):
        raise
    except (KeyboardInterrupt, click.Abort) as stop:
        if getattr(stop, "outcome", None) == "unknown":
            _show(talk, debug, _unknown(stop))
            raise click.exceptions.Exit(UNKNOWN) from stop
        raise  # what becomes of it is the same for all commands
    except Exception as error:  # the interpreter's own exit code 1 would say that it was refused
        _show(talk, debug, f"unexpected {type(error).__name__}: {error}. {_LOOK}. --debug shows more")
        raise click.exceptions.Exit(UNKNOWN) from error


def _show(talk: Talk, debug: bool, text: str) -> None:
    if debug:
        for line in traceback.format_exc().splitlines():
            tell(talk.clean(line))
    tell(f"error: {talk.clean(text)}", "red")


def warn(text: str) -> None:
    """Say on standard error what the user should know."""
    tell(f"warning: {printable(text)}", "yellow")


def tell(text: str, colour: str | None = None, bold: bool = False, newline: bool = True) -> None:
    """Write to standard error, in colour where it is a terminal and NO_COLOR does not say otherwise."""
    coloured = False if os.environ.get("NO_COLOR") else None
    with suppress(BrokenPipeError):  # that nobody reads it changes neither what is done nor the exit code
        click.secho(text, err=True, fg=colour, bold=bold, nl=newline, color=coloured)


def leave_quietly() -> None:
    """Nobody reads on, which is no failure: the interpreter must not complain of it when it ends."""
    null: Any = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError):  # not a real file: nothing is flushed to it at the end
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    finally:
        os.close(null)
