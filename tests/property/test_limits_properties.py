"""Whatever the limits and the sessions: what only reduces is never refused by them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.limits import COUNTS

SYMBOLS = ("BTC/USDT", "BTC/USDT:USDT")
BALANCES = {"USDT": "1000000", "BTC": "100"}
NAMES = (
    *("max_order_qty", "max_order_notional", "max_position_qty", "max_position_notional", "max_exposure"),
    *("max_daily_loss", "max_drawdown", "price_band"),
)

sides = st.sampled_from(["buy", "sell"])
limits = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(NAMES, st.sampled_from(["0", "0.001", "1"]))
    | dict.fromkeys(COUNTS, st.sampled_from(["0", "1"]))
    | {"killed": st.booleans()},
)
opened = st.lists(st.tuples(st.sampled_from(SYMBOLS), sides, st.integers(1, 5)), min_size=1, max_size=4)


def _post(oms: EmbeddedOms, command: str, account: int, **payload: Any) -> tuple[bool, Any]:
    reply = oms.handle("commands", {}, {}, {"account_id": account, "command": command, "payload": payload})
    return reply.status == 200, reply.body


def _positions(oms: EmbeddedOms, account: int) -> list[dict[str, Any]]:
    return list(oms.handle("positions_open", {}, {"account_ids": str(account)}, None).body["items"])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["netting", "hedge", "strategy_netting"]),
    opened,
    limits,
    st.sampled_from([None, 1]),
    st.sampled_from([None, *SYMBOLS]),
    st.sampled_from(["closed", "halted", "open"]),
    st.sampled_from(["reduce_only", "plain", "close_position"]),
    st.integers(80, 120),
)
def test_what_reduces_is_never_refused(
    mode: str,
    orders: list[tuple[str, str, int]],
    given_limits: dict[str, Any],
    strategy_id: int | None,
    symbol: str | None,
    session: str,
    way: str,
    price: int,
) -> None:
    account = {"account_id": 1, "position_mode": mode, "balances": BALANCES}
    with EmbeddedOms([account], clock="manual") as oms:
        for each in SYMBOLS:
            oms.set_price(each, bid=100, ask=101)
        for each, side, qty in orders:
            order = {"symbol": each, "side": side, "order_type": "market", "qty": str(qty), "strategy_id": 1}
            assert _post(oms, "send_order", 1, **order)[0]
        oms.set_limits(1, given_limits, strategy_id, symbol)
        for each in SYMBOLS:
            oms.set_price(each, bid=price, ask=price + 1)
            oms.set_session(each, session)
        for position in _positions(oms, 1):
            oms.set_session(position["symbol"], "open")
            _reduce(oms, position, way if mode != "hedge" or way != "plain" else "reduce_only")
        assert _positions(oms, 1) == []


def _reduce(oms: EmbeddedOms, position: dict[str, Any], way: str) -> None:
    """Close a position in two parts."""
    half = Decimal(position["qty"]) / 2
    for _ in range(2):
        if way == "close_position":
            done, body = _post(oms, way, 1, position_id=position["id"], qty=str(half))
        else:
            side = "sell" if position["side"] == "buy" else "buy"
            order = {"symbol": position["symbol"], "side": side, "order_type": "market", "qty": str(half)}
            order |= {"strategy_id": 1, "reduce_only": way == "reduce_only"}
            done, body = _post(oms, "send_order", 1, **order, position_id=position["id"])
        assert done, body
