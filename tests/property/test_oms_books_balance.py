"""Random trading against what must always be true of the books, and against naive models.

The models know deals, prices and rates only: one nets positions, one charges funding, one says who has to
be liquidated.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ccxt_driver.oms import EmbeddedOms
from tests.helpers.auditor import ACCOUNTS, FUNDING, HOUR, SPOT, START, SWAP, Auditor, World, signed
from tests.helpers.examples import examples

accounts = st.sampled_from([1, 2, 2, 3])
sides = st.sampled_from(["buy", "sell"])
symbols = st.sampled_from([SPOT, SWAP])
quantities = st.sampled_from(["0.5", "1", "1.5", "2", "7", "40", "400", "900"])
prices = st.integers(90, 110).map(str)
row_ids = st.integers(1, 12)
options = st.fixed_dictionaries(
    {},
    optional={
        "strategy_id": st.sampled_from([0, 1, 2]),
        "position_id": row_ids,
        "reduce_only": st.booleans(),
        "post_only": st.booleans(),
        "time_in_force": st.sampled_from(["GTC", "IOC", "FOK"]),
        "trigger_price": prices,
        "oms_stop_loss": prices,
        "oms_stop_gain": prices,
        "stop_price": prices,
        "take_profit_price": prices,
        "trailing_amount": st.sampled_from(["1", "3"]),
    },
)


def command(name: str, **payload: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(name), accounts, st.fixed_dictionaries(payload))


@st.composite
def orders(draw: st.DrawFn) -> Any:
    payload = {"symbol": draw(symbols), "side": draw(sides), "qty": draw(quantities), "order_type": "market"}
    if draw(st.booleans()):
        payload |= {"order_type": "limit", "price": draw(prices)}
    rare = draw(options) if draw(st.integers(0, 3)) == 0 else {}
    return "send_order", draw(accounts), payload | {"strategy_id": draw(st.sampled_from([0, 1]))} | rare


moves = st.tuples(
    st.just("price"),
    symbols,
    st.tuples(st.integers(90, 110), st.integers(1, 3), st.sampled_from([None, "1", "3"])),
)
commands = st.one_of(
    command("cancel_order", order_id=row_ids),
    command("change_order", order_id=row_ids, new_price=prices, new_qty=quantities),
    command("close_position", position_id=row_ids),
    command("close_position", position_id=row_ids, order_type=st.just("limit"), price=prices),
    command("close_by", position_id_a=row_ids, position_id_b=row_ids),
    command("merge_positions", source_position_id=row_ids, target_position_id=row_ids),
    command("position_change", position_id=row_ids, oms_stop_loss=prices),
    command("position_change", position_id=row_ids, oms_stop_gain=prices),
    command("cancel_all_orders"),
)


margins = st.one_of(
    st.tuples(st.just("advance"), st.none(), st.sampled_from([HOUR, FUNDING, 3 * FUNDING + 5])),
    st.tuples(st.just("set_leverage"), accounts, st.sampled_from([1, 5, 20, 50, 100, 125])),
    st.tuples(st.just("set_leverage"), accounts, st.sampled_from([50, 100])),
    st.tuples(st.just("set_margin_mode"), accounts, st.sampled_from(["cross", "isolated"])),
    st.tuples(
        st.sampled_from(["add_margin", "reduce_margin", "set_margin"]),
        accounts,
        st.tuples(st.sampled_from(["1", "30.5", "400"]), st.sampled_from(["long", "short"])),
    ),
    st.tuples(st.just("rate"), st.none(), st.sampled_from(["0.0001", "-0.002", "0.01", "0"])),
    st.tuples(st.just("session"), symbols, st.sampled_from(["open", "open", "halted"])),
)


@st.composite
def weighted_steps(draw: st.DrawFn) -> Any:
    """Mostly orders and moves of the price: without them there is nothing to command."""
    kind = draw(st.sampled_from([*["order"] * 5, *["move"] * 2, *["command"] * 3, *["margin"] * 2]))
    return draw({"order": orders(), "move": moves, "command": commands, "margin": margins}[kind])


steps = st.lists(weighted_steps(), min_size=20, max_size=60)


class NaiveNetting:
    """Nets deals one by one, in fractions; knows nothing of orders, margins or prices."""

    def __init__(self, deals: list[Any], by_strategy: bool) -> None:
        self.open: dict[tuple[str, int], tuple[Fraction, Fraction]] = {}
        for deal in deals:
            key = (deal.symbol, deal.strategy_id if by_strategy else 0)
            held, average = self.open.get(key, (Fraction(0), Fraction(0)))
            qty, price = Fraction(signed(deal)), Fraction(deal.price)
            if held * qty >= 0:
                average = (average * abs(held) + price * abs(qty)) / (abs(held) + abs(qty))
            elif abs(qty) > abs(held):
                average = price
            held += qty
            self.open[key] = (held, average)
        self.open = {key: value for key, value in self.open.items() if value[0]}


def compare_with_naive_netting(auditor: Auditor) -> None:
    for number, by_strategy in ((1, False), (3, True)):
        naive = NaiveNetting([deal for deal in auditor.deals if deal.account_id == number], by_strategy)
        found = {
            (position.symbol, position.strategy_id if by_strategy else 0): position
            for position in auditor.state.accounts[number].positions.values()
        }
        assert found.keys() == naive.open.keys()
        # A merge joins positions whose deals were netted apart: then only the quantities can be netted anew.
        merged = any(row.state == "merged" for row in auditor.positions if row.account_id == number)
        for key, position in found.items():
            held, average = naive.open[key]
            assert Fraction(signed(position)) == held
            assert merged or abs(Fraction(position.avg_price) - average) < Fraction(1, 10**12)


def meant(oms: EmbeddedOms, account: int, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with ids of rows that are open, where there are any: a guess would rarely hit one."""
    live = oms._core.state.accounts[account]
    found = dict(payload)
    for name in payload.keys() & {"order_id", "position_id", "position_id_a", "position_id_b"} | (
        payload.keys() & {"source_position_id", "target_position_id"}
    ):
        ids = [*(live.orders if name == "order_id" else live.positions)]
        if ids:
            found[name] = ids[payload[name] % len(ids)]
    return found


def perform(oms: EmbeddedOms, step: Any, world: World) -> None:
    name, target, payload = step
    if name == "price":
        bid, spread, size = payload
        if target == SWAP:
            world.marks.append((oms.now_ms(), Decimal(bid)))
        oms.set_price(target, bid=bid, ask=bid + spread, last=bid, size=size)
        return
    if name == "advance":
        oms.advance(payload)
        return
    if name == "rate":
        world.rates.append((oms.now_ms(), Decimal(payload)))
        oms.set_funding_rate(SWAP, payload)
        return
    if name == "session":
        oms.set_session(target, payload)
        return
    if name in ("set_leverage", "set_margin_mode"):
        path, body = {"account_id": str(target), "func": name}, {"args": [payload, SWAP], "kwargs": {}}
        reply = oms.handle("ccxt_call", path, {}, body)
        assert reply.status < 500 or reply.body["detail"]["code"] == "exchange_error", reply.body
        if payload == "isolated" and reply.status == 200:
            world.isolated_once.add(target)
        return
    if name.endswith("_margin"):
        amount, side = payload
        path, body = {"account_id": str(target), "func": name}, {"args": [SWAP, amount, {"side": side}]}
        reply = oms.handle("ccxt_call", path, {}, body)
        assert reply.status == 200 or reply.body["detail"]["code"] == "exchange_error", reply.body
        return
    payload = meant(oms, target, payload)
    reply = oms.handle("commands", {}, {}, {"account_id": target, "command": name, "payload": payload})
    assert reply.status < 500 or reply.body["detail"]["code"] == "exchange_error", reply.body


@examples(150)
@given(steps)
def test_the_books_balance_after_every_step(sequence: list[Any]) -> None:
    trade(EmbeddedOms(accounts=ACCOUNTS, clock="manual"), sequence)


@settings(max_examples=10)
@given(steps)
def test_the_books_balance_on_disk_too(sequence: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        trade(EmbeddedOms(accounts=ACCOUNTS, clock="manual", db=f"{folder}/oms.sqlite"), sequence)


def trade(oms: EmbeddedOms, sequence: list[Any]) -> None:
    """Perform the steps, and audit after each."""
    world = World()
    with oms:
        for symbol in (SPOT, SWAP):
            perform(oms, ("price", symbol, (100, 1, None)), world)
        for number in (1, 2):  # where a move of the price soon takes all there is
            perform(oms, ("set_leverage", number, 100), world)
        for step in sequence:
            perform(oms, step, world)
            auditor = Auditor(oms, START, world)
            auditor.check()
            compare_with_naive_netting(auditor)
