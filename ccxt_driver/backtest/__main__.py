"""The process of one run: `python -m ccxt_driver.backtest SETTINGS.json`."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, TextIO

from ccxt_driver.contract.values import format_time

from .collecting import collect
from .exits import exit_at_once
from .folders import alone
from .journal import Journal
from .loop import has_left_tasks
from .other_processes import end_at_once
from .report import Summary, write_numbers, write_report
from .report.failure import portable
from .report.tables import SUMMARY
from .running import Ending, ending_of, replay_journal, run_script
from .settings import COMMANDS, FAILED, INTERRUPTED, SETTINGS, UNUSABLE, Settings
from .stage import Stage

_WIDE: Final = 1_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and write the report.

    :param arguments: of the command line; those of this process by default
    :returns: 0, 1 when the script has failed, 2 when it could not begin, 130 when it was interrupted
    """
    with ExitStack() as held:
        return _main(arguments, held)


def _main(arguments: Sequence[str] | None, held: ExitStack) -> int:
    """See `main`.

    :param held: what the folder of the report is held by until it is there
    """
    parser = ArgumentParser(prog="ccxt_driver.backtest")
    parser.add_argument("settings", type=Path)
    parser.add_argument("--progress", action="store_true")
    parser.add_argument("--table", action="store_true", help="show the numbers at the end")
    parser.add_argument("--again", type=Path, help="do the commands of this file, not the script")
    parser.add_argument("--brief", action="store_true", help="write the numbers only, no report")
    given = parser.parse_args(arguments)
    # A run ends by it, also where the shell has it ignored, as in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings = Settings.model_validate_json(given.settings.read_text(encoding="utf-8"))
    try:
        import time_machine  # noqa: F401  # before anything begins
    except ImportError as error:
        text = f'Error: a backtest needs time-machine ({error}): pip install "ccxt-driver[backtest]"'
        print(text, file=sys.stderr)  # noqa: T201
        return UNUSABLE
    try:
        stage = Stage(settings)
        out = Path(settings.out)
        out.mkdir(parents=True, exist_ok=True)
        if not given.brief:
            held.enter_context(alone(out))
        out = out.absolute()  # the script may go to another folder
        # A run that is killed must not leave the numbers of an earlier one beside its own commands.
        (out / SUMMARY).unlink(missing_ok=True)
        if not given.brief:
            _write_settings(settings, out)
            stage.names.on_change = partial(_write_settings, out=out)
    except (ValueError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201  # it has no other way to say so
        return UNUSABLE
    for word, (at_ms, why) in stage.moved.items():
        print(f"Note: {word} at {format_time(at_ms)}, {why}", file=sys.stderr)  # noqa: T201
    report = partial(_report, stage, given=given, out=out, screen=_own_output(held))
    with ExitStack() as stack:
        if given.progress:
            from .progress import shown

            stage.replay.on_step = stack.enter_context(shown(stage.clock))
        # A run that is done again in its own folder has its commands there.
        if not given.brief and (given.again is None or given.again.resolve() != (out / COMMANDS).resolve()):
            stage.replay.journal = stack.enter_context(Journal(out / COMMANDS))

        def abandon() -> None:
            """End a process whose script cannot be ended otherwise."""
            ending = _noted(stage, ending_of(stage.replay, None))
            stack.close()
            _leave(report(ending), held)

        stage.replay.abandon = abandon
        try:
            ending = run_script(stage) if given.again is None else replay_journal(stage, given.again)
        except KeyboardInterrupt:  # somebody's, not that of the end of the data
            print("Interrupted: no report was written", file=sys.stderr)  # noqa: T201
            return INTERRUPTED
        _noted(stage, ending)
    code = report(ending)
    threads = stage.replay.threads
    if has_left_tasks() or threads.left_loops or threads.are_stuck:
        _leave(code, held)
    return code


def _write_settings(settings: Settings, out: Path) -> None:
    text = settings.without_secrets().model_dump_json(indent=2, exclude={"out"})
    (out / SETTINGS).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def _noted(stage: Stage, ending: Ending) -> Ending:
    """How a run has ended, once it is in its journal."""
    if stage.replay.journal is not None:
        stage.replay.journal.note_end(
            stage.clock.now_ms(), ending.ended, None if ending.error is None else portable(ending.error)
        )
    return ending


def _leave(code: int, held: ExitStack) -> NoReturn:
    """End this process without a word to what is left of the script.

    :param held: let go of before
    """
    held.close()
    end_at_once()
    _flush()
    exit_at_once(code)


def _flush() -> None:
    """Write out what was printed, to whatever the script has in the place of its streams."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def _own_output(held: ExitStack) -> TextIO:
    """Standard output; the script may close its own, or put something else in its place.

    :param held: closes it
    """
    shown = sys.stdout
    try:
        number = os.dup(shown.fileno())
    except (AttributeError, OSError, ValueError):  # there is none
        return held.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
    held.enter_context(suppress(OSError))  # nobody reads it any more
    return held.enter_context(os.fdopen(number, "w", encoding=shown.encoding, errors=shown.errors))


def _report(stage: Stage, ending: Ending, given: Namespace, out: Path, screen: TextIO) -> int:
    """Write the report of a run.

    :param given: the options of the command line
    :param out: the folder of the report
    :param screen: where the numbers are shown
    :returns: the exit code
    """
    run = collect(stage, ending)
    if given.brief:
        write_numbers(run, out)
        return 0 if run.error is None else FAILED
    summary = write_report(run, out)
    if given.table:
        _show(summary, Path(stage.settings.out), screen, failed=run.error is not None)
    return 0 if run.error is None else FAILED


def _show(summary: Summary, out: Path, file: TextIO, *, failed: bool) -> None:
    """Show the numbers; after a failure its error stays what is seen last."""
    from rich.console import Console

    from .report import notes, summary_table

    _flush()
    # Where there is no terminal nothing is cut off.
    screen = Console(file=file, highlight=False, width=None if file.isatty() else _WIDE)
    with screen.capture() as shown:
        if not failed:
            screen.print(summary_table(summary))
            for text in notes(summary):
                screen.print(text, soft_wrap=True)
        screen.print(f"report{' up to the error' if failed else ''}: {out / 'report.html'}", soft_wrap=True)
    with suppress(OSError):  # whoever has read it, such as `head`, is gone; the report is there
        file.write(shown.get())
        file.flush()


if __name__ == "__main__":
    sys.exit(main())
