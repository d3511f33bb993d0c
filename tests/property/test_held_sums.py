"""The sums of an account's swap positions are those of its positions, whatever has happened to them."""

from __future__ import annotations

import random
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.contract.commands import Side
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.allocation import reducible
from ccxt_driver.oms.core import Core
from ccxt_driver.oms.ledger.margin import cushion, liquidation_price
from ccxt_driver.oms.ledger.positions import unrealized
from ccxt_driver.oms.reserving import Openings, _reducing, opening_qty, target
from ccxt_driver.oms.state import AccountState

SWAPS = ("BTC/USDT:USDT", "ETH/USDT:USDT")
_ACCOUNTS = [
    {"account_id": number, "position_mode": mode, "balances": {"USDT": "300000"}}
    for number, mode in enumerate(("netting", "hedge", "strategy_netting"), 1)
]


def agree(core: Core, account: AccountState, now: int) -> None:
    """Compare with every position looked at by itself."""
    state = core.state
    own = [account.positions[each] for each in account.margin_of]
    crossed = [each for each in own if each.symbol not in account.account.isolated]
    profit = {each.id: unrealized(each, core.mark_price(each.symbol, now)) for each in own}
    assert core.unrealized(account, "USDT", now) == sum((profit[each.id] for each in crossed), Decimal(0))
    slack = account.totals["USDT"]
    slack -= sum((account.margin_of[each.id] for each in own if each not in crossed), Decimal(0))
    cushions: dict[str, Decimal] = {}
    for each in crossed:
        tiers = state.symbols[each.symbol].market.tiers
        cushions[each.symbol] = cushions.get(each.symbol, Decimal(0)) + cushion(
            each, core.mark_price(each.symbol, now), tiers
        )
    found, symbols = core.crossed_slack(account, "USDT", now)
    assert (found, set(symbols)) == (slack + sum(cushions.values(), Decimal(0)), set(cushions))
    for symbol in symbols:
        market = state.symbols[symbol].market
        beside = found - cushions[symbol]
        rows = [each for each in crossed if each.symbol == symbol]
        price = liquidation_price(beside, rows, core.mark_price(symbol, now), market.tiers, market.tick_size)
        assert {core.values(each, now).liquidation_price for each in rows} == {price}
        long = sum((each.qty for each in rows if each.side is Side.BUY), Decimal(0))
        assert (account.held[symbol].bought, account.held[symbol].count) == (long, len(rows))


def reducing(account: AccountState, symbol: str) -> dict[int, Decimal]:
    """What orders that may open would reduce instead, every order looked at."""
    parts: dict[int, Decimal] = {}
    available: dict[Any, Decimal] = {}
    for order in account.orders_on.get(symbol, {}).values():
        key = target(account, order)
        left = available.setdefault(key, reducible(account, order))
        part = min(left, order.remaining)
        available[key] = left - part
        if part and not order.reduce_only:
            parts[order.id] = part
    return parts


def act(oms: EmbeddedOms, chance: random.Random, account_id: int) -> None:
    """Do something; it may be refused."""
    state = oms._core.state.accounts[account_id]
    ids = [*state.positions, 0]
    symbol = chance.choice(SWAPS)
    payload: dict[str, Any]
    command = chance.choice(("send_order",) * 5 + ("close_position", "close_by", "merge_positions"))
    if command == "send_order":
        payload = {
            "symbol": symbol,
            "side": chance.choice(("buy", "sell")),
            "order_type": "market",
            "qty": str(Decimal(chance.choice((1, 7, 30, 900))) / 100),
            "reduce_only": chance.random() < 0.3,
            "strategy_id": chance.choice((0, 1, 2)),
            "position_id": chance.choice(ids) if chance.random() < 0.3 else 0,
        }
        if chance.random() < 0.6:
            lowest = {"BTC/USDT:USDT": 60_000, "ETH/USDT:USDT": 3_000}[symbol] * 0.6
            price = lowest if payload["side"] == "buy" else lowest * 2.5
            payload |= {"order_type": "limit", "price": str(round(price))}
    elif command == "close_position":
        payload = {"position_id": chance.choice(ids)}
    elif command == "close_by":
        payload = {"position_id_a": chance.choice(ids), "position_id_b": chance.choice(ids)}
    else:
        payload = {"source_position_id": chance.choice(ids), "target_position_id": chance.choice(ids)}
    oms.handle("commands", {}, {}, {"account_id": account_id, "command": command, "payload": payload})
    if chance.random() < 0.2:
        function, value = chance.choice((("set_leverage", 3), ("set_margin_mode", "isolated")))
        body = {"args": [value, symbol], "kwargs": {}}
        oms.handle("ccxt_call", {"account_id": str(account_id), "func": function}, {}, body)
    if chance.random() < 0.3:
        last = {"BTC/USDT:USDT": 60_000, "ETH/USDT:USDT": 3_000}[symbol] * chance.uniform(0.85, 1.15)
        price = Decimal(round(last))
        oms.set_price(symbol, bid=price, ask=price + 1, last=price)


@pytest.mark.parametrize("seed", range(6))
def test_sums_of_positions_are_those_of_each(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "oms.sqlite"
    oms = EmbeddedOms(accounts=_ACCOUNTS, clock="manual", db=path)
    oms.set_price("BTC/USDT:USDT", bid=60_000, ask=60_001, last=60_000)
    oms.set_price("ETH/USDT:USDT", bid=3_000, ask=3_001, last=3_000)
    compared = reduced = 0
    for turn in range(150):
        account_id = chance.randint(1, 3)
        act(oms, chance, account_id)
        if turn == 100:
            oms.close()
            oms = EmbeddedOms(clock="manual", db=path)
        with localcontext() as context:
            context.prec = 60
            for account in oms._core.state.accounts.values():
                agree(oms._core, account, oms.now_ms())
                openings = Openings(account)
                for order in sorted(account.orders.values(), key=lambda each: each.id):
                    assert openings.of(order) == opening_qty(account, order)
                    openings.stays(order)
                for symbol in SWAPS:
                    found = _reducing(account, symbol, account.orders_on.get(symbol, {}))
                    found = {order_id: part for order_id, part in found.items() if part}
                    assert found == reducing(account, symbol)
                    reduced += len(found)
                compared += len(account.held_of)
    assert compared > 100
    assert reduced > 20
    oms.close()
