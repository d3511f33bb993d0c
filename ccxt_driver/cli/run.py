"""`ccxt-driver run`: one program with the OMS put into its ccxt; nothing is installed."""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final

import click

_INTERRUPTED: Final = 130
_OF_A_PROFILE: Final = {
    "base_url": "CCXT_OMS_BASE_URL",
    "account_id": "CCXT_OMS_ACCOUNT_ID",
    "strategy_id": "CCXT_OMS_STRATEGY_ID",
}


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--profile", help="Of ccxt-driver profile; what it says wins over the environment.")
@click.option("--override", metavar="IDS", help="Exchanges that the OMS serves, such as binance,bybit.")
@click.option("-m", "as_module", is_flag=True, help="PROGRAM is a module.")
@click.argument("program")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(
    profile: str | None, override: str | None, as_module: bool, program: str, arguments: tuple[str, ...]
) -> None:
    """Run PROGRAM with ARGUMENTS; its ccxt has the OMS.

    PROGRAM is a .py file, a module with -m, or a command that is installed in this environment.
    Processes that it starts are not covered; ccxt-driver autopatch install covers them.
    """
    _set_environment(profile, override)
    start = _starter(program, as_module)
    from ccxt_driver import autopatch

    try:
        autopatch.start()
    except ImportError as error:
        raise click.UsageError(str(error)) from error
    _tell_what_is_not_covered()
    sys.argv = [program, *arguments]
    _as_a_process(start)


def _set_environment(profile: str | None, override: str | None) -> None:
    """Say by the environment what the options say: the program's own children inherit it."""
    from ccxt_driver import autopatch, profiles

    os.environ[autopatch.SWITCH] = "on"
    if override is not None:
        os.environ[autopatch.OVERRIDE] = override
        os.environ[autopatch.MODE] = autopatch.OVERRIDING
    if profile is None:
        return
    try:
        found = profiles.load(profile)
    except profiles.ProfileError as error:
        raise click.ClickException(str(error)) from error
    if found is None:
        raise click.ClickException(
            f"there is no profile {profile}: ccxt-driver profile list shows those there are"
        )
    os.environ["CCXT_OMS_PROFILE"] = profile
    for field, variable in _OF_A_PROFILE.items():
        if found[field] is not None:
            os.environ.pop(variable, None)


def _tell_what_is_not_covered() -> None:
    from ccxt_driver import autopatch

    served = autopatch.wish(os.environ).override
    if not served:
        what = "only the id oms is served by the OMS; --override serves others, such as binance"
    elif not _hook_is_installed():
        what = (
            "processes that it starts anew are not covered, and would reach the real "
            f"{', '.join(served)}; ccxt-driver autopatch install covers them"
        )
    else:
        return
    click.echo(f"ccxt-driver run: {what}", err=True)


def _hook_is_installed() -> bool:
    """Whether Python reads the hook at its start, as the processes of the program do."""
    from ccxt_driver import hook_file

    for of_user in (False, True):
        try:
            if hook_file.read(hook_file.folder(of_user) / hook_file.NAME) is not None:
                return True
        except hook_file.HookError:  # there is no such folder for this Python, or no file of ours in it
            continue
    return False


def _starter(program: str, as_module: bool) -> Callable[[], Any]:
    """How the program is started.

    :raises ClickException: there is no such program
    """
    if as_module:
        _search_first(str(Path.cwd()))
        return lambda: runpy.run_module(program, run_name="__main__", alter_sys=True)
    if Path(program).is_file() or Path(program, "__main__.py").is_file():
        return _of_a_file(program)
    from importlib.metadata import entry_points

    for found in entry_points(group="console_scripts", name=program):
        return lambda: sys.exit(found.load()())
    script = shutil.which(program)
    if script is None:
        raise click.ClickException(
            f"{program}: there is no such file, and no such command of this environment"
        )
    with Path(script).open("rb") as file:
        if b"python" not in file.readline():
            raise click.ClickException(f"{script} is no Python program")
    return _of_a_file(script)


def _of_a_file(path: str) -> Callable[[], Any]:
    _search_first(str(Path(path).resolve().parent))
    whole = str(Path(path).absolute())  # as Python makes it, for programs that go to another folder
    return lambda: runpy.run_path(whole, run_name="__main__")


def _search_first(folder: str) -> None:
    """As Python does for the program that it is given; what it did for this one is taken back."""
    if not sys.flags.safe_path:
        sys.path[:1] = [folder]


def _as_a_process(start: Callable[[], Any]) -> None:
    """Let the program end as it would on its own: what it raises is not for the command line to catch."""
    try:
        _keep_as_main(start())
    except BaseException as error:  # as the interpreter does at the end of a program
        _keep_as_main(_globals_of(error.__traceback__))
        if isinstance(error, SystemExit):
            raise
        _show(error)
        sys.exit(_INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1)
    sys.exit(0)


def _keep_as_main(names: Any) -> None:
    """Leave the program in its place for its threads and for what it does at exit; `runpy` takes it away.

    :param names: the globals of the program; of a command there are none
    """
    if isinstance(names, dict):
        sys.modules["__main__"] = ModuleType("__main__")
        vars(sys.modules["__main__"]).update(names)


def _globals_of(trace: TracebackType | None) -> dict[str, Any] | None:
    """The globals of the program that has ended with this traceback."""
    trace = _without_ours(trace)
    names = None if trace is None else trace.tb_frame.f_globals
    return names if names is not None and names.get("__name__") == "__main__" else None


def _show(error: BaseException) -> None:
    trace = _without_ours(error.__traceback__)
    sys.excepthook(type(error), error.with_traceback(trace), trace)


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """A traceback that begins in the program."""
    ours = (__file__, runpy.__file__, "<frozen runpy>")
    while trace is not None and trace.tb_frame.f_code.co_filename in ours:
        trace = trace.tb_next
    return trace
