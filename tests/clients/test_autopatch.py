"""The hook in virtual environments of its own: programs there import only ccxt, and know nothing of it."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver import hook_file
from tests.helpers.fresh_venv import FreshVenv, without_this_package
from tests.helpers.served import serve

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links instead of installing")

SHOW = """
import ccxt, json, sys
print(json.dumps({
    "oms": "oms" in ccxt.exchanges and ccxt.oms({"options": {"base_url": "embedded:"}}).name,
    "binance": ccxt.binance.__module__,
    "hook": any(type(each).__name__ == "WaitsForCcxt" for each in sys.meta_path),
}))
"""
REAL, OURS = "ccxt.binance", "ccxt"


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> FreshVenv:
    """Make an environment in which the hook is installed."""
    made = FreshVenv(tmp_path_factory.mktemp("autopatch"))
    made.driver("autopatch", "install")
    return made


def test_installed_used_and_removed_without_a_trace(tmp_path: Path) -> None:
    venv = FreshVenv(tmp_path)
    (venv.packages / "sitecustomize.py").write_text("import sys\nsys.custom = True\n")
    before = venv.files()
    assert venv.driver("autopatch", "status", check=False).startswith("1 ")
    hook = venv.packages / hook_file.NAME

    assert venv.driver("autopatch", "install") == f"installed: {hook}"
    assert venv.driver("autopatch", "install", "--venv") == f"installed already: {hook}"
    assert hook.read_text().splitlines()[1:] == [hook_file.text().splitlines()[1]]  # one line, and a comment
    assert json.loads(venv.code(SHOW)) == {"oms": "OMS (PAPER)", "binance": REAL, "hook": False}
    assert venv.code("import sys; print(sys.custom)") == "True"
    status = venv.driver(
        *("autopatch", "status"), CCXT_OMS_BASE_URL="embedded:", CCXT_OMS_OVERRIDE_EXCHANGES="binance"
    )
    assert status.splitlines()[0] == f"venv: installed: {hook}"
    assert "served by the OMS: oms, binance" in status
    wrong = venv.driver("autopatch", "status", CCXT_OMS_PROFILE="nobody")
    assert "OMS: unknown: there is no profile nobody (CCXT_OMS_PROFILE)" in wrong
    assert "OMS: embedded: (CCXT_OMS_BASE_URL, PAPER trading inside the process)" in status
    assert venv.driver("autopatch", "uninstall") == f"removed: {hook}"
    assert venv.driver("autopatch", "uninstall") == f"not installed: {hook}"

    assert venv.files() == before
    assert json.loads(venv.code(SHOW)) == {"oms": False, "binance": REAL, "hook": False}


def test_it_costs_nothing_before_ccxt_is_imported(venv: FreshVenv) -> None:
    """No module more is loaded, and so no file more is read than the hook's own."""
    show = "import sys; print(len(sys.meta_path), *sorted(sys.modules))"
    with_hook = venv.code(show).split()
    hook = venv.packages / hook_file.NAME
    hook.rename(hook.with_suffix(".off"))
    try:
        without = venv.code(show).split()
    finally:
        hook.with_suffix(".off").rename(hook)

    assert with_hook[1:] == without[1:]
    assert int(with_hook[0]) == int(without[0]) + 1


@pytest.mark.parametrize(
    "variables, expected",
    [
        ({}, ("OMS (PAPER)", REAL)),
        ({"AUTOPATCH": "on", "AUTOPATCH_MODE": "safe"}, ("OMS (PAPER)", REAL)),
        ({"AUTOPATCH": "off", "OVERRIDE_EXCHANGES": "binance"}, (False, REAL)),
        ({"OVERRIDE_EXCHANGES": "binance"}, ("OMS (PAPER)", OURS)),
        ({"AUTOPATCH_MODE": "override", "OVERRIDE_EXCHANGES": "bybit, BINANCE"}, ("OMS (PAPER)", OURS)),
        ({"AUTOPATCH_MODE": "safe", "OVERRIDE_EXCHANGES": "binance"}, ("OMS (PAPER)", REAL)),
    ],
    ids=str,
)
def test_modes(venv: FreshVenv, variables: dict[str, str], expected: Any) -> None:
    shown = json.loads(venv.code(SHOW, **{f"CCXT_OMS_{name}": value for name, value in variables.items()}))

    assert (shown["oms"], shown["binance"]) == expected


@pytest.mark.parametrize(
    "variables, message",
    [
        ({"OVERRIDE_EXCHANGES": "binanse"}, "ccxt has no exchange binanse"),
        ({"AUTOPATCH_MODE": "overide", "OVERRIDE_EXCHANGES": "binance"}, "CCXT_OMS_AUTOPATCH_MODE=overide"),
        ({"AUTOPATCH_MODE": "override"}, "CCXT_OMS_OVERRIDE_EXCHANGES names no exchange"),
    ],
    ids=str,
)
def test_what_contradicts_itself_ends_the_import_of_ccxt(
    venv: FreshVenv, variables: dict[str, str], message: str
) -> None:
    """Going on would be trading on the real exchange."""
    names = {f"CCXT_OMS_{name}": value for name, value in variables.items()}
    error = venv.code(SHOW, check=False, **names)

    assert error.splitlines()[-1].startswith("ImportError: ")
    assert message in error.splitlines()[-1]
    assert venv.code("print('others go on')", **names) == "others go on"


@pytest.mark.parametrize("name", ["b_early.pth", "z_late.pth", "sitecustomize.py"])
def test_what_is_started_with_python_may_import_ccxt(venv: FreshVenv, name: str) -> None:
    file = venv.packages / name
    file.write_text("import ccxt\n")
    try:
        shown = json.loads(venv.code(SHOW, CCXT_OMS_OVERRIDE_EXCHANGES="binance"))
    finally:
        file.unlink()

    assert shown == {"oms": "OMS (PAPER)", "binance": OURS, "hook": False}


_TRIES_AGAIN = """
for name in ("ccxt.pro", "ccxt.async_support", "ccxt", "ccxt"):
    try:
        __import__(name)
    except ImportError as error:
        print(type(error).__name__)
    else:
        print(name, "imported")
"""


@pytest.mark.parametrize("variables", [{"AUTOPATCH_MODE": "overide"}, {}], ids=str)
def test_who_tries_the_import_again_does_not_get_the_real_exchange(
    venv: FreshVenv, variables: dict[str, str]
) -> None:
    """As `try: import ccxt.pro as ccxt; except ImportError: import ccxt` does."""
    names = {f"CCXT_OMS_{name}": value for name, value in variables.items()}
    listed = {"CCXT_OMS_OVERRIDE_EXCHANGES": "binance" if variables else "binanse"}

    assert venv.code(_TRIES_AGAIN, **names, **listed).split() == ["ImportError"] * 4


def test_without_configuration_an_overridden_exchange_refuses(venv: FreshVenv) -> None:
    trade = "import ccxt; ccxt.binance({'apiKey': 'hunter2', 'secret': 'hunter3'})"
    error = venv.code(trade, check=False, CCXT_OMS_OVERRIDE_EXCHANGES="binance").splitlines()[-1]

    assert error.startswith("ccxt.base.errors.ArgumentsRequired: binance: ")
    assert "hunter" not in error


@pytest.mark.parametrize("name", ["ccxt.pro", "ccxt.async_support"])
def test_the_other_modules_may_come_first(venv: FreshVenv, name: str) -> None:
    code = f"import {name} as it; print(it.binance().name, it.oms().id, 'oms' in it.exchanges)"
    shown = venv.code(code, CCXT_OMS_OVERRIDE_EXCHANGES="binance", CCXT_OMS_BASE_URL="embedded:")

    assert shown == "OMS (PAPER) as binance oms True"


def test_who_only_looks_whether_ccxt_is_there_changes_nothing(venv: FreshVenv) -> None:
    look = "from importlib.util import find_spec; assert find_spec('ccxt') is not None\n"

    assert json.loads(venv.code(look + SHOW))["oms"] == "OMS (PAPER)"


@pytest.mark.parametrize("flag", ["-S", "-I", "-E", "-s"])
def test_no_start_of_python_breaks(venv: FreshVenv, flag: str) -> None:
    assert venv.run(flag, "-c", "print('started')").stdout == "started\n"


def test_without_the_package_programs_go_on_and_overridden_ones_do_not(tmp_path: Path) -> None:
    venv = FreshVenv(tmp_path)
    venv.driver("autopatch", "install")
    rest = without_this_package(tmp_path / "rest")
    (venv.packages / "a_linked.pth").write_text(f"{rest}\n")
    code = "import ccxt; print(ccxt.binance.__module__, 'oms' in ccxt.exchanges)"

    quiet = venv.run("-c", code)
    assert (quiet.stdout, quiet.stderr) == (f"{REAL} False\n", "")
    said = venv.run("-c", code, CCXT_OMS_AUTOPATCH="on")
    assert said.stdout == f"{REAL} False\n"
    assert said.stderr.splitlines() == [
        "ccxt-driver autopatch: ccxt_driver cannot be imported (No module named 'ccxt_driver')"
    ]
    error = venv.code(code, check=False, CCXT_OMS_OVERRIDE_EXCHANGES="binance")
    assert "ccxt_driver cannot be imported" in error
    assert "CCXT_OMS_OVERRIDE_EXCHANGES is set" in error.splitlines()[-1]
    again = venv.code(_TRIES_AGAIN, CCXT_OMS_OVERRIDE_EXCHANGES="binance")
    assert again.split() == ["ImportError"] * 4
    assert (
        venv.run("-c", code, CCXT_OMS_AUTOPATCH="off", CCXT_OMS_OVERRIDE_EXCHANGES="binance").returncode == 0
    )


@pytest.mark.parametrize("content", ["import os\n", "changed", "", "link"])
def test_what_it_did_not_write_is_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / hook_file.NAME
    if content == "link":
        (tmp_path / "elsewhere").write_text(hook_file.text())
        file.symlink_to(tmp_path / "elsewhere")
    else:
        file.write_text(hook_file.text() + "import os\n" if content == "changed" else content)
    before = file.read_text()
    for act in (hook_file.install, hook_file.uninstall):
        with pytest.raises(hook_file.HookError, match="left alone"):
            act(file)

    assert file.read_text() == before
    assert file.is_symlink() is (content == "link")


def test_a_file_of_another_version_is_replaced_and_removed(tmp_path: Path) -> None:
    file = tmp_path / hook_file.NAME
    line = "import sys; sys.older = True"
    file.write_text(f"{hook_file._comment(line)}\n{line}\n")

    assert hook_file.install(file) is True
    assert file.read_text() == hook_file.text()
    file.write_text(f"{hook_file._comment(line)}\n{line}\n")
    assert hook_file.uninstall(file) is True
    assert list(tmp_path.iterdir()) == []


def test_the_users_folder_is_only_offered_where_it_is_read(venv: FreshVenv) -> None:
    assert "a virtual environment does not read them" in venv.driver(
        "autopatch", "install", "--user", check=False
    )


def test_an_environment_of_conda_is_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no environment by what Python itself says."""
    for name in ("prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path))
    with pytest.raises(hook_file.HookError, match="is no virtual environment"):
        hook_file.folder(of_user=False)
    (tmp_path / "conda-meta").mkdir()

    assert hook_file.folder(of_user=False) == Path(sysconfig.get_path("purelib"))


def test_for_all_programs_of_a_user(tmp_path: Path) -> None:
    """Outside of virtual environments; the package may be installed in a folder that comes later."""
    venv = FreshVenv(tmp_path)
    base = getattr(sys, "_base_executable", sys.executable)
    paths = ":".join([str(Path(__file__).parents[2]), sysconfig.get_path("purelib")])
    environment = {"HOME": str(venv.home), "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [base, *arguments], env=environment, capture_output=True, text=True, check=True, cwd=venv.home
        )
        return done.stdout.strip()

    if run("-c", "import sys; print(sys.prefix == sys.base_prefix)") != "True":
        pytest.skip("the Python of this environment is one of an environment itself")
    before = venv.files()
    assert run("-m", "ccxt_driver", "autopatch", "install", "--user").startswith("installed: ")
    assert json.loads(run("-c", SHOW))["oms"] == "OMS (PAPER)"
    assert run("-m", "ccxt_driver", "autopatch", "uninstall", "--user").startswith("removed: ")
    assert venv.files() == before


# -- several processes, one truth


@pytest.fixture(scope="module")
def environment_of_oms() -> Iterator[Any]:
    from ccxt_driver.oms import EmbeddedOms

    with serve(EmbeddedOms()) as served:
        yield {
            "CCXT_OMS_BASE_URL": served.base_url,
            "CCXT_OMS_API_KEY": served.api_key,
            "CCXT_OMS_ACCOUNT_ID": "1",
            "CCXT_OMS_OVERRIDE_EXCHANGES": "binance",
        }


BOT = """
import ccxt
exchange = ccxt.binance({"apiKey": "of the venue", "secret": "of the venue"})
price = exchange.fetch_ticker("BTC/USDT")["bid"] * 0.8
for order in exchange.fetch_open_orders("BTC/USDT"):
    print("canceled", exchange.cancel_order(order["id"], "BTC/USDT")["id"])
    break
else:
    print("placed", exchange.create_order("BTC/USDT", "limit", "buy", 0.01, price)["id"])
"""
WATCHER = """
import ccxt
exchange = ccxt.binance()
print([(order["id"], order["status"]) for order in exchange.fetch_orders("BTC/USDT")])
"""


@pytest.mark.sockets
def test_a_watcher_sees_what_a_bot_does_which_finds_its_orders_when_it_starts_again(
    venv: FreshVenv, environment_of_oms: dict[str, str]
) -> None:
    placed, order_id = venv.code(BOT, **environment_of_oms).split()
    assert placed == "placed"
    assert venv.code(WATCHER, **environment_of_oms) == f"[('{order_id}', 'open')]"
    assert venv.code(BOT, **environment_of_oms) == f"canceled {order_id}"
    assert venv.code(WATCHER, **environment_of_oms) == f"[('{order_id}', 'canceled')]"


def test_run_does_it_for_one_program(tmp_path: Path) -> None:
    venv = FreshVenv(tmp_path)
    before = venv.files()
    venv.driver("profile", "add", "paper", "--base-url", "embedded:", "--account-id", "2")
    program = tmp_path / "program.py"
    program.write_text(
        "import ccxt, sys\n"
        "exchange = ccxt.binance({'secret': 'of the venue'})\n"
        "print(exchange.name, exchange.options['account_id'], sys.argv[1:], sys.path[0], __name__)\n"
    )
    shown = venv.driver(
        *("run", "--profile", "paper", "--override", "binance", str(program), "--flag", "x"),
        CCXT_OMS_BASE_URL="http://live.test",
    )

    assert shown == f"OMS (PAPER) as binance 2 ['--flag', 'x'] {tmp_path} __main__"
    made = {Path(path).name for path in venv.files() if path not in before}
    assert made - {"profiles.lock"} == {"profiles.json"}
