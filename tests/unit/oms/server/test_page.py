"""The page about the server names everything that it serves."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from ccxt_driver.cli.serve import _open
from ccxt_driver.contract.endpoints import ENDPOINTS
from ccxt_driver.contract.events import Action, Channel
from ccxt_driver.oms.keys import Role
from ccxt_driver.oms.server.config import read
from ccxt_driver.oms.server.limits import LARGEST_BODY, LARGEST_FRAME
from ccxt_driver.oms.server.websocket import HEARTBEAT_SECONDS

PAGE = (Path(__file__).parents[4] / "docs" / "server.md").read_text(encoding="utf-8")


def test_every_endpoint_action_and_role_is_named() -> None:
    for endpoint in ENDPOINTS:
        assert f"/{endpoint.path}`" in PAGE, endpoint.name
    for name in (*Action, *Channel, *Role):
        assert f"`{name}`" in PAGE


def test_the_limits_are_true() -> None:
    assert LARGEST_BODY == 4 * 2**20
    assert "A body may have 4 MiB" in PAGE
    assert LARGEST_FRAME == 2**20
    assert "A frame may have 1 MiB" in PAGE
    assert f"a ping every {HEARTBEAT_SECONDS:.0f} seconds" in PAGE


def test_the_files_of_the_page_can_be_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/BTC_USDT-trades.csv").write_text("timestamp,price,amount\n1769846400000,80000,1\n")
    texts = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(texts) == 2
    for text in texts:
        path = tmp_path / "serve.toml"
        path.write_text(text)
        with ExitStack() as opened:
            opened.enter_context(_open(None, 7, read(path), opened))
