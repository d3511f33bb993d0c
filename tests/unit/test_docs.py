"""The Python code of the pages runs, so that it can be copied."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"

_PYTHON_BLOCK = re.compile(r"^```python[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


def _python_blocks(page: Path) -> list[tuple[int, str]]:
    """Find the Python code of a page, each block with its line number."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start()) + 1, match.group(1)) for match in _PYTHON_BLOCK.finditer(text)
    ]


BLOCKS = [
    pytest.param(source, id=f"{page.name}:{line}")
    for page in sorted(DOCS.glob("*.md"))
    for line, source in _python_blocks(page)
]


@pytest.mark.parametrize("source", BLOCKS)
def test_code_of_the_pages_runs(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    exec(compile(source, "<docs>", "exec"), {"__name__": "__main__"})


def test_there_is_code_to_run() -> None:
    assert BLOCKS
