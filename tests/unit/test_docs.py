"""The pages can be trusted: their Python code runs, and they name every method and option."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from ccxt_driver import OmsCcxtProExchange
from ccxt_driver.backtest.report.statistics import Statistics
from ccxt_driver.backtest.report.tables import EQUITY_COLUMNS
from ccxt_driver.contract.commands import Command, CommandName
from ccxt_driver.contract.endpoints import ENDPOINTS, snake_case
from ccxt_driver.contract.events import Action
from ccxt_driver.embedded import close_embedded
from ccxt_driver.exchange._sync.powers import Powers
from ccxt_driver.exchange._sync.venue import Venue
from ccxt_driver.exchange.capabilities import CAPABILITIES, Source, description
from ccxt_driver.oms import EmbeddedOms
from ccxt_driver.oms.administration import (
    AllowNewPositions,
    Funds,
    NewStrategy,
    Reassign,
    Reconcile,
    Status,
    StrategyAllowNewPositions,
)
from ccxt_driver.oms.risk_commands import KillSwitch, NewLimits, NewSession

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)

_PYTHON_BLOCK = re.compile(r"^```python[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


def _python_blocks(page: Path) -> list[tuple[int, str]]:
    """Find the Python code of a page, each block with its line number."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start()) + 1, match.group(1)) for match in _PYTHON_BLOCK.finditer(text)
    ]


BLOCKS = [
    pytest.param(source, id=f"{page.relative_to(ROOT)}:{line}")
    for page in [ROOT / "README.md", *PAGES]
    for line, source in _python_blocks(page)
]


@pytest.mark.parametrize("source", BLOCKS)
def test_code_of_the_pages_runs(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    close_embedded()  # each begins with an OMS of its own, as a program does

    exec(compile(source, "<docs>", "exec"), {"__name__": "__main__"})


def test_every_page_of_methods_has_code_to_run() -> None:
    without = [
        page.name
        for page in PAGES
        if page.parent.name == "methods" and page.stem != "index" and not _python_blocks(page)
    ]

    assert without == []


def _words(*pages: Path) -> set[str]:
    """Find the names in code spans, whatever stands around them there."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    return {word for span in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", span)}


def _public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_") and name == snake_case(name)}


def test_every_native_method_is_on_a_page() -> None:
    """What ccxt calls in another way than its flag is named after its method."""
    native = {
        snake_case(key) for key, source in CAPABILITIES.items() if source in (Source.OMS, Source.MARKET)
    }
    native = native | {"cancel_orders_with_client_order_ids"}

    assert native - _words(*DOCS.glob("methods/*.md")) == set()


def test_every_power_and_every_method_of_the_venue_is_on_its_page() -> None:
    assert _public(Powers) - _words(DOCS / "methods" / "oms-powers.md") == set()
    assert _public(Venue) - _words(DOCS / "methods" / "venue.md") == set()


def test_pages_name_no_method_that_does_not_exist() -> None:
    verbs = r"(?:fetch|create|cancel|edit|close|set|merge|call|can|load|add|reduce|withdraw|borrow|repay)"
    named = {word for word in _words(*PAGES, ROOT / "README.md") if re.fullmatch(rf"{verbs}_\w+", word)}
    others = {
        "call_later",
        "cancel_all_after",
        "close_requested",
        *(name for name in vars(EmbeddedOms) if not name.startswith("_")),
        "create_app",
        "create_task",
        "reduce_only",
        "close_by_executed",
    }

    assert {word for word in named - others if not hasattr(OmsCcxtProExchange({}), word)} == set()


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "configuration.md"], ids=lambda page: page.name)
def test_every_option_is_in_the_tables(page: Path) -> None:
    options = {*description()["options"], "base_url", "oms", "sandbox", "share_markets"}

    assert options - _words(page) == set()


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = _LINK.findall(page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def _fields(model: type[BaseModel]) -> set[str]:
    return {name for name in model.model_fields if not name.startswith("_")}


def test_the_page_of_the_server_names_every_field_of_every_command_and_list() -> None:
    payloads = {
        name: kind.model_fields["payload"].annotation
        for kind in get_args(get_args(Command)[0])
        for name in get_args(kind.model_fields["command"].annotation)
    }
    assert set(payloads) == set(CommandName)
    wanted = {field for payload in payloads.values() if payload for field in _fields(payload)}
    wanted |= set(CommandName)
    wanted |= {name for endpoint in ENDPOINTS if endpoint.method == "GET" for name in endpoint.query}
    wanted |= {name.value for name in Action}

    assert wanted - _words(DOCS / "server.md") == set()


def test_the_page_of_the_server_names_every_route_and_every_body() -> None:
    text = (DOCS / "server.md").read_text(encoding="utf-8")
    bodies = (
        *(Funds, NewStrategy, AllowNewPositions, StrategyAllowNewPositions, Status, Reassign, Reconcile),
        *(NewLimits, KillSwitch, NewSession),
    )
    wanted = {field for body in bodies for field in _fields(body)}

    assert [endpoint.path for endpoint in ENDPOINTS if f"/{endpoint.path}" not in text] == []
    assert wanted - _words(DOCS / "server.md") == set()


def test_the_order_of_the_page_of_the_server_is_taken() -> None:
    text = (DOCS / "server.md").read_text(encoding="utf-8")
    example = re.search(r"-d '(\{.*?\})'$", text, re.MULTILINE | re.DOTALL)
    shown = re.search(r'^(\{"results": .*?)^```', text, re.MULTILINE | re.DOTALL)
    assert example is not None
    assert shown is not None
    with EmbeddedOms(clock="manual") as oms:
        reply = oms.handle("commands", {}, {}, json.loads(example[1]))
    [result], [expected] = reply.body["results"], json.loads(shown[1])["results"]
    for key, value in expected.pop("order").items():
        assert key == "created_at" or result["order"][key] == value
    assert expected.items() <= result.items()


def test_the_page_of_the_report_names_every_number_and_column() -> None:
    named = _words(DOCS / "backtest-report.md")

    assert set(Statistics.__dataclass_fields__) - named == set()
    assert {*EQUITY_COLUMNS} - named == set()
