"""`ccxt-driver run`: the program sees what it would see if Python had started it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "ccxt_driver", "run", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


SHOW = "import sys\nprint(__name__, sys.argv, sys.path[0], sys.modules['__main__'].__file__)\n"


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    program = tmp_path / "elsewhere" / "program.py"
    program.write_text("import beside\n" + SHOW)
    (program.parent / "beside.py").write_text("")
    done = run(str(program), "-m", "--profile", "x", cwd=tmp_path)

    arguments = [str(program), "-m", "--profile", "x"]
    assert done.stdout == f"__main__ {arguments} {program.parent} {program}\n", done.stderr


def test_a_module(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    module = tmp_path / "package" / "__main__.py"
    module.write_text(SHOW)
    done = run("-m", "package", "-x", cwd=tmp_path)

    assert done.stdout == f"__main__ ['{module}', '-x'] {tmp_path} {module}\n", done.stderr


def test_a_command_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "pytest").mkdir()  # such as a folder of its sources: it is no program
    done = run("pytest", "--version", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pytest ")


@pytest.mark.parametrize(
    "code, status, last",
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('because')", 1, "because"),
        ("raise EOFError('mine')", 1, "EOFError: mine"),
        ("import click\nraise click.ClickException('mine')", 1, "click.exceptions.ClickException: mine"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("import os\nos._exit(5)", 5, ""),
    ],
    ids=["status", "message", "eof", "click", "interrupt", "exit"],
)
def test_it_ends_as_the_program_ends(tmp_path: Path, code: str, status: int, last: str) -> None:
    (tmp_path / "program.py").write_text(code + "\n")
    done = run("program.py", cwd=tmp_path)

    assert done.returncode == status
    lines = done.stderr.splitlines()[1:]  # the first one is ours
    assert (lines[-1] if lines else "") == last
    traceback = [line for line in lines if line.startswith("  File ")]
    assert all(f'File "{tmp_path / "program.py"}"' in line for line in traceback)
    assert bool(traceback) is ("Error" in last or "Interrupt" in last or "Exception" in last)


@pytest.mark.parametrize(
    "arguments, variables, message",
    [
        (("nowhere.py",), {}, "nowhere.py: there is no such file"),
        (("--profile", "nobody", "program.py"), {}, "there is no profile nobody"),
        (("--override", "", "program.py"), {}, "names no exchange"),
        (("--wrong", "program.py"), {}, "No such option"),
        (
            ("program.py",),
            {"CCXT_OMS_AUTOPATCH_MODE": "overide", "CCXT_OMS_OVERRIDE_EXCHANGES": "x"},
            "overide",
        ),
        ((), {}, "Missing argument"),
    ],
    ids=str,
)
def test_what_cannot_be_started_is_told(
    tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str], message: str
) -> None:
    (tmp_path / "program.py").write_text("print('started')\n")
    done = run(*arguments, cwd=tmp_path, **variables)

    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert done.stdout == ""


def test_the_switch_is_on_whatever_the_environment_says(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import ccxt, os\nprint('oms' in ccxt.exchanges)\n")

    assert run("program.py", cwd=tmp_path, CCXT_OMS_AUTOPATCH="off").stdout == "True\n"


_ENDS_LATE = """
import atexit, os, pickle, sys, threading

class State:
    pass

def late(told):
    assert type(pickle.loads(pickle.dumps(State()))) is State
    print(told, os.path.isabs(__file__), flush=True)

atexit.register(late, "at exit")
waiting = threading.Event()
threading.Thread(target=lambda: (threading.main_thread().join(), late("thread"))).start()
{end}
"""


@pytest.mark.parametrize("end", ["", "sys.exit(0)"])
@pytest.mark.parametrize("as_module", [False, True])
def test_what_outlives_the_programs_last_line_finds_the_program(
    tmp_path: Path, end: str, as_module: bool
) -> None:
    """As a bot does that keeps its state when it ends."""
    (tmp_path / "program.py").write_text(_ENDS_LATE.format(end=end))
    done = run(*(("-m", "program") if as_module else ("program.py",)), cwd=tmp_path)

    assert done.stdout == "thread True\nat exit True\n", done.stderr


def test_what_is_not_covered_is_said(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("")
    for chosen, message in (
        ((), "only the id oms is served by the OMS; --override serves others, such as binance"),
        (("--override", "binance,bybit"), "processes that it starts anew are not covered, and would reach"),
    ):
        done = run(*chosen, "program.py", cwd=tmp_path)
        (line,) = done.stderr.splitlines()
        assert line.startswith("ccxt-driver run: ")
        assert message in line
    assert "the real binance, bybit" in line
