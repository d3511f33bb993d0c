from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from ccxt_driver.cli.serve import serve
from ccxt_driver.oms import DEFAULT_MARKETS, Synthetic
from ccxt_driver.oms.market.bar_paths import WorstFirst
from ccxt_driver.oms.models import (
    BehindVolume,
    DiscountedFee,
    FixedLatency,
    MakerTakerQuoteFee,
    Models,
    RandomPlace,
    SelfTrade,
    ThirdCurrencyFee,
)
from ccxt_driver.oms.server.config import OPTIONS, read


def _file(folder: Path, text: str) -> Path:
    path = folder / "serve.toml"
    path.write_text(text)
    return path


def test_every_option_of_the_command_can_stand_in_the_file() -> None:
    """The feed is a table there."""
    assert {*OPTIONS} == {option.name for option in serve.params} - {"config", "new_key", "feed", "symbols"}


def test_fees(tmp_path: Path) -> None:
    config = read(
        _file(tmp_path, '[fees.default]\ntaker = "0.01"\n[fees."BTC/USDT"]\nmaker = 0\ntaker = "0.02"\n')
    )
    markets = {market.symbol: market for market in config.markets(DEFAULT_MARKETS)}
    assert (markets["BTC/USDT"].maker, markets["BTC/USDT"].taker) == (0, Decimal("0.02"))
    assert markets["ETH/USDT"].taker == Decimal("0.01")
    assert markets["ETH/USDT"].maker > 0
    assert read(_file(tmp_path, "")).markets(DEFAULT_MARKETS) == [*DEFAULT_MARKETS]
    unlisted = read(_file(tmp_path, '[fees."XYZ/USDT"]\ntaker = 0\n'))
    with pytest.raises(ValueError, match=r"fees\.XYZ/USDT: expected one of BNB/USDT"):
        unlisted.markets(DEFAULT_MARKETS)


def _models(folder: Path, text: str) -> Models:
    return read(_file(folder, f"[models]\n{text}")).models.make()


def test_models(tmp_path: Path) -> None:
    usual = _models(tmp_path, "")
    assert isinstance(usual.fees, MakerTakerQuoteFee)
    assert (usual.queue, usual.latency, usual.self_trade) == (None, None, SelfTrade.CANCEL_TAKER)
    made = _models(
        tmp_path,
        'queue = "BehindVolume"\nself_trade = "cancel_both"\n'
        'fees = { model = "ThirdCurrencyFee", code = "BNB", '
        'of = { model = "DiscountedFee", share = "0.25" } }\n'
        'latency = { model = "FixedLatency", send_ms = 50 }\n',
    )
    assert isinstance(made.fees, ThirdCurrencyFee)
    assert isinstance(made.fees._of, DiscountedFee)
    assert made.fees._of._share == Decimal("0.25")
    assert isinstance(made.queue, BehindVolume)
    assert made.self_trade is SelfTrade.CANCEL_BOTH
    assert isinstance(made.latency, FixedLatency)
    assert made.latency._send_ms == 50
    assert isinstance(_models(tmp_path, 'queue = { model = "RandomPlace", seed = 3 }').queue, RandomPlace)


def test_models_that_make_no_sense_are_named_with_their_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"models\.fees\.share: expected a fraction from 0 to 1, got 2"):
        _models(tmp_path, 'fees = { model = "DiscountedFee", share = 2 }')
    with pytest.raises(ValueError, match=r"models\.latency\.send_ms: expected a whole number above 0"):
        _models(tmp_path, 'latency = { model = "FixedLatency", send_ms = 0 }')


def test_a_feed_of_files(tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT-1m.csv").write_text(
        "timestamp,open,high,low,close,volume\n1700000040000,100,110,90,105,8\n"
    )
    config = read(
        _file(
            tmp_path,
            f'[feed]\nfiles = "{tmp_path}"\nspeed = 60\nstart = 2023-11-14T22:14:10Z\nspread_ticks = 3\n'
            'path = { model = "WorstFirst", holding = "long" }\n'
            'size = { model = "ShareOfPrint", share = "0.5" }\n',
        )
    ).feed
    assert config is not None
    assert isinstance(config.path and config.path.make(), WorstFirst)
    assert (config.speed, config.start) == (60, 1_700_000_050_000)
    feed = config.recording()
    assert feed is not None
    bids, asks = feed.book("BTC/USDT", 1_700_000_060_000)
    assert (asks[0].price - bids[0].price, bids[0].qty) == (Decimal("0.03"), 1)


@pytest.mark.parametrize("start", ["2032-11-14T22:14:10Z", "2023-11-14T22:13:59.999Z", "1700000050"])
def test_a_feed_of_files_starts_in_its_files(tmp_path: Path, start: str) -> None:
    """With another year orders filled at the last price of all; in seconds there was never a price."""
    (tmp_path / "BTC_USDT-1m.csv").write_text(
        "timestamp,open,high,low,close,volume\n1700000040000,100,110,90,105,8\n"
    )
    config = read(_file(tmp_path, f'[feed]\nfiles = "{tmp_path}"\nstart = {start}\n')).feed
    assert config is not None
    span = r"2023-11-14T22:14:00.000Z to 2023-11-14T22:1[45]:\S+"
    with pytest.raises(ValueError, match=rf"feed\.start: expected a time of the files, {span}, got "):
        config.recording()


def test_an_upset_synthetic_market(tmp_path: Path) -> None:
    given = read(
        _file(tmp_path, "[synthetic]\nregimes = true\ngaps_per_month = 2\nhalt_minutes = 10\n")
    ).synthetic
    assert given is not None
    assert given.make() == Synthetic(regimes=True, gaps_per_month=2, halt_minutes=10)
    assert read(_file(tmp_path, "")).synthetic is None


def test_a_live_feed_has_no_files(tmp_path: Path) -> None:
    config = read(_file(tmp_path, '[feed]\nlive = "binance"\nsymbols = ["BTC/USDT"]\n')).feed
    assert config is not None
    assert (config.live, config.symbols, config.recording()) == ("binance", ["BTC/USDT"], None)


@pytest.mark.parametrize(
    "text, found",
    [
        ("port = ", "serve.toml: "),
        ("prot = 8000", "prot: unknown; expected one of access_log, accounts, db, "),
        ("metrics = 1", "metrics: expected true or false, got 1"),
        ("db = ['a']", "db: expected a text, got ['a']"),
        ("seed = true", "seed: expected a whole number, got True"),
        ("rate_limit = 2026-01-01", "rate_limit: expected a number, got datetime.date"),
        ("[options]\nport = 1", "options: unknown"),
        ("[[keys]]\nrole = 'trader'", "keys.0.label: is missing"),
        (
            "[[keys]]\nlabel = 'a'\nrole = 'king'",
            "keys.0.role: expected 'trader', 'readonly' or 'risk', got 'king'",
        ),
        ("[[keys]]\nlabel = 'a'\naccounts = []", "keys.0.accounts: "),
        ("[[keys]]\nlabel = 'a'\n[[keys]]\nlabel = 'a'", "the label 'a' is given twice"),
        ("[fees.default]\ntaker = 'much'", "fees.default.taker: "),
        ("[fees.default]\ntaker = 1", "fees.default.taker: expected a fraction, 0.001 for 0.1 %, got 1"),
        ("[fees.default]\nmaker = -2", "fees.default.maker: expected a fraction"),
        ("[feed]\nfiles = 'a'\nstart = true", "feed.start: expected a time"),
        (
            "[feed]\nfiles = 'a'\nstart = 99999999999999999",
            "feed.start: Input should be less than",
        ),
        ("[synthetic]\ngaps = 2", "synthetic.gaps: unknown"),
        (
            "[synthetic]\ngaps_per_month = 99",
            "synthetic: gaps_per_month: expected 0, or a number from 0.1 to 30",
        ),
        ("[synthetic]\nhalt_minutes = 5", "synthetic: halt_minutes: goes with gaps_per_month"),
        ("[models]\nquue = 'BehindVolume'", "models.quue: unknown"),
        (
            "[models]\nqueue = 'Nobody'",
            "models.queue: expected one of 'FrontOfQueue', 'BehindVolume', 'RandomPlace', got 'Nobody'",
        ),
        ("[models]\nqueue = 'RandomPlace'", "models.queue.seed: is missing"),
        ("[models]\nfees = { model = 'DiscountedFee', shar = 1 }", "models.fees.share: is missing"),
        ("[models]\nself_trade = 'both'", "models.self_trade: "),
        ("[feed]\nspeed = 2", "serve.toml: feed: expected either files or live"),
        ("[feed]\nfiles = 'a'\nlive = 'binance'", "feed: expected either files or live"),
        ("[feed]\nlive = 'binance'", "serve.toml: feed.symbols: expected the symbols to follow"),
        ("[feed]\nlive = 'binance'\nsymbols = ['BTC/USDT']\nspeed = 2", "feed.speed: goes with files"),
        ("[feed]\nfiles = 'a'\nsymbols = ['BTC/USDT']", "feed.symbols: goes with live"),
        ("[feed]\nfiles = 'a'\nspeed = 0", "feed.speed: "),
        ("[feed]\nfiles = []", "feed.files: "),
        ("[feed]\nfiles = 'a'\nstart = 2026-01-01T00:00:00", "feed.start: expected a time with its offset"),
        ("[feed]\nfiles = 'a'\nstart = 2026-01-01", "feed.start: expected a time with its offset"),
        ("[feed]\nfiles = 'a'\nstart = '2026-01-01T00:00:00Z'", "00:00Z without quotes, got '2026-01-01T0"),
        ("[models]\nfees = { share = '0.25' }", "models.fees.model: is missing"),
        ("[feed]\nfiles = 'a'\npath = 'Straight'", "feed.path: expected one of 'OpenHighLowClose'"),
        ("feed = 'live'", "feed: expected a table, got 'live'"),
        ("[fees]\nmaker = '0.1'", "fees.maker: expected a table, got '0.1'"),
        ("limits = 3", "limits: expected a list, got 3"),
        ("[sessions]\n'BTC/USDT' = 3", "sessions.BTC/USDT: expected a table, got 3"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(ValueError, match=r"serve\.toml: ") as caught:
        read(_file(tmp_path, text))
    assert found in str(caught.value)
