"""A virtual environment of a test's own, which has this checkout and what it needs; no network."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


class FreshVenv:
    """Programs in it see no setting and no profile but those that a test gives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "venv"
        self.home = folder / "home"
        self.home.mkdir()
        venv.create(self.folder, symlinks=os.name != "nt")
        self.python = self.folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        names = {"base": str(self.folder), "platbase": str(self.folder)}
        self.packages = Path(sysconfig.get_path("purelib", "venv", names))
        self.packages.mkdir(parents=True, exist_ok=True)
        self.link(ROOT)

    def link(self, *roots: Path) -> None:
        """Make packages of these folders importable, and those that this very Python has installed."""
        installed = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
        lines = [*map(str, roots), *sorted(installed)]
        (self.packages / "a_linked.pth").write_text("\n".join(lines) + "\n")

    def run(self, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python.

        :param variables: of the environment
        """
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
        environment = {
            **kept,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "PYTHONDONTWRITEBYTECODE": "1",
            **variables,
        }
        done = subprocess.run(
            [str(self.python), *arguments],
            env=environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def code(self, code: str, *arguments: str, check: bool = True, **variables: str) -> str:
        """Tell what a program prints."""
        done = self.run("-c", code, *arguments, check=check, **variables)
        return done.stdout.strip() if check else done.stderr.strip()

    def driver(self, *arguments: str, check: bool = True, **variables: str) -> str:
        """Tell what `ccxt-driver` prints; what it says of an error, when it may fail."""
        done = self.run("-m", "ccxt_driver", *arguments, check=check, **variables)
        return done.stdout.strip() if check else f"{done.returncode} {done.stderr.strip()}"

    def files(self) -> dict[str, str]:
        """Tell every file of the environment and of the home with what is in it."""
        return {
            str(path): str(path.readlink())
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in (self.folder, self.home)
            for path in sorted(folder.rglob("*"))
            if path.is_symlink() or path.is_file()
        }


def without_this_package(folder: Path) -> Path:
    """Make a folder that has what this Python has installed, but for this package."""
    folder.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "ccxt_driver" not in path.name and path.suffix != ".pth":
            (folder / path.name).symlink_to(path)
    return folder
