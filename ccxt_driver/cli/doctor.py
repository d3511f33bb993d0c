"""`ccxt-driver doctor`: what works between this machine and a gateway, and how to mend what does not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import click

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.features import Feature

from .feature_notes import WITHOUT

_CLOCK_TOLERANCE_MS: Final = 5_000
_MARKS: Final = {"ok": "green", "warn": "yellow", "FAIL": "red", "skip": "cyan"}
_FAR_BELOW: Final = 0.5
"""The test order bids this part of the market's price, so that it cannot fill."""


class _Failed(Exception):
    """A check failed.

    :param problem: what is wrong
    :param remedy: how to mend it
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


@dataclass
class _Patient:
    """What the checks have found out so far."""

    exchange: Any
    wanted_symbol: str | None
    order_wanted: bool
    warnings: list[str] = field(default_factory=list)
    features: frozenset[str] = frozenset()
    accounts: list[dict[str, Any]] = field(default_factory=list)
    account: dict[str, Any] = field(default_factory=dict)
    symbol: str = ""
    bid: float | None = None

    @property
    def base_url(self) -> str:
        return str(self.exchange.urls["api"])

    @property
    def paper(self) -> bool:
        return self.base_url.startswith("embedded:")


@click.command()
@click.option(
    "--base-url", help="Of the gateway, or embedded: for paper trading. Default: CCXT_OMS_BASE_URL."
)
@click.option("--api-key", help="Better set CCXT_OMS_API_KEY: others can see the arguments of a process.")
@click.option("--account-id", type=click.IntRange(1), help="Default: CCXT_OMS_ACCOUNT_ID.")
@click.option("--strategy-id", type=click.IntRange(0), help="Default: CCXT_OMS_STRATEGY_ID; 0 is none.")
@click.option("--symbol", help="Market to ask about. Default: BTC/USDT, or the first there is.")
@click.option("--order", is_flag=True, help="Also place a limit order far from the market, and cancel it.")
@click.pass_context
def doctor(
    ctx: click.Context,
    base_url: str | None,
    api_key: str | None,
    account_id: int | None,
    strategy_id: int | None,
    symbol: str | None,
    order: bool,
) -> None:
    """Check a gateway end to end and say how to mend what is wrong.

    Settings come from the options, else from CCXT_OMS_* of the environment or of .env in this
    directory. Exit status 1 when something does not work.
    """
    import ccxt

    # What the driver warns of is said below in plain words.
    logging.getLogger("ccxt_driver").addHandler(logging.NullHandler())
    options = {"base_url": base_url, "account_id": account_id, "strategy_id": strategy_id}
    config: dict[str, Any] = {"options": options}
    if api_key is not None:
        config["apiKey"] = api_key
    try:
        exchange = _make(config)
    except ccxt.BaseError as error:
        _say("FAIL", "configuration", str(error).replace(api_key or "\0", "***"), "Correct it and run again.")
        ctx.exit(1)
    patient = _Patient(exchange, symbol, order)
    kind = "PAPER trading inside this process, no real orders" if patient.paper else "gateway"
    _say("ok", "configuration", f"{patient.base_url} ({kind})")
    healthy = _examine(patient)
    click.echo()
    click.echo("All checks passed." if healthy else "Some checks failed; see above how to mend them.")
    ctx.exit(0 if healthy else 1)


def _make(config: dict[str, Any]) -> Any:
    """The driver, untyped: ccxt annotates only a part of what its classes have."""
    from ccxt_driver import OmsCcxtExchange

    return OmsCcxtExchange(config)


def _examine(patient: _Patient) -> bool:
    """Run all checks; those that stand on one that failed are skipped."""
    failed: set[str] = set()
    for name, needs, check in _CHECKS:
        missing = [need for need in needs if need in failed]
        if missing:
            failed.add(name)
            _say("skip", name, f"not checked, because of: {', '.join(missing)}")
            continue
        if not _passes(patient, name, check):
            failed.add(name)
    return not failed


def _passes(patient: _Patient, name: str, check: Callable[[_Patient], str | None]) -> bool:
    import ccxt

    patient.warnings.clear()
    try:
        found = check(patient)
    except _Failed as failure:
        _say("FAIL", name, _clean(patient, failure.problem), failure.remedy)
        return False
    except ccxt.BaseError as error:
        _say("FAIL", name, _clean(patient, f"{type(error).__name__}: {error}"), _remedy(error))
        return False
    if found is None:
        _say("skip", name, "not tried; --order places a limit order far from the market and cancels it")
        return True
    _say("ok", name, _clean(patient, found))
    for warning in patient.warnings:
        _say("warn", name, _clean(patient, warning))
    return True


def _say(mark: str, name: str, text: str, remedy: str | None = None) -> None:
    click.echo(f"{click.style(f'[{mark:^4}]', fg=_MARKS[mark])} {name}: {text}")
    if remedy:
        click.echo(f"       -> {remedy}")


def _clean(patient: _Patient, text: str) -> str:
    """No message may show the key, whoever wrote it."""
    key = patient.exchange.apiKey
    return text.replace(key, "***") if key else text


def _remedy(error: Exception) -> str:
    import ccxt

    if isinstance(error, ccxt.PermissionDenied):
        return "Use a key that has this right on this account, or have it granted."
    if isinstance(error, ccxt.AuthenticationError):
        return "Set CCXT_OMS_API_KEY (with CCXT_OMS_BASE_URL) to an enabled key of this gateway."
    if isinstance(error, ccxt.NotSupported):
        return "The gateway or its venue does not offer this."
    if isinstance(error, ccxt.InsufficientFunds):
        return "Fund the account, or choose another market with --symbol."
    if isinstance(error, ccxt.MarketClosed):
        return "Try again when the market is open, or choose another one with --symbol."
    if isinstance(error, ccxt.RequestTimeout):
        return "It may be overloaded or far away; CCXT_OMS_TIMEOUT=30 waits longer (seconds)."
    if isinstance(error, ccxt.NetworkError):
        return "Look at the log of the gateway, and whether its venue can be reached."
    return "Look at the log of the gateway."


# ------------------------------------------------------------------------------------ the checks


def _reachable(patient: _Patient) -> str:
    import ccxt

    from .connection_faults import explain, no_oms

    try:
        health = patient.exchange.request("healthz", "public", "GET")
    except ccxt.BaseError as error:
        raise _Failed(*explain(patient.base_url, error)) from error
    if not isinstance(health, dict) or health.get("status") != "ok":
        raise _Failed(*no_oms(patient.base_url))
    patient.features = frozenset(health.get("features") or ())
    if isinstance(health.get("time_ms"), int):
        apart = abs(time.time_ns() // 1_000_000 - health["time_ms"])
        if apart > _CLOCK_TOLERANCE_MS:
            patient.warnings.append(f"its clock and this one's are {apart / 1000:.0f} s apart")
    return f"{health.get('app') or 'an OMS'} {health.get('version') or ''}".rstrip()


def _key(patient: _Patient) -> str:
    import ccxt

    if patient.paper:
        patient.accounts = patient.exchange.request("oms/accounts", "private", "GET")["items"]
        return "none is needed"
    if not patient.exchange.apiKey:
        raise _Failed(
            "no API key is set",
            "Set CCXT_OMS_API_KEY; it is used together with CCXT_OMS_BASE_URL only. A server made with "
            "ccxt-driver serve prints one; ccxt-driver key create --db FILE makes another.",
        )
    try:
        patient.accounts = patient.exchange.request("oms/accounts", "private", "GET")["items"]
    except ccxt.PermissionDenied:
        raise
    except ccxt.AuthenticationError as error:
        raise _Failed(
            "the gateway does not accept the API key",
            "It may be mistyped, disabled, or of another gateway. ccxt-driver key list --db FILE shows "
            "the keys of an OMS file, key rotate gives one a new secret.",
        ) from error
    return "accepted"


def _account(patient: _Patient) -> str:
    account_id = patient.exchange.options.get("account_id")
    visible = [row["account_id"] for row in patient.accounts]
    listed = ", ".join(map(str, visible)) or "none"
    if account_id is None:
        raise _Failed(
            f"no account is chosen; the key sees: {listed}",
            f"Set CCXT_OMS_ACCOUNT_ID{f'={visible[0]}' if visible else ''} or give --account-id.",
        )
    for row in patient.accounts:
        if row["account_id"] == account_id:
            patient.account = row
            return f"{account_id} ({row.get('position_mode') or 'hedge'} mode)"
    raise _Failed(
        f"account {account_id} is not visible to this key; it sees: {listed}",
        "Choose one of those, or use a key that may read this account.",
    )


def _permissions(patient: _Patient) -> str:
    row = patient.account
    if not row.get("can_read", True):
        raise _Failed("the key may not read this account", "Use a key with the role trader or readonly.")
    if not row.get("can_trade", False):
        patient.warnings.append("the key may not trade on this account: orders will be refused")
    if row.get("status", "active") != "active":
        patient.warnings.append(f"the account is {row['status']}: orders will be refused")
    if not row.get("allow_new_positions", True):
        patient.warnings.append("new positions are blocked: only orders that reduce one are accepted")
    rights = {"can_read": "read", "can_trade": "trade", "can_risk_manage": "manage risk"}
    return ", ".join(text for name, text in rights.items() if row.get(name))


def _features(patient: _Patient) -> str:
    known = set(WITHOUT)
    for name in sorted(known - patient.features):
        patient.warnings.append(f"without {name}: {WITHOUT[name]}")
    return f"{len(known & patient.features)} of {len(known)} offered"


def _markets(patient: _Patient) -> str:
    markets = patient.exchange.load_markets()
    if not markets:
        raise _Failed("the venue lists no market", "Look at the venue behind the gateway.")
    wanted = patient.wanted_symbol
    if wanted is not None and wanted not in markets:
        near = [name for name in markets if wanted.split("/")[0].upper() in name][:5]
        raise _Failed(f"there is no market {wanted}", f"Try one of: {', '.join(near or list(markets)[:5])}.")
    patient.symbol = wanted or ("BTC/USDT" if "BTC/USDT" in markets else next(iter(markets)))
    return f"{len(markets)}, asking about {patient.symbol}"


def _ticker(patient: _Patient) -> str:
    ticker = patient.exchange.fetch_ticker(patient.symbol)
    patient.bid = ticker.get("bid") or ticker.get("last")
    if patient.bid is None:
        raise _Failed(f"{patient.symbol} has no price", "Choose a market that trades with --symbol.")
    return f"{patient.symbol} bid {ticker.get('bid')} ask {ticker.get('ask')} last {ticker.get('last')}"


def _strategy(patient: _Patient) -> str:
    strategy_id = patient.exchange.options.get("strategy_id")
    if not strategy_id:
        return _without_strategy(patient)
    usable = patient.exchange.fetch_strategies()
    for strategy in usable:
        if strategy["id"] == str(strategy_id):
            return _usable_strategy(patient, strategy)
    raise _Failed(
        f"there is no strategy {strategy_id} that this key may use; it may use: {_ids(usable)}",
        "Choose one of those with CCXT_OMS_STRATEGY_ID or --strategy-id (0 for none), or use a key for "
        "this one. create_strategy makes a new one.",
    )


def _usable_strategy(patient: _Patient, strategy: dict[str, Any]) -> str:
    account_id = str(patient.account["account_id"])
    name = f"{strategy['id']} ({strategy['name']})"
    if strategy["status"] != "active":
        raise _Failed(
            f"strategy {name} is {strategy['status']}: its orders are refused",
            "Have it made active, or choose another with CCXT_OMS_STRATEGY_ID or --strategy-id.",
        )
    if strategy["accounts"] and account_id not in strategy["accounts"]:
        raise _Failed(
            f"strategy {name} is not for account {account_id}; it is for: {', '.join(strategy['accounts'])}",
            "Choose another strategy with CCXT_OMS_STRATEGY_ID or --strategy-id, or one of those accounts.",
        )
    return name


def _without_strategy(patient: _Patient) -> str:
    """Nothing says that a key is limited to some strategies, but a dry run of an order without one does."""
    if patient.account.get("can_trade"):
        if Feature.CHECK_ORDER not in patient.features or not patient.bid:
            return "none is chosen; whether the key needs one could not be tried"
        size, price = _far_off(patient, patient.bid)
        check = patient.exchange.can_execute_order(patient.symbol, "limit", "buy", size, price)
        if (check["reason"] or "").startswith(ErrorCode.STRATEGY_PERMISSION_DENIED):
            usable = patient.exchange.fetch_strategies()
            example = f"={usable[0]['id']}" if usable else ""
            raise _Failed(
                f"none is chosen, but the key is limited to some: {_ids(usable)}",
                f"Set CCXT_OMS_STRATEGY_ID{example} or give --strategy-id: without it orders are refused.",
            )
    return "none is chosen: orders belong to none, and reads cover all that the key may see"


def _ids(strategies: list[dict[str, Any]]) -> str:
    return ", ".join(strategy["id"] for strategy in strategies) or "none"


def _balance(patient: _Patient) -> str:
    total = patient.exchange.fetch_balance()["total"]
    held = {currency: amount for currency, amount in total.items() if amount}
    if not held:
        patient.warnings.append("the account is empty: orders will be refused for lack of funds")
    shown = [f"{amount} {currency}" for currency, amount in sorted(held.items())]
    return ", ".join(shown[:8]) + (" and more" if len(shown) > 8 else "")


def _order(patient: _Patient) -> str | None:
    from ccxt_driver.exchange.order_requests import new_client_order_id

    if not patient.order_wanted:
        return None
    exchange, symbol = patient.exchange, patient.symbol
    assert patient.bid is not None, "the ticker has been checked"
    size, price = _far_off(patient, patient.bid)
    client_order_id = new_client_order_id()
    try:
        placed = exchange.create_order(
            symbol, "limit", "buy", size, price, {"clientOrderId": client_order_id}
        )
        return _cancelled(exchange, placed)
    except KeyboardInterrupt:
        _say(
            "FAIL",
            "order",
            f"interrupted: a limit buy of {size} {symbol} at {price} may still be open",
            f"Look for it: ccxt-driver orders --client-order-id {client_order_id}",
        )
        raise


def _far_off(patient: _Patient, bid: float) -> tuple[float, float]:
    """Amount and price of a buy order that cannot fill."""
    exchange, symbol = patient.exchange, patient.symbol
    price = float(exchange.price_to_precision(symbol, bid * _FAR_BELOW))
    return _smallest(exchange, exchange.market(symbol), price), price


def _smallest(exchange: Any, market: dict[str, Any], price: float) -> float:
    """The smallest amount that the market takes at a price, in base units."""
    limits = market["limits"]
    least = max(limits["amount"]["min"] or 0.0, (limits["cost"]["min"] or 0.0) / price)
    step = market["precision"]["amount"] or 0.0
    # One step more: precision cuts off, and the cost must not fall below its limit.
    return float(exchange.amount_to_precision(market["symbol"], least + step))


def _cancelled(exchange: Any, placed: Any) -> str:
    import ccxt

    order_id, symbol = placed["id"], placed["symbol"]
    text = f"limit buy of {placed['amount']} {symbol} at {placed['price']} placed as order {order_id}"
    if placed["status"] != "open":
        raise _Failed(f"{text}, but it is {placed['status']}", "See why with fetch_order, and its info.")
    try:
        exchange.cancel_order(order_id, symbol)
        final = exchange.fetch_order(order_id, symbol)
    except ccxt.BaseError as error:
        raise _Failed(
            f"{text}, but it could not be cancelled: {type(error).__name__}: {error}",
            f"Cancel order {order_id} by hand: it may still be open.",
        ) from error
    if final["status"] != "canceled":
        raise _Failed(
            f"{text}, but is {final['status']} after the cancel", f"Look at order {order_id} by hand."
        )
    return f"{text} and cancelled"


_CHECKS: Final[tuple[tuple[str, tuple[str, ...], Callable[[_Patient], str | None]], ...]] = (
    ("reachable", (), _reachable),
    ("key", ("reachable",), _key),
    ("account", ("key",), _account),
    ("permissions", ("account",), _permissions),
    ("features", ("reachable",), _features),
    ("markets", ("account",), _markets),
    ("ticker", ("markets",), _ticker),
    ("strategy", ("permissions",), _strategy),
    ("balance", ("account",), _balance),
    ("order", ("permissions", "strategy", "ticker"), _order),
)
"""Name, what it stands on, what it does."""
