"""What users write passes mypy, and what they should not write does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="mypy is of the development extra")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
USERS = ["blocking_user.py", "coroutine_user.py", "stream_user.py", "wrong_use.py"]


def _mypy(*arguments: str | Path) -> str:
    """Run mypy on the folder; what it says of the package itself is another check's."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", *map(str, arguments)]
    files = [str(HERE / name) for name in USERS]
    result = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    return result.stdout + result.stderr


def test_with_the_annotations_of_ccxt() -> None:
    assert _mypy("--config-file", "pyproject.toml") == ""


def test_where_ccxt_is_untyped(tmp_path: Path) -> None:
    """As a program sees it whose mypy does not follow untyped imports."""
    assert _mypy("--config-file", HERE / "user.ini", "--cache-dir", tmp_path, "--follow-imports=silent") == ""


def test_every_user_is_checked() -> None:
    assert sorted(path.name for path in HERE.glob("*.py")) == sorted([*USERS, Path(__file__).name])
