"""Named settings of gateways in one file that its owner alone can read."""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

FIELDS: Final = ("base_url", "account_id", "strategy_id", "api_key", "sandbox")
"""What a profile may say; `sandbox` is the name of another profile."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_VERSION: Final = 1


class ProfileError(Exception):
    """A profile, or the file of them, cannot be used; the text says what to do."""


class ProfilesNotSafe(ProfileError):
    """Others than the owner can read or change the file, which holds keys."""


def path(environment: Mapping[str, str] | None = None) -> Path:
    """Where the profiles are kept: `ccxt-driver/profiles.json` under the user's configuration folder.

    :param environment: `XDG_CONFIG_HOME`, on Windows `APPDATA`; None for that of the process
    :raises ProfileError: the user has no home
    """
    environment = os.environ if environment is None else environment
    folder = environment.get("XDG_CONFIG_HOME")
    if sys.platform == "win32" and not folder:
        folder = environment.get("APPDATA")
    if not folder or not Path(folder).is_absolute():
        try:
            folder = str(Path.home() / ".config")
        except RuntimeError as error:  # a user without a home, as in some containers
            raise ProfileError(f"{error}; set XDG_CONFIG_HOME to keep profiles") from None
    return Path(folder) / "ccxt-driver" / "profiles.json"


def load(name: str | None = None, environment: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """One profile.

    :param name: None for the chosen one: that of `CCXT_OMS_PROFILE`, else of `ccxt-driver profile use`
    :param environment: None for that of the process
    :returns: `name`, `base_url`, `account_id`, `strategy_id`, `api_key`, `sandbox`, None for what it
        leaves open; None when there is no such profile, or none is chosen
    :raises ProfileError: the file is none of ours
    :raises ProfilesNotSafe: others can read it
    """
    content = read(environment)
    if name is None:
        environment = os.environ if environment is None else environment
        name = environment.get("CCXT_OMS_PROFILE") or content["chosen"]
    found = content["profiles"].get(name)
    return None if found is None else {"name": name, **{field: found.get(field) for field in FIELDS}}


def read(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """All profiles: `chosen`, a name or None, and `profiles` by name.

    :raises ProfileError: the file is none of ours
    :raises ProfilesNotSafe: others can read it
    """
    nothing: dict[str, Any] = {"version": _VERSION, "chosen": None, "profiles": {}}
    try:
        file = path(environment)
    except ProfileError:
        return nothing
    try:
        if not file.exists():
            return nothing
        with file.open("rb") as stream:
            _check_owner(file, os.fstat(stream.fileno()))
            content = json.load(stream)
    except OSError as error:
        raise ProfileError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ProfileError(f"{file} cannot be read: {type(error).__name__}; remove or repair it") from None
    if not _is_ours(content):
        raise ProfileError(f"{file} is no file of profiles of this version; remove or repair it")
    return {"version": _VERSION, "chosen": content.get("chosen"), "profiles": content["profiles"]}


def _is_ours(content: Any) -> bool:
    profiles = content.get("profiles") if isinstance(content, dict) else None
    return (
        isinstance(profiles, dict)
        and content.get("version") == _VERSION
        and (content.get("chosen") is None or content["chosen"] in list(profiles))
        and all(_is_profile(each) for each in profiles.values())
    )


def _is_profile(settings: Any) -> bool:
    return (
        isinstance(settings, dict)
        and set(settings) <= set(FIELDS)
        and isinstance(settings.get("base_url"), str)
        and all(isinstance(settings.get(name, ""), str) for name in ("api_key", "sandbox"))
    )


def _check_owner(file: Path, state: os.stat_result) -> None:
    if sys.platform == "win32":  # access there is not in the mode
        return
    if state.st_uid != os.geteuid():
        raise ProfilesNotSafe(f"{file} belongs to another user: it is not read; remove it or take it over")
    if state.st_mode & _OTHERS:
        mode = stat.S_IMODE(state.st_mode)
        raise ProfilesNotSafe(
            f"{file} holds keys and others may use it (mode {mode:04o}): it is not read. "
            f"Run: chmod 600 {file}; and make new keys if somebody may have read them"
        )


@contextmanager
def changing() -> Iterator[dict[str, Any]]:
    """All profiles, to be changed; written when the block ends without an exception.

    :raises ProfileError: as `read`; or it cannot be written
    """
    from filelock import FileLock

    file = path()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock"), mode=0o600):
            content = read()
            yield content
            _write(file, content)
    except OSError as error:
        raise ProfileError(f"{error.filename or file}: {error.strerror}") from error


def _write(file: Path, content: Mapping[str, Any]) -> None:
    """Replace the file at once; `mkstemp` makes it for the owner alone."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".profiles-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=2, sort_keys=True)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
