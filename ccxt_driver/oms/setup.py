"""What a new OMS starts with: accounts, strategies and balances, checked by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from ccxt_driver.contract.rows import LedgerKind, PositionMode
from ccxt_driver.contract.values import format_decimal, parse_decimal

from .administration import MOST_FUNDS, check_amount
from .core import Core
from .entities import Account, Strategy
from .limit_commands import check_currency, put_limits
from .limits import Limits, Scope, read_limits
from .market.market_data import MarketData
from .refusals import Refusal
from .state import AccountState

_COINS: Final = {
    "USDT": "10000",
    "BTC": "1",
    "ETH": "10",
    "SOL": "100",
    "XRP": "5000",
    "LTC": "50",
    "BNB": "10",
}

DEFAULT_ACCOUNTS: Final[tuple[dict[str, Any], ...]] = (
    {"account_id": 1, "position_mode": "netting", "balances": _COINS, "label": "paper netting"},
    {"account_id": 2, "position_mode": "hedge", "balances": _COINS, "label": "paper hedge"},
    {
        "account_id": 3,
        "position_mode": "strategy_netting",
        "balances": _COINS,
        "label": "paper strategy netting",
    },
)
DEFAULT_STRATEGIES: Final = (1, 2, 3)


def default_accounts(market: MarketData) -> list[dict[str, Any]]:
    """One account of each position mode, with money of what is listed; 10,000 of a quote not known here."""
    codes = market.currencies
    coins = {code: amount for code, amount in _COINS.items() if code in codes}
    quotes = dict.fromkeys((row.quote for row in market.markets.values() if row.quote not in coins), "10000")
    return [account | {"balances": coins | quotes} for account in DEFAULT_ACCOUNTS]


_FIELDS: Final = ("account_id", "position_mode", "balances", "label", "limits")
_STRATEGY_FIELDS: Final = ("strategy_id", "name", "client_strategy_id", "account_ids")
_TOO_LARGE_ID: Final = 2**63


def read_accounts(
    core: Core, accounts: Iterable[Mapping[str, Any]]
) -> list[tuple[Account, dict[str, Decimal], Limits]]:
    """Check the accounts that someone gave.

    :raises ValueError: naming the field and what was expected
    """
    found: list[tuple[Account, dict[str, Decimal], Limits]] = []
    for index, given in enumerate(accounts):
        where = f"accounts[{index}]"
        if not isinstance(given, Mapping):
            raise ValueError(f"{where}: expected a mapping with account_id, got {type(given).__name__}")
        for name in given:
            if name not in _FIELDS:
                raise ValueError(f"{where}.{name}: unknown; expected one of {', '.join(_FIELDS)}")
        account_id = _id(f"{where}.account_id", given.get("account_id"))
        if any(known.id == account_id for known, _, _ in found):
            raise ValueError(f"{where}.account_id: {account_id} is given twice")
        label = given.get("label")
        if label is not None and not isinstance(label, str):
            raise ValueError(f"{where}.label: expected a text, got {type(label).__name__}")
        there = core.state.accounts.get(account_id)
        mode = _mode(where, given.get("position_mode"), there)
        limits = given.get("limits")
        if limits is not None and not isinstance(limits, Mapping):
            raise ValueError(f"{where}.limits: expected values by name, got {type(limits).__name__}")
        balances = _balances(core, where, given.get("balances"))
        wanted = read_limits(limits or {}, f"{where}.limits")
        check_currency(core, wanted, where=f"{where}.limits")
        found.append((Account(account_id, mode, label), balances, wanted))
    if not found:
        raise ValueError("accounts: expected at least one account")
    return found


def _mode(where: str, value: object, there: AccountState | None) -> PositionMode:
    """The mode that somebody gave: netting by default, or that of the account that is there already."""
    if value is None:
        return PositionMode.NETTING if there is None else there.account.position_mode
    modes = {mode.value: mode for mode in PositionMode}
    if not isinstance(value, str) or value not in modes:
        raise ValueError(f"{where}.position_mode: expected one of {', '.join(modes)}, got {value!r}")
    if there is not None and there.account.position_mode is not modes[value]:
        raise ValueError(
            f"{where}.position_mode: account {there.account.id} is there already and is "
            f"{there.account.position_mode.value}, got {value!r}: the mode is chosen when an account is made"
        )
    return modes[value]


def _balances(core: Core, where: str, given: object) -> dict[str, Decimal]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError(f"{where}.balances: expected amounts by currency, got {type(given).__name__}")
    balances = {}
    for currency, value in given.items():
        field = f"{where}.balances.{currency}"
        try:
            amount = parse_decimal(value)
        except ValueError as error:
            raise ValueError(f"{field}: {error}") from None
        if not 0 <= amount <= MOST_FUNDS:
            raise ValueError(
                f"{field}: expected 0 to {format_decimal(MOST_FUNDS)}, got {format_decimal(amount)}"
            )
        try:
            check_amount(field, field, str(currency), amount, core)
        except Refusal as refusal:
            raise ValueError(refusal.message) from None
        balances[str(currency)] = amount
    return balances


def read_strategies(
    core: Core,
    strategies: Iterable[int | Mapping[str, Any]],
    accounts: list[tuple[Account, dict[str, Decimal], Limits]],
) -> list[Strategy]:
    """Check the strategies that someone gave: ids, or mappings with strategy_id and name.

    :param accounts: those that are added with them
    :raises ValueError: naming the field and what was expected
    """
    known = {*core.state.accounts, *(account.id for account, _, _ in accounts)}
    found: list[Strategy] = []
    for index, given in enumerate(strategies):
        where = f"strategies[{index}]"
        row: Mapping[str, Any] = given if isinstance(given, Mapping) else {"strategy_id": given}
        for field in row:
            if field not in _STRATEGY_FIELDS:
                raise ValueError(f"{where}.{field}: unknown; expected {', '.join(_STRATEGY_FIELDS)}")
        strategy_id = _id(f"{where}.strategy_id", row.get("strategy_id"))
        if any(one.id == strategy_id for one in found):
            raise ValueError(f"{where}.strategy_id: {strategy_id} is given twice")
        name = row.get("name")
        if name is not None and not isinstance(name, str):
            raise ValueError(f"{where}.name: expected a text, got {name!r}")
        client_id = _client_strategy_id(where, row.get("client_strategy_id"))
        others = (one for one in (*core.state.strategies.values(), *found) if one.id != strategy_id)
        if client_id is not None and any(one.client_strategy_id == client_id for one in others):
            raise ValueError(f"{where}.client_strategy_id: {client_id!r} is used already")
        on = _account_ids(where, row.get("account_ids"), known)
        found.append(Strategy(strategy_id, name or f"strategy {strategy_id}", client_id, account_ids=on))
    return found


def _id(field: str, value: object) -> int:
    """An id as the contract and the tables have them."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{field}: expected a whole number above 0, got {value!r}")
    if value >= _TOO_LARGE_ID:
        raise ValueError(f"{field}: expected a whole number below 2**63, got {value}")
    return value


def _client_strategy_id(where: str, value: object) -> str | None:
    """A text, also of a number, as `POST /strategies` takes it."""
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise ValueError(f"{where}.client_strategy_id: expected a text, got {value!r}")
    return None if value is None else str(value)


def _account_ids(where: str, given: object, known: Collection[int]) -> tuple[int, ...]:
    """The accounts of a strategy; none are all."""
    field = f"{where}.account_ids"
    if given is None:
        return ()
    if not isinstance(given, Collection) or isinstance(given, str | bytes | Mapping):
        raise ValueError(f"{field}: expected a list of accounts, got {given!r}")
    account_ids = {_id(field, each) for each in given}
    unknown = sorted(account_ids - {*known})
    if unknown:
        raise ValueError(f"{field}: there is no account {unknown[0]}")
    return tuple(sorted(account_ids))


def populate(
    core: Core,
    accounts: list[tuple[Account, dict[str, Decimal], Limits]],
    strategies: list[Strategy],
    now: int,
) -> None:
    """Add what is missing; what is there already is never reset."""
    state = core.state
    with core.transaction(now) as tx:
        for account, balances, limits in accounts:
            if account.id in state.accounts:
                continue
            added = AccountState(account)
            state.add_account(added)
            tx.changes.accounts[account.id] = account
            for currency, amount in balances.items():
                tx.show_balance(added, currency)
                tx.book(added, currency, amount, LedgerKind.DEPOSIT, None)
            if limits != Limits():
                put_limits(core, tx, Scope(account.id, None, None), limits, now)
        for strategy in strategies:
            if strategy.id not in state.strategies:
                state.strategies[strategy.id] = strategy
                tx.changes.strategies[strategy.id] = strategy
