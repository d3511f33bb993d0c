"""The options that say which OMS a command talks to, and what they stand for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import click

from .arguments import finite

_PAPER_VENUE: Final = "paper"
_OPTIONS: Final = (
    click.option(
        "--base-url", help="Of the gateway, or embedded:FILE for paper trading. Default: CCXT_OMS_BASE_URL."
    ),
    click.option(
        "--account",
        "--account-id",
        "account_id",
        type=click.IntRange(1),
        help="OMS account. Default: CCXT_OMS_ACCOUNT_ID.",
    ),
    click.option(
        "--strategy",
        "--strategy-id",
        "strategy_id",
        type=click.IntRange(0),
        help="Only what is of this strategy; 0 is none. Default: CCXT_OMS_STRATEGY_ID.",
    ),
    click.option("--profile", metavar="NAME", help="Named settings, where no option gives another."),
    click.option(
        "--api-key-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File that holds the API key. Default: that of the profile, or CCXT_OMS_API_KEY.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        callback=finite,
        help="Seconds that one request may take. Default: CCXT_OMS_TIMEOUT, or 10.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print ccxt's structures as JSON."),
    click.option("--debug", is_flag=True, help="Show the traceback of an error, too."),
)


@dataclass(frozen=True)
class AccountInWords:
    """Which account it is, and whether its orders are real.

    :param kind: PAPER, TESTNET or LIVE; what does not say that it is not real is LIVE
    :param strategy_id: of whose rows commands are; None for all
    """

    account_id: str
    kind: str
    label: str | None
    venue: str | None
    strategy_id: int | None

    def __str__(self) -> str:
        name = f" ({self.label})" if self.label else ""
        venue = f" at {self.venue}" if self.venue and self.venue != _PAPER_VENUE else ""
        strategy = "" if self.strategy_id is None else f", strategy {self.strategy_id}"
        return f"{self.kind} account {self.account_id}{name}{venue}{strategy}"


@dataclass
class Desk:
    """What a command works with.

    :param config: for the constructor of an exchange class
    """

    config: dict[str, Any]
    as_json: bool

    @cached_property
    def exchange(self) -> Any:
        """The blocking class, untyped: ccxt annotates only a part of what its classes have."""
        from ccxt_driver import OmsCcxtExchange

        return OmsCcxtExchange(self.config)

    @cached_property
    def account(self) -> AccountInWords:
        """The account in words, asked of the OMS."""
        return account_in_words(self.exchange, self.exchange.fetch_accounts())


def account_in_words(exchange: Any, accounts: list[Any]) -> AccountInWords:
    """The configured account in words.

    :param accounts: as `fetch_accounts` gives them
    :raises AccountNotEnabled: the key does not see it
    """
    import ccxt

    # As every method does: it says in ccxt's words when none is configured.
    account_id = str(exchange._account_id({}))
    row = next((account["info"] for account in accounts if account["id"] == account_id), None)
    if row is None:
        seen = ", ".join(account["id"] for account in accounts) or "none"
        raise ccxt.AccountNotEnabled(f"account {account_id} is not visible to this key, which sees: {seen}")
    venue = str(row.get("exchange_id") or "").rpartition(".")[2] or None
    if venue == _PAPER_VENUE or str(exchange.urls["api"]).startswith("embedded:"):
        kind = "PAPER"
    else:
        kind = "TESTNET" if row.get("is_testnet") is True else "LIVE"
    return AccountInWords(account_id, kind, row.get("label"), venue, exchange.options.get("strategy_id"))


def connected(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the connection; it is called with a `Desk` in their place."""

    @functools.wraps(function)
    def run(
        base_url: str | None,
        account_id: int | None,
        strategy_id: int | None,
        profile: str | None,
        api_key_file: Path | None,
        timeout: float | None,
        as_json: bool,
        debug: bool,
        **own: Any,
    ) -> None:
        from .failures import told

        with told(debug) as talk:
            config = exchange_config(base_url, account_id, strategy_id, profile, api_key_file, timeout)
            talk.desk = Desk(config, as_json)
            function(talk.desk, **own)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def exchange_config(
    base_url: str | None = None,
    account_id: int | None = None,
    strategy_id: int | None = None,
    profile: str | None = None,
    api_key_file: Path | None = None,
    timeout: float | None = None,
) -> dict[str, Any]:
    """The configuration of an exchange object: options, then the profile, then the environment.

    Of a profile anything counts only where it gives the base URL: its key goes nowhere else, and the
    numbers of an account or a strategy mean nothing at another gateway.

    :param timeout: seconds
    :raises UsageError: there is no such profile, or no key in the file
    """
    named = {} if profile is None else _profile(profile)
    if base_url is not None and base_url.rstrip("/") != str(named.get("base_url")).rstrip("/"):
        named = {}
    given = {"base_url": base_url, "account_id": account_id, "strategy_id": strategy_id}
    options = {name: named.get(name) if value is None else value for name, value in given.items()}
    config: dict[str, Any] = {
        "number": str,  # decimals as the OMS has them
        "options": {name: value for name, value in options.items() if value is not None},
    }
    if api_key_file is not None:
        config["apiKey"] = _key_in(api_key_file)
    elif named.get("api_key"):
        config["apiKey"] = named["api_key"]
    if timeout is not None:
        config["timeout"] = max(1, round(timeout * 1000))
    return config


def _profile(name: str) -> dict[str, Any]:
    """`base_url`, `account_id`, `strategy_id` and `api_key` of a profile, as far as it has them."""
    from ccxt_driver import profiles

    try:
        found = profiles.load(name)
    except profiles.ProfileError as error:
        raise click.UsageError(f"--profile: {error}") from error
    if found is None:
        raise click.UsageError(f"--profile: there is no profile {name}")
    return found


def _key_in(path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--api-key-file {path}: {error}") from error
    if not key or len(key.split()) != 1:
        raise click.UsageError(f"--api-key-file {path}: expected one key and nothing else in it")
    return key
