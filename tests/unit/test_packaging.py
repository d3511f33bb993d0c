"""The installed package: what it ships, what it asks for, and that all of it can be imported."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.resources
import pkgutil

import pytest
from packaging.requirements import Requirement

import ccxt_driver

pytestmark = pytest.mark.oldest

_MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(ccxt_driver.__path__, "ccxt_driver.")
    if not module.name.endswith(".__main__")
)


def _requirements(distribution: str) -> dict[str, Requirement]:
    """Tell what a distribution needs without its extras, by normalised name."""
    requirements = map(Requirement, importlib.metadata.requires(distribution) or [])
    return {
        requirement.name.lower().replace("_", "-"): requirement
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }


@pytest.mark.parametrize("name", _MODULES)
def test_every_module_can_be_imported(name: str) -> None:
    if name == "ccxt_driver.freqtrade_support":  # which freqtrade alone leads to
        pytest.importorskip("freqtrade")
    importlib.import_module(name)


def test_version_is_the_installed_one() -> None:
    assert ccxt_driver.__version__ == importlib.metadata.version("ccxt-driver")


def test_types_are_shipped() -> None:
    assert importlib.resources.files("ccxt_driver").joinpath("py.typed").is_file()


def test_nothing_that_is_required_has_an_upper_bound() -> None:
    """ccxt pins exactly, and otherwise with each release: a bound here would exclude some of them."""
    bounded = {
        str(requirement)
        for requirement in _requirements("ccxt-driver").values()
        if any(specifier.operator != ">=" for specifier in requirement.specifier)
    }

    assert bounded == set()


def test_lower_bounds_allow_what_this_ccxt_needs() -> None:
    ours = _requirements("ccxt-driver")
    shared = [name for name in _requirements("ccxt") if name in ours]

    assert "aiohttp" in shared
    for name in [*shared, "ccxt"]:
        assert ours[name].specifier.contains(importlib.metadata.version(name)), name
