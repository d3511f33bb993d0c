"""`register()` and `unregister()`: ccxt's own modules, their lists, and nothing left behind.

In processes of their own: what is imported, and in which order, is what this is about.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest

import ccxt_driver
from ccxt_driver import OmsCcxtExchange, OmsCcxtProExchange

pytestmark = pytest.mark.oldest

ROOT = Path(__file__).parents[2]
MODULES: tuple[Any, ...] = (ccxt, ccxt.async_support, ccxt.pro)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = _seen()
    yield
    ccxt_driver.unregister()
    assert _seen() == before


def _seen() -> Any:
    """Collect what a program could notice: the lists with their identity, the attributes, the finders."""
    modules = {name: module for name, module in sys.modules.items() if name.split(".")[-1] == "binance"}
    lists = [
        (id(found), list(found))
        for module in MODULES
        for name in ("exchanges", "__all__")
        if (found := getattr(module, name, None)) is not None
    ]
    return lists, [dict(vars(module)) for module in MODULES], modules, list(sys.meta_path)


def test_the_classes_are_in_the_three_modules() -> None:
    ccxt_driver.register()

    assert ccxt.oms is OmsCcxtExchange  # type: ignore[attr-defined]
    assert ccxt.async_support.oms is ccxt.pro.oms is OmsCcxtProExchange  # type: ignore[attr-defined]
    for module in MODULES:
        assert module.exchanges.count("oms") == 1
    for module in MODULES[:2]:
        assert module.__all__.count("oms") == 1
        names: dict[str, Any] = {}
        exec(f"from {module.__name__} import *", names)
        assert names["oms"] is module.oms
    with pytest.raises(AttributeError, match="module 'ccxt' has no attribute 'omz'"):
        ccxt.omz  # type: ignore[attr-defined]  # noqa: B018


def test_it_may_be_called_again_and_from_many_threads() -> None:
    def call(number: int) -> None:
        ccxt_driver.register(alias=["binance", "kraken"][: number % 3])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(64)))
    for module in MODULES:
        assert module.exchanges.count("oms") == module.exchanges.count("binance") == 1
        assert module.binance.served_id == "binance"


@pytest.mark.parametrize("name", ["mine", "oms2"])
def test_another_id(name: str) -> None:
    ccxt_driver.register(name)

    for module in MODULES:
        kind = getattr(module, name)
        assert (kind.__name__, kind().id, kind().describe()["id"]) == (name, name, name)
        assert issubclass(kind, OmsCcxtExchange if module is ccxt else OmsCcxtProExchange)
        assert "oms" not in module.exchanges


@pytest.mark.parametrize(
    "arguments, named",
    [
        ({"id": "binance"}, "id"),
        ({"id": "Exchange"}, "id"),
        ({"id": "exchanges"}, "id"),
        ({"id": "two words"}, "id"),
        ({"id": 7}, "id"),
        ({"alias": ["binanse"]}, "alias"),
        ({"alias": "nowhere"}, "alias"),
        ({"alias": ["oms"]}, "alias"),
        ({"alias": [None]}, "alias"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(arguments: Any, named: str) -> None:
    before = _seen()
    with pytest.raises(ccxt.BadRequest, match=f"^{named}: "):
        ccxt_driver.register(**arguments)

    assert _seen() == before


def test_an_alias_takes_the_place_of_the_real_class_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCXT_OMS_BASE_URL", "embedded:")
    real = [module.binance for module in MODULES]
    places = [module.exchanges.index("binance") for module in MODULES]
    ccxt_driver.register(alias="binance")

    for module, old, place in zip(MODULES, real, places, strict=True):
        names: dict[str, Any] = {}
        exec(f"from {module.__name__}.binance import binance", names)
        assert names["binance"] is module.binance is not old
        assert module.binance.__name__ == module.binance().id == module.exchanges[place] == "binance"
        description = module.binance().describe()
        assert (description["alias"], description["id"]) == (True, "binance")
        # What is derived from the real class is as real as before.
        assert issubclass(module.binanceusdm, old)
        assert module.binanceusdm().describe()["urls"]["api"]
    ccxt_driver.unregister()
    assert [module.binance for module in MODULES] == real


def test_an_exchange_that_ccxt_pro_does_not_have_is_served_there_too() -> None:
    missing = next(name for name in ccxt.exchanges if name not in ccxt.pro.exchanges)
    ccxt_driver.register(alias=[missing])

    assert missing in ccxt.pro.exchanges
    assert issubclass(getattr(ccxt.pro, missing), OmsCcxtProExchange)


def test_what_another_program_put_there_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(ccxt.Exchange):
        pass

    real = ccxt.binance
    ccxt_driver.register(alias=["binance"])
    ccxt.binance = Other
    ccxt_driver.unregister()
    try:
        assert ccxt.binance is Other
    finally:
        ccxt.binance = real


@pytest.mark.parametrize("name", ["oms", "binance"])
def test_who_replaces_a_class_for_a_while_leaves_nothing_behind(name: str) -> None:
    """As tests of programs do; that nothing is left the fixture sees."""
    ccxt_driver.register(alias=["binance"])
    ours = getattr(ccxt, name)
    with mock.patch(f"ccxt.{name}") as patched:
        assert getattr(ccxt, name) is patched
    assert getattr(ccxt, name) is ours
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(ccxt, name, ccxt.Exchange)
        assert getattr(ccxt, name) is ccxt.Exchange
    assert getattr(ccxt, name) is ours
    with pytest.raises(AttributeError, match="unregister"):
        delattr(ccxt, name)


_IN_ANY_ORDER = """
import importlib, os, sys
os.environ["CCXT_OMS_BASE_URL"] = "embedded:"
for step in {steps!r}:
    if step == "register":
        import ccxt_driver
        loaded = set(sys.modules)
        ccxt_driver.register(alias=["binance", "bequant"])
        assert {{"ccxt.async_support", "ccxt.pro"}} & (set(sys.modules) - loaded) <= {{"ccxt.pro"}}
        if "ccxt.async_support" not in loaded:
            assert "ccxt.async_support" not in sys.modules
            assert "ccxt_driver.exchange.pro" not in sys.modules
    else:
        importlib.import_module(step)
import ccxt, ccxt.async_support, ccxt.pro
for module in (ccxt, ccxt.async_support, ccxt.pro):
    assert module.binance.served_id == module.binance().id == "binance"
    assert module.bequant.served_id == "bequant"
    assert module.exchanges.count("oms") == 1 and module.oms().id == "oms"
    assert not hasattr(module.binanceusdm, "served_id")
    assert not hasattr(module.hitbtc, "served_id")
    module.binanceusdm().describe()
    assert module.__spec__.loader is module.__loader__
    assert type(module.__loader__).__module__.startswith(("importlib", "_frozen_importlib"))
assert ccxt.pro.binanceusdm.__mro__[1].__module__ == "ccxt.pro.binance"
importlib.reload(ccxt)
assert ccxt.binance.served_id == "binance" and ccxt.exchanges.count("oms") == 1
ccxt_driver.unregister()
for module in (ccxt, ccxt.async_support, ccxt.pro):
    assert not hasattr(module, "oms") and "oms" not in module.exchanges
    assert not hasattr(module.binance, "served_id") and not hasattr(module.bequant, "served_id")
print("good")
"""


@pytest.mark.parametrize(
    "steps",
    [
        ("register",),
        ("register", "ccxt.pro"),
        ("register", "ccxt.async_support"),
        ("ccxt", "register"),
        ("ccxt.async_support", "register"),
        ("ccxt.pro", "register"),
    ],
    ids=">".join,
)
def test_modules_may_be_imported_in_any_order(steps: tuple[str, ...]) -> None:
    script = _IN_ANY_ORDER.format(steps=steps)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)

    assert done.stdout == "good\n", done.stderr


_WHILE_OTHERS_IMPORT = """
import threading, sys
sys.setswitchinterval(1e-5)
import ccxt_driver
ccxt_driver.register(alias=["binance"])
found, barrier = [], threading.Barrier(4)

def look(name):
    barrier.wait()
    module = None
    while not hasattr(module, "binance"):
        try:  # Python may see a deadlock between threads that import where none is, and give half a module
            module = __import__(name, fromlist=["binance"])
        except RuntimeError as error:
            assert "deadlock" in str(error), error
    found.append(module.binance)

names = ["ccxt.async_support", "ccxt.pro"] * 2
threads = [threading.Thread(target=look, args=(name,)) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert [getattr(kind, "served_id", None) for kind in found] == ["binance"] * 4, found
print("good")
"""


def test_no_thread_sees_the_real_class_while_modules_are_imported() -> None:
    command = [sys.executable, "-c", _WHILE_OTHERS_IMPORT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)

    assert done.stdout == "good\n", done.stderr
