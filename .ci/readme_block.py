"""Print the Nth shell block of README.md, so that CI runs what a new user copies."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"

_SHELL_BLOCK = re.compile(r"^```(?:sh|bash|shell|console)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


def shell_blocks(markdown: str) -> list[str]:
    """Find the fenced shell blocks.

    :param markdown: the text of a page
    :returns: what stands in each block, in order, without the fences
    """
    return [match.group(1).rstrip("\n") for match in _SHELL_BLOCK.finditer(markdown)]


def main() -> None:
    """Print the block whose number (from 1) is the only argument."""
    number = int(sys.argv[1])
    blocks = shell_blocks(README.read_text(encoding="utf-8"))
    if not 1 <= number <= len(blocks):
        sys.exit(f"README.md has {len(blocks)} shell blocks, there is no block {number}")
    sys.stdout.write(blocks[number - 1] + "\n")


if __name__ == "__main__":
    main()
