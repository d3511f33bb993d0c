"""`create_order_ws` and its kin: the same as without `_ws`, over the socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import ccxt
import pytest

from ccxt_driver.contract.endpoints import snake_case
from ccxt_driver.exchange.streams.client import OmsClient
from ccxt_driver.pro import OmsCcxtExchange
from tests.helpers.contract_desk import NETTING, POOR, SPOT, SWAP
from tests.helpers.deadline import deadline, until
from tests.helpers.stream_desk import StreamDesk, stream_desk
from tests.helpers.strict_structures import check_order

__all__ = ["deadline"]

pytestmark = pytest.mark.oldest

BOTH = [pytest.param(False, id="in-process"), pytest.param(True, id="socket", marks=pytest.mark.sockets)]

LIMIT = (SPOT, "limit", "buy", 1, 90)
PLAY: list[tuple[str, tuple[Any, ...]]] = [
    ("create_order", LIMIT),
    ("create_order", (SPOT, "market", "buy", 2)),
    ("create_orders", ([{"symbol": SPOT, "type": "limit", "side": "sell", "amount": 1, "price": 130}] * 3,)),
    ("create_limit_order", (SPOT, "buy", 1, 89)),
    ("create_limit_buy_order", (SPOT, 1, 88)),
    ("create_limit_sell_order", (SPOT, "0.1", 140)),
    ("create_market_order", (SPOT, "buy", 1)),
    ("create_market_buy_order", (SPOT, 1)),
    ("create_market_sell_order", (SPOT, "0.1")),
    ("create_market_order_with_cost", (SPOT, "buy", 50)),
    ("create_market_buy_order_with_cost", (SPOT, 50)),
    ("create_market_sell_order_with_cost", (SPOT, 50)),
    ("create_stop_order", (SPOT, "market", "buy", 1, None, 140)),
    ("create_stop_limit_order", (SPOT, "buy", 1, 141, 140)),
    ("create_stop_market_order", (SPOT, "buy", 1, 140)),
    ("create_trigger_order", (SPOT, "market", "buy", 1, None, 140)),
    ("create_stop_loss_order", (SPOT, "market", "sell", 1, None, 80)),
    ("create_take_profit_order", (SPOT, "market", "sell", "0.1", None, 130)),
    ("create_post_only_order", (SPOT, "limit", "buy", 1, 87)),
    ("create_reduce_only_order", (SPOT, "limit", "sell", "0.1", 150)),
    ("create_trailing_amount_order", (SPOT, "market", "sell", "0.1", None, 5)),
    ("create_trailing_percent_order", (SPOT, "market", "sell", "0.1", None, 5)),
    ("create_order_with_take_profit_and_stop_loss", (SPOT, "limit", "buy", 1, 86, 120, 80)),
    ("edit_order", ("1", SPOT, "limit", "buy", 2, 85)),
    ("cancel_order", ("1", SPOT)),
    ("cancel_orders", (["3", "4"],)),
    ("fetch_order", ("2", SPOT)),
    ("fetch_orders", ()),
    ("fetch_open_orders", (SPOT, None, 3)),
    ("fetch_closed_orders", ()),
    ("fetch_my_trades", (SPOT,)),
    ("fetch_position", (SPOT,)),
    ("fetch_positions", ()),
    ("fetch_positions_for_symbol", (SPOT,)),
    ("fetch_balance", ()),
    ("fetch_trading_fees", ()),
    ("fetch_ticker", (SPOT,)),
    ("fetch_tickers", ([SPOT, SWAP],)),
    ("fetch_order_book", (SPOT, 5)),
    ("fetch_trades", (SPOT, None, 5)),
    ("fetch_ohlcv", (SPOT, "1m", None, 5)),
    ("fetch_markets", ()),
    ("fetch_currencies", ()),
    ("cancel_all_orders", (SPOT,)),
]
"""One day, in this order."""

NOT_HAD = {"fetch_deposits", "fetch_withdrawals"}
"""The paper venue has none of these."""


@pytest.fixture(params=BOTH)
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[StreamDesk]:
    async with stream_desk(request.param) as made:
        yield made


@pytest.fixture
async def served() -> AsyncIterator[StreamDesk]:
    async with stream_desk(True) as made:
        yield made


def _ids() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"client{number}"


def fetched(ex: Any) -> list[str]:
    """From now on, what goes by HTTP."""
    urls: list[str] = []
    fetch = ex.fetch

    async def noting(url: str, *rest: Any) -> Any:
        urls.append(url)
        return await fetch(url, *rest)

    ex.fetch = noting
    return urls


async def played(desk: StreamDesk, suffix: str) -> tuple[list[Any], list[str]]:
    """What the day gives, and what went by HTTP in it."""
    ids = _ids()
    ex = desk.exchange(client_order_id_factory=lambda: next(ids))
    await ex.load_markets()
    urls = fetched(ex)
    given = []
    for name, arguments in PLAY:
        given.append((name, await getattr(ex, name + suffix)(*arguments)))
        desk.oms.advance(1000)
    return given, urls


async def test_each_method_gives_what_its_twin_gives(desk: StreamDesk) -> None:
    """On two OMS that are alike, moved alike."""
    over_socket = desk.served is not None
    async with stream_desk(over_socket) as other:
        plain, by_http = await played(other, "")
        streamed, besides = await played(desk, "_ws")
    for (name, expected), (_, given) in zip(plain, streamed, strict=True):
        assert given == expected, name
    if over_socket:
        assert len(by_http) >= len(PLAY)
        assert besides == []
    assert streamed[0][1]["id"] == "1"
    check_order(streamed[1][1], float, with_trades=True)


def test_every_method_of_has_is_played() -> None:
    has = {key for key, value in OmsCcxtExchange().has.items() if value and key.endswith("Ws")}
    names = {snake_case(key).removesuffix("_ws") for key in has}
    assert names - NOT_HAD == {name for name, _ in PLAY}


@pytest.mark.parametrize("name", sorted(NOT_HAD))
async def test_what_the_venue_does_not_have_is_not_supported(desk: StreamDesk, name: str) -> None:
    ex = desk.exchange()
    await ex.load_markets()
    with pytest.raises(ccxt.NotSupported):
        await getattr(ex, f"{name}_ws")()


@pytest.mark.parametrize("name", ["create_order_ws", "fetch_balance_ws", "fetch_ticker_ws"])
async def test_it_may_be_the_first_thing_that_is_called(desk: StreamDesk, name: str) -> None:
    ex = desk.exchange()
    arguments = {"create_order_ws": LIMIT, "fetch_ticker_ws": (SPOT,)}.get(name, ())
    assert await getattr(ex, name)(*arguments)


async def test_refusals_are_those_of_http(desk: StreamDesk) -> None:
    ex = desk.exchange(POOR)
    bad: list[tuple[str, tuple[Any, ...]]] = [
        ("create_order", (SPOT, "market", "buy", 100)),
        ("create_order", (SPOT, "limit", "buy", 1)),
        ("create_order", (SPOT, "sideways", "buy", 1)),
        ("create_order", (SPOT, "limit", "buy", -1, 90)),
        ("create_order", ("BTC/NOPE", "market", "buy", 1)),
        ("cancel_order", ("77", SPOT)),
        ("edit_order", ("77", SPOT, "limit", "buy", 1, 90)),
        ("fetch_order", ("77", SPOT)),
        ("fetch_ticker", ("BTC/NOPE",)),
        ("fetch_ohlcv", (SPOT, "17m")),
    ]
    for name, arguments in bad:
        said = []
        for suffix in ("", "_ws"):
            with pytest.raises(ccxt.BaseError) as info:
                await getattr(ex, name + suffix)(*arguments)
            said.append((type(info.value), getattr(info.value, "code", None)))
        assert said[0] == said[1], name
    assert desk.events("order_updated", POOR) == []


async def test_a_batch_with_one_that_is_refused(desk: StreamDesk) -> None:
    ex = desk.exchange()
    orders = [{"symbol": SPOT, "type": "limit", "side": "buy", "amount": 1, "price": 90} for _ in range(3)]
    orders[1]["amount"] = 5000
    plain, streamed = await ex.create_orders(orders), await ex.create_orders_ws(orders)
    for results in (plain, streamed):
        assert isinstance(results[1], ccxt.InsufficientFunds)
        for placed in (results[0], results[2]):
            check_order(placed, float, with_trades=True)
    assert vars(plain[1]).keys() == vars(streamed[1]).keys()
    for name in ("code", "outcome"):
        assert vars(plain[1])[name] == vars(streamed[1])[name]
    assert len({order["id"] for order in [*plain[::2], *streamed[::2]]}) == 4
    assert len(desk.events("order_updated")) == 4


async def test_both_ways_at_once_share_the_socket_with_streams(served: StreamDesk) -> None:
    ex = served.exchange()
    [watching] = await served.waiting(ex.watch_orders())
    orders = await asyncio.gather(*(ex.create_order_ws(*LIMIT) for _ in range(20)))
    assert len({order["id"] for order in orders}) == 20
    got = await watching
    while len({order["id"] for order in got}) < 20:
        got += await ex.watch_orders()
    assert {order["id"] for order in got} == {order["id"] for order in orders}
    assert len(ex.clients) == 1


# -- what fails ------------------------------------------------------------------------------------------


class LosesAnswers:
    """Breaks a connection when the server has done what it was asked, and before it says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.times = times
        self.lost = 0
        pass_on = OmsClient._pass_on

        def losing(client: OmsClient, data: Any) -> None:
            if self.times and '"command_result"' in str(data):
                self.times -= 1
                self.lost += 1
                client.end(ccxt.NetworkError("a cable"))
                return
            pass_on(client, data)

        monkeypatch.setattr(OmsClient, "_pass_on", losing)


@pytest.mark.sockets
@pytest.mark.parametrize("watched", [True, False])
async def test_an_answer_that_is_lost_is_looked_for_and_the_order_is_placed_once(
    served: StreamDesk, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    ex = served.exchange(streams={"backoff_first": 0.01, "backoff_most": 0.02})
    [watching] = await served.waiting(ex.watch_orders()) if watched else [None]
    network = LosesAnswers(monkeypatch, 1)
    order = await ex.create_order_ws(*LIMIT)
    assert network.lost == 1
    check_order(order, float, with_trades=True)
    assert len(served.events("order_updated")) == 1
    if watching is not None:
        assert {seen["id"] for seen in await watching} == {order["id"]}


@pytest.mark.sockets
async def test_a_batch_whose_answers_are_lost_is_placed_once(
    served: StreamDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ex = served.exchange(streams={"backoff_first": 0.01, "backoff_most": 0.02})
    await ex.load_markets()
    network = LosesAnswers(monkeypatch, 1)
    batch = [{"symbol": SPOT, "type": "limit", "side": "buy", "amount": 1, "price": 90} for _ in range(3)]
    orders = await ex.create_orders_ws(batch)
    assert network.lost == 1
    assert len({order["id"] for order in orders}) == 3
    committed = [event.payload["id"] for event in served.events("order_updated")]
    assert sorted(committed) == sorted(int(order["id"]) for order in orders)


@pytest.mark.sockets
@pytest.mark.parametrize("name", ["edit_order", "cancel_order"])
async def test_a_lost_answer_to_a_change_is_looked_for(
    served: StreamDesk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ex = served.exchange(streams={"backoff_first": 0.01, "backoff_most": 0.02})
    order = await ex.create_order(*LIMIT)
    network = LosesAnswers(monkeypatch, 1)
    if name == "edit_order":
        changed = await ex.edit_order_ws(order["id"], SPOT, "limit", "buy", 2, 85)
        assert (changed["amount"], changed["price"]) == (2.0, 85.0)
    else:
        assert (await ex.cancel_order_ws(order["id"], SPOT))["status"] == "canceled"
    assert network.lost == 1
    assert {event.payload["id"] for event in served.events("order_updated")} == {int(order["id"])}


@pytest.mark.sockets
async def test_while_there_is_no_connection_an_order_goes_by_http_at_once(served: StreamDesk) -> None:
    ex = served.exchange()
    await ex.load_markets()
    ex.urls["api"] = {"private": ex.urls["api"], "public": ex.urls["api"], "ws": "ws://127.0.0.1:9/ws"}
    began = asyncio.get_running_loop().time()
    for _ in range(3):
        await ex.create_order_ws(*LIMIT)
    assert asyncio.get_running_loop().time() - began < 5  # held back for a connection it would come late
    assert len(served.events("order_updated")) == 3


@pytest.mark.sockets
async def test_where_the_socket_is_closed_to_us_it_goes_by_http(served: StreamDesk) -> None:
    ex = served.exchange()
    await ex.load_markets()
    base = ex.urls["api"]
    ex.urls["api"] = {"private": base, "public": base, "ws": base.replace("http", "ws") + "/nothing/here"}
    urls = fetched(ex)
    order = await ex.create_order_ws(*LIMIT)
    assert (await ex.fetch_order_ws(order["id"], SPOT))["id"] == order["id"]
    assert any(url.endswith("/oms/commands") for url in urls)
    assert len(served.events("order_updated")) == 1


@pytest.mark.sockets
async def test_what_the_server_does_not_answer_over_the_socket_goes_by_http(served: StreamDesk) -> None:
    """A server without the feature ws_queries: commands and calls over the socket, queries not."""
    ex = served.exchange()
    await ex.load_markets()
    known = await ex._features()
    ex._server_features = frozenset(known) - {"ws_queries"}
    urls = fetched(ex)
    order = await ex.create_order_ws(*LIMIT)
    await ex.fetch_ticker_ws(SPOT)
    assert urls == []
    assert [each["id"] for each in await ex.fetch_open_orders_ws()] == [order["id"]]
    assert len(urls) == 1
    assert "/oms/orders/open" in urls[0]


@pytest.mark.sockets
async def test_a_key_that_may_not_trade(served: StreamDesk) -> None:
    ex = served.opened(OmsCcxtExchange(served.config(role="readonly")))
    for suffix in ("", "_ws"):
        with pytest.raises(ccxt.PermissionDenied):
            await getattr(ex, "create_order" + suffix)(*LIMIT)
    assert (await ex.fetch_balance_ws())["USDT"]["total"] == 100_000.0


@pytest.mark.sockets
async def test_a_wrong_key(served: StreamDesk) -> None:
    ex = served.exchange()
    await ex.load_markets()
    ex.apiKey = "wrong-key-of-somebody-else"
    with pytest.raises(ccxt.AuthenticationError):
        await ex.create_order_ws(*LIMIT)
    with pytest.raises(ccxt.AuthenticationError):
        await ex.watch_orders()


@pytest.mark.sockets
async def test_closing_while_an_order_is_on_its_way(
    served: StreamDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ex = served.exchange(lookup_timeout=0)
    await ex.load_markets()
    monkeypatch.setattr(OmsClient, "_pass_on", _deaf_to_results(OmsClient._pass_on))
    placing = asyncio.ensure_future(ex.create_order_ws(*LIMIT))
    await until(lambda: served.events("order_updated"))
    await ex.close()
    with pytest.raises((ccxt.NetworkError, ccxt.ExchangeClosedByUser)) as info:
        await placing
    assert vars(info.value)["client_order_id"]
    assert len(served.events("order_updated", NETTING)) == 1


def _deaf_to_results(pass_on: Any) -> Any:
    def hear(client: OmsClient, data: Any) -> None:
        if '"command_result"' not in str(data):
            pass_on(client, data)

    return hear
