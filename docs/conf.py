"""Sphinx configuration."""

from __future__ import annotations

import runpy
from pathlib import Path

_VERSION_FILE = Path(__file__).parents[1] / "ccxt_driver" / "_version.py"

project = "ccxt_driver"
author = "ccxt_driver contributors"
project_copyright = author
release = runpy.run_path(str(_VERSION_FILE))["__version__"]
version = release

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"ccxt_driver {release}"
