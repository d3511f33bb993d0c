"""Write `_sync/` from `_async/`: `python -m ccxt_driver.exchange._generate`.

A test compares the whole texts, so that neither side can change alone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

_HERE = Path(__file__).parent
_SOURCE = _HERE / "_async"
TARGET = _HERE / "_sync"
_HEADER = "# Generated from `_async/{}` by `_generate.py`: change that file, not this one.\n"
_TWINS = {
    "_twins_async": "_twins_sync",
    # The coroutine class runs its helper in one task for all who wait; the blocking one has no helper.
    "load_markets_helper": "load_markets",
}


def generate() -> dict[str, str]:
    """The text that each file of `_sync/` must have, by file name."""
    import unasync

    rule = unasync.Rule("/_async/", "/_sync/", _TWINS)
    texts = {}
    with tempfile.TemporaryDirectory() as folder:
        for source in sorted(_SOURCE.glob("*.py")):
            copy = Path(folder) / "_async" / source.name
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
            rule._unasync_file(str(copy))
            text = (Path(folder) / "_sync" / source.name).read_text(encoding="utf-8")
            texts[source.name] = _HEADER.format(source.name) + text
    return texts


def main() -> None:
    """Bring `_sync/` up to date."""
    TARGET.mkdir(exist_ok=True)
    texts = generate()
    for name, text in texts.items():
        (TARGET / name).write_text(text, encoding="utf-8")
    for stale in TARGET.glob("*.py"):
        if stale.name not in texts:
            stale.unlink()


if __name__ == "__main__":
    main()
