"""The file `ccxt_driver_autopatch.pth` in a folder of packages: Python reads it at every start.

It holds one comment and one line that puts a finder before the others, which waits for `import ccxt`.
The line imports nothing that is not there at every start, and does not need this package: that may be
installed in a folder that is searched later, or be gone.
"""

from __future__ import annotations

import hashlib
import os
import site
import sys
import tempfile
from pathlib import Path
from typing import Final

NAME: Final = "ccxt_driver_autopatch.pth"
"""Sorted behind the files that make an editable installation known."""

_AT_START: Final = """\
import sys
class WaitsForCcxt:
    def find_spec(self, name, path=None, target=None):
        if name == "ccxt":
            then = {}
            exec(at_import, then)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            return then["find_spec"](name)
if "ccxt" in sys.modules:
    exec(at_import, {})
else:
    sys.meta_path.insert(0, WaitsForCcxt())
"""
"""As little as can be: it is compiled at every start, and in a virtual environment read twice.

It goes on waiting when `_AT_IMPORT` fails: a program that tries the import again gets no other ccxt."""
_AT_IMPORT: Final = """\
import os, sys
from importlib.util import find_spec
get = os.environ.get
if get("CCXT_OMS_AUTOPATCH", "").strip().lower() not in ("off", "0", "false", "no"):
    try:
        from ccxt_driver import autopatch
    except Exception as error:
        what = "ccxt-driver autopatch: ccxt_driver cannot be imported (%s)" % error
        safe = get("CCXT_OMS_AUTOPATCH_MODE", "").strip().lower() == "safe"
        if get("CCXT_OMS_OVERRIDE_EXCHANGES", "").strip() and not safe:
            raise ImportError(what + ", and CCXT_OMS_OVERRIDE_EXCHANGES is set") from error
        if get("CCXT_OMS_AUTOPATCH") and sys.stderr is not None:
            sys.stderr.write(what + "\\n")
    else:
        autopatch.start()
"""
_LINE: Final = (
    'import sys; any(type(each).__name__ == "WaitsForCcxt" for each in sys.meta_path) or '
    f'exec({_AT_START!r}, {{"__name__": "ccxt_driver_autopatch", "at_import": {_AT_IMPORT!r}}})'
)


class HookError(Exception):
    """The file cannot be written or removed; the text says why and what to do."""


def text() -> str:
    """What the file holds."""
    return f"{_comment(_LINE)}\n{_LINE}\n"


def _comment(line: str) -> str:
    digest = hashlib.sha256(line.encode()).hexdigest()
    return f"# Written by ccxt-driver autopatch install, removed by uninstall. Its line: sha256 {digest}"


def folder(of_user: bool) -> Path:
    """Where the file belongs.

    :param of_user: for all of this user's programs on this version of Python, not for this virtual
        environment
    :raises HookError: this Python does not read a file there
    """
    in_venv = sys.prefix != sys.base_prefix or Path(sys.prefix, "conda-meta").is_dir()
    if not of_user:
        if not in_venv:
            raise HookError(
                f"{sys.executable} is no virtual environment: make one (python -m venv .venv), or use --user"
            )
        import sysconfig

        return Path(sysconfig.get_path("purelib"))
    if not site.ENABLE_USER_SITE:
        why = "a virtual environment does not read them" if in_venv else "they are turned off"
        raise HookError(f"{sys.executable} reads no packages of the user: {why}; use --venv")
    return Path(site.getusersitepackages())


def is_ours(content: str) -> bool:
    """Whether a file was written by this or another version, and not changed since."""
    first, _, rest = content.partition("\n")
    return rest.endswith("\n") and rest.count("\n") == 1 and first == _comment(rest[:-1])


def read(file: Path) -> str | None:
    """What stands in the file; None when there is none.

    :raises HookError: it is not ours, or was changed
    """
    if not os.path.lexists(file):
        return None
    try:
        content = None if file.is_symlink() else file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        content = None
    if content is None or not is_ours(content):
        raise HookError(
            f"{file} was not written by ccxt-driver, or was changed since: it is left alone; look at it, "
            "and remove it by hand if it is not needed"
        )
    return content


def install(file: Path) -> bool:
    """Write the file.

    :returns: whether anything was to be done
    :raises HookError: another file is there, or it cannot be written
    """
    if read(file) == text():
        return False
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".ccxt_driver_autopatch-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text())
            Path(name).chmod(0o644)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise HookError(f"{file} cannot be written: {error.strerror}") from error
    return True


def uninstall(file: Path) -> bool:
    """Remove the file.

    :returns: whether there was one
    :raises HookError: it is not ours, or cannot be removed
    """
    if read(file) is None:
        return False
    try:
        file.unlink()
    except OSError as error:
        raise HookError(f"{file} cannot be removed: {error.strerror}") from error
    return True
