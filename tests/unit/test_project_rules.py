"""Tidy rules of the whole tree, each with its reason."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from ccxt_driver.contract.codes import ErrorCode

ROOT = Path(__file__).parents[2]

TOP_LEVEL_FOLDERS = {".ci", ".github", "ccxt_driver", "changelog.d", "docs", "examples", "tests"}

# What builds, tools and people leave in a checkout.
_LEFTOVERS = {"__pycache__", "_build", "build", "dist", "node_modules"}
_NO_FILES = {".env", ".git"}  # the latter is one in a worktree

# Written so that these very lines do not match.
_MACHINE_PATH = re.compile(r"(?<![\w.~}])/(?:[w]ork|[f]arm|[r]oot|[h]ome|[U]sers|[o]pt|[t]mp)/\w")
_PRIVATE_INDEX = re.compile(r"(?:[i]ndex-url|[f]ind-links|[t]rusted-host|PIP_[I]NDEX)", re.IGNORECASE)


def _is_of_the_project(folder: Path) -> bool:
    if folder.name in _LEFTOVERS or folder.suffix == ".egg-info" or (folder / "pyvenv.cfg").exists():
        return False
    return not folder.name.startswith(".") or folder.name in TOP_LEVEL_FOLDERS


def _files(folder: Path = ROOT) -> Iterator[Path]:
    """Walk the tree without git: the tests also run from an unpacked source distribution."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if _is_of_the_project(path):
                yield from _files(path)
        elif path.name not in _NO_FILES and path.suffix not in {".sqlite", ".sqlite-shm", ".sqlite-wal"}:
            yield path


def _lines_that_match(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in _files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def _readme_block_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme_block", ROOT / ".ci" / "readme_block.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_line_names_a_path_of_somebodys_machine() -> None:
    """Such a path works for one person only, and tells who it was."""
    assert _lines_that_match(_MACHINE_PATH) == []


def test_no_line_names_a_package_index() -> None:
    """Where packages come from is the user's choice, made in pip's own configuration."""
    assert _lines_that_match(_PRIVATE_INDEX) == []


def test_top_level_folders_are_the_known_ones() -> None:
    """A newcomer reads the first level to find the way; a new folder there is a decision."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and _is_of_the_project(path)}

    assert folders - TOP_LEVEL_FOLDERS == set()


def test_shell_blocks_are_found_whatever_stands_between_them() -> None:
    text = "```sh\none\n```\n\n```python\nnot me\n```\n\n```bash\ntwo \\\n  lines\n```\n~~~\nnor me\n~~~\n"

    assert _readme_block_script().shell_blocks(text) == ["one", "two \\\n  lines"]


def test_readme_starts_with_two_commands_to_copy() -> None:
    """The first two shell blocks run the main job and the tests; CI copies them as a new user would."""
    run_example, run_tests = _readme_block_script().shell_blocks(_readme())[:2]

    assert run_example.splitlines() == [run_example]
    assert run_tests.splitlines() == [run_tests]
    assert "examples/01_first_order.py" in run_example
    assert "[test]" in run_tests
    assert "pytest" in run_tests


def test_readme_tells_what_every_error_code_becomes() -> None:
    """A user who meets a code finds the exception to catch in the first page read."""
    rows = [line for line in _readme().splitlines() if line.startswith("|")]

    missing = [code.value for code in ErrorCode if not any(f"`{code.value}`" in row for row in rows)]
    assert missing == []


def test_sync_twin_is_what_the_generator_writes() -> None:
    """Both classes come from one text; a twin edited by hand would be lost at the next run."""
    from ccxt_driver.exchange import _generate

    written = {path.name: path.read_text(encoding="utf-8") for path in _generate.TARGET.glob("*.py")}

    assert written == _generate.generate(), "run: python -m ccxt_driver.exchange._generate"
