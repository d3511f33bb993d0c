"""`ccxt-driver serve` on live prices, up to the socket."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ccxt
import click
import pytest

from ccxt_driver import venues
from ccxt_driver.cli.serve import _open, _with_feed
from ccxt_driver.oms.server.config import Config, read
from ccxt_driver.venues import LiveFeed
from tests.helpers.fake_venue import SPOT, Wire, book, venue


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    made = Wire()
    made.say("watch_order_book", book(100.0, 101.0))

    def live(exchange: str, symbols: Any) -> LiveFeed:
        assert exchange == "fake"
        return LiveFeed(venue(made), symbols, timeout_s=10)

    monkeypatch.setattr(venues, "LiveFeed", live)
    return made


def _ticker(config: Config) -> Any:
    with ExitStack() as opened:
        oms = opened.enter_context(_open(None, 0, config, opened))
        path = {"account_id": "1", "func": "fetch_ticker"}
        ticker = oms.handle("ccxt_call", path, {}, {"args": [SPOT]}).body["result"]
        path["func"] = "load_markets"
        return ticker["bid"], oms.handle("ccxt_call", path, {}, {}).body["result"][SPOT]["taker"]


def test_the_option(wire: Wire) -> None:
    config = _with_feed(None, "live:fake", f"{SPOT}, ETH/USDT")
    assert config.feed is not None
    assert config.feed.symbols == [SPOT, "ETH/USDT"]
    assert _ticker(_with_feed(None, "live:fake", SPOT)) == (100.0, 0.002)
    assert wire.closed == 1


def test_the_table_of_the_file_with_fees_and_limits(wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "serve.toml"
    path.write_text(
        f'[feed]\nlive = "fake"\nsymbols = ["{SPOT}"]\n[fees."{SPOT}"]\ntaker = "0.003"\n'
        f'[[limits]]\naccount_id = 1\nsymbol = "{SPOT}"\nmax_order_qty = 1\n'
    )
    assert _ticker(read(path)) == (100.0, 0.003)


def test_synthetic_prices_may_be_upset_but_those_of_a_feed_not(wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "serve.toml"
    path.write_text("[synthetic]\ngaps_per_month = 30\nhalt_minutes = 10\n")
    with ExitStack() as opened:
        oms = opened.enter_context(_open(None, 0, read(path), opened))
        assert SPOT in oms._core.state.halts
    with pytest.raises(click.ClickException, match="synthetic: expected none with a feed"):
        _ticker(_with_feed(read(path), "live:fake", SPOT))


def test_what_is_wrong_with_the_exchange_is_told(wire: Wire) -> None:
    wire.load_error = ccxt.ExchangeNotAvailable("fake is away")
    with pytest.raises(click.ClickException, match="fake: ExchangeNotAvailable: fake is away"):
        _ticker(_with_feed(None, "live:fake", SPOT))
    wire.load_error = None
    with pytest.raises(click.ClickException, match="symbols: fake has no 'X/Y'"):
        _ticker(_with_feed(None, "live:fake", "X/Y"))
    assert wire.closed == 2
