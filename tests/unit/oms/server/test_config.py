from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from ccxt_driver.cli.serve import serve
from ccxt_driver.oms.server.config import OPTIONS, read


def _file(folder: Path, text: str) -> Path:
    path = folder / "serve.toml"
    path.write_text(text)
    return path


def test_every_option_of_the_command_can_stand_in_the_file() -> None:
    assert {*OPTIONS} == {option.name for option in serve.params} - {"config", "new_key"}


def test_fees(tmp_path: Path) -> None:
    config = read(
        _file(tmp_path, '[fees.default]\ntaker = "0.01"\n[fees."BTC/USDT"]\nmaker = 0\ntaker = "0.02"\n')
    )
    markets = {market.symbol: market for market in config.markets() or []}
    assert (markets["BTC/USDT"].maker, markets["BTC/USDT"].taker) == (0, Decimal("0.02"))
    assert markets["ETH/USDT"].taker == Decimal("0.01")
    assert markets["ETH/USDT"].maker > 0
    assert read(_file(tmp_path, "")).markets() is None


@pytest.mark.parametrize(
    "text, found",
    [
        ("port = ", "serve.toml: "),
        ("prot = 8000", "prot: Extra inputs are not permitted"),
        ("[options]\nport = 1", "options: unknown"),
        ("[[keys]]\nrole = 'trader'", "keys.0.label: Field required"),
        ("[[keys]]\nlabel = 'a'\nrole = 'king'", "keys.0.role: "),
        ("[[keys]]\nlabel = 'a'\naccounts = []", "keys.0.accounts: "),
        ("[[keys]]\nlabel = 'a'\n[[keys]]\nlabel = 'a'", "the label 'a' is given twice"),
        ("[fees.default]\ntaker = 'much'", "fees.default.taker: "),
        ("[fees.'XYZ/USDT']\ntaker = '0.1'", "fees.XYZ/USDT: expected default, "),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(ValueError, match=r"serve\.toml: ") as caught:
        read(_file(tmp_path, text))
    assert found in str(caught.value)
