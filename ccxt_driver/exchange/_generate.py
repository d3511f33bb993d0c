"""Write `_sync.py` from `_async.py`: `python -m ccxt_driver.exchange._generate`.

A test compares the whole text, so that neither file can change alone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

_HERE = Path(__file__).parent
_SOURCE = _HERE / "_async.py"
_TARGET = _HERE / "_sync.py"
_HEADER = '"""Generated from `_async.py` by `_generate.py`: change that file, not this one."""\n'


def generate() -> str:
    """The text that `_sync.py` must have."""
    import unasync

    rule = unasync.Rule("/async/", "/sync/", {"_twins_async": "_twins_sync"})
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "async" / "_async.py"
        source.parent.mkdir()
        source.write_text(_SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
        rule._unasync_file(str(source))
        text = (Path(folder) / "sync" / "_async.py").read_text(encoding="utf-8")
    _, _, rest = text.partition("\n")  # the first line is the docstring, which speaks of the source
    return _HEADER + rest


if __name__ == "__main__":
    _TARGET.write_text(generate(), encoding="utf-8")
