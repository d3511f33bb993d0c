"""The class that freqtrade finds, and when. A stand-in for freqtrade: the real one runs in tests/clients."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.oldest

ROOT = Path(__file__).parents[2]

STAND_IN = {
    "__init__.py": "",
    "enums.py": """
from enum import Enum
TradingMode = Enum("TradingMode", "SPOT FUTURES")
MarginMode = Enum("MarginMode", "NONE ISOLATED")
""",
    "exceptions.py": """
class OperationalException(Exception): pass
class TemporaryError(Exception): pass
class DDosProtection(TemporaryError): pass
""",
    "exchange/__init__.py": """
from freqtrade.exchange.exchange import Exchange
from freqtrade.exchange.binance import Binance
""",
    "exchange/common.py": "def retrier(function): return function\n",
    "exchange/exchange.py": """
import ccxt
class Exchange:
    def _init_ccxt(self, exchange_config, sync, ccxt_kwargs):
        return ccxt.oms({"apiKey": exchange_config.get("key"), **ccxt_kwargs})
""",
    "exchange/binance.py": "from freqtrade.exchange import Exchange\nclass Binance(Exchange): pass\n",
}

REGISTERED_FIRST = """
import ccxt_driver
ccxt_driver.register(alias=["binance"])
import freqtrade.exchange
"""
REGISTERED_LAST = """
import freqtrade.exchange
import ccxt_driver
ccxt_driver.register(alias=["binance"])
"""
IN_THE_MIDDLE_OF_ITS_IMPORT = """
import sys
class AsTheHookDoes:
    def find_spec(self, name, path=None, target=None):
        if name == "ccxt":
            sys.meta_path.remove(self)
            from ccxt_driver.registering import at_import
            at_import("oms", ["binance"])
            from importlib.util import find_spec
            return find_spec(name)
sys.meta_path.insert(0, AsTheHookDoes())
import freqtrade.exchange
import ccxt.pro
"""
LOOKED_AT = """
import types
import ccxt_driver
exchanges = freqtrade.exchange
assert "ccxt_driver.freqtrade_support" not in sys.modules
assert exchanges.Oms.__module__ == "ccxt_driver.freqtrade_support"
assert issubclass(exchanges.Oms, exchanges.Exchange)
assert exchanges.Binance is exchanges.Oms
assert {"Oms", "Binance", "Exchange"} <= set(dir(exchanges))
ccxt_driver.unregister()
assert type(exchanges) is types.ModuleType and not hasattr(exchanges, "Oms")
assert exchanges.Binance.__module__ == "freqtrade.exchange.binance"
print("good")
"""
FUTURES_IN_MODE = """
import ccxt
import ccxt_driver
ccxt_driver.register()
from freqtrade.enums import TradingMode
from freqtrade.exchange import Oms
asked = []
class Api:
    def fetch_position_mode(self):
        asked.append(1)
        if isinstance({answer!r}, str):
            raise getattr(ccxt, {answer!r})("why")
        return {{"hedged": {answer!r}}}
made = Oms()
made._api, made._config = Api(), {{"dry_run": {dry_run!r}}}
made.trading_mode = TradingMode.{kind}
try:
    made.additional_exchange_init()
except Exception as error:
    print(type(error).__name__, len(asked), error)
else:
    print("started", len(asked))
"""


@pytest.fixture
def freqtrade(tmp_path: Path) -> Path:
    """Make a folder in which Python finds it."""
    for name, text in STAND_IN.items():
        file = tmp_path / "freqtrade" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def run(script: str, *folders: Path) -> str:
    path = os.pathsep.join(map(str, (*folders, ROOT)))
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{script}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "script",
    [REGISTERED_FIRST, REGISTERED_LAST, IN_THE_MIDDLE_OF_ITS_IMPORT],
    ids=["first", "last", "middle"],
)
def test_freqtrade_finds_the_class_whatever_is_imported_first(script: str, freqtrade: Path) -> None:
    assert run(script + LOOKED_AT, freqtrade) == "good"


def test_without_freqtrade_nothing_of_it_is_loaded() -> None:
    script = """
import ccxt_driver
ccxt_driver.register()
import ccxt.pro
assert ccxt.pro.oms().id == "oms"
print(sorted(name for name in sys.modules if "freqtrade" in name))
"""
    assert run(script) == "[]"


@pytest.mark.parametrize(
    "config,expected",
    [({"key": ""}, "of the environment"), ({}, "of the environment"), ({"key": "own"}, "own")],
)
def test_an_empty_key_leaves_it_to_the_environment(
    config: dict[str, str], expected: str, freqtrade: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CCXT_OMS_API_KEY", "of the environment")
    script = f"""
import ccxt_driver
ccxt_driver.register()
from freqtrade.exchange import Oms
print(str(Oms()._init_ccxt({config!r}, True, {{}}).apiKey))
"""
    assert run(script, freqtrade) == expected


@pytest.mark.parametrize(
    "kind,dry_run,answer,expected",
    [
        ("FUTURES", False, False, "started 1"),
        ("FUTURES", False, True, "OperationalException 1"),
        ("FUTURES", False, "ExchangeNotAvailable", "TemporaryError 1"),
        ("FUTURES", False, "DDoSProtection", "DDosProtection 1"),
        ("FUTURES", False, "AuthenticationError", "TemporaryError 1"),
        ("FUTURES", True, True, "started 0"),
        ("SPOT", False, True, "started 0"),
    ],
)
def test_a_live_bot_does_not_trade_swaps_on_an_account_in_hedge_mode(
    kind: str, dry_run: bool, answer: bool | str, expected: str, freqtrade: Path
) -> None:
    script = FUTURES_IN_MODE.format(kind=kind, dry_run=dry_run, answer=answer)

    assert run(script, freqtrade).startswith(expected)
