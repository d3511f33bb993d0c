"""Why no OMS was reached at a base URL, in plain words, and what to do about it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import ccxt


def explain(base_url: str, error: BaseException) -> tuple[str, str]:
    """The problem and its remedy.

    :param base_url: as it was configured
    :param error: what the driver raised
    """
    if base_url.startswith("embedded:"):
        return _of_a_file(Path(base_url.removeprefix("embedded:")).expanduser(), error)
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {base_url} is not accepted: {cause}",
                "Use the name that it was issued for. If no public authority has signed it, name the PEM "
                "file of its own one in CCXT_OMS_CAFILE. Does the clock of this machine go right?",
            )
        if isinstance(cause, ssl.SSLError):
            return (
                f"{base_url} does not speak TLS, or not as it should: {cause}",
                f"Write {base_url.replace('https:', 'http:', 1)}: ccxt-driver serve speaks plain HTTP.",
            )
    if isinstance(error, ccxt.NetworkError):
        return (
            f"no answer from {base_url} ({type(error).__name__})",
            "Is it running (ccxt-driver serve)? Is CCXT_OMS_BASE_URL or --base-url right, port included?",
        )
    return no_oms(base_url)


def is_of_tls(error: BaseException) -> bool:
    """Whether it was the certificate, or TLS itself: ccxt calls that no `NetworkError`."""
    return any(isinstance(cause, ssl.SSLError) for cause in _chain(error))


def no_oms(base_url: str) -> tuple[str, str]:
    """The problem and its remedy where something answers, and not as an OMS does."""
    return (
        f"what answers at {base_url} is not an OMS, or not well",
        "Check the base URL; it is the root of the OMS, without a path of an endpoint.",
    )


def _of_a_file(path: Path, error: BaseException) -> tuple[str, str]:
    from ccxt_driver.oms.store import StoreInUse

    reason = error.__cause__ or error
    if isinstance(reason, StoreInUse):
        remedy = (
            "End the other program, or let all share one server: ccxt-driver serve --db "
            f"{path}, and its base URL in place of embedded:."
        )
    elif not path.parent.is_dir():
        remedy = "Make the directory, or give another path."
    else:
        remedy = "Give another file: one that does not exist yet is made."
    return str(reason), remedy


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
