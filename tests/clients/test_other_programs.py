"""Other well-known users of ccxt, as they are installed, on a served OMS.

Installs them unless CCXT_DRIVER_TEST_PROGRAMS names a Python that has them together with what this
package needs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ccxt_driver import OmsCcxtExchange
from tests.helpers.client_venv import ClientVenv
from tests.helpers.serve_process import ServeProcess

pytestmark = [pytest.mark.clients, pytest.mark.sockets]

PROGRAMS = Path(__file__).parent / "other_programs"


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> ClientVenv:
    given = os.environ.get("CCXT_DRIVER_TEST_PROGRAMS")
    folder = tmp_path_factory.mktemp("programs")
    return ClientVenv(folder, "vectorbt", "investing-algorithm-framework", given=given)


@pytest.fixture
def variables() -> Iterator[dict[str, str]]:
    served = ServeProcess()
    yield {
        "CCXT_OMS_BASE_URL": served.all("base_url")[0],
        "CCXT_OMS_API_KEY": served.all("api_key")[0],
        "CCXT_OMS_ACCOUNT_ID": "1",
    }
    served.stop()


def truth(variables: dict[str, str]) -> OmsCcxtExchange:
    """Look at the account from outside, as a second program does."""
    options = {"base_url": variables["CCXT_OMS_BASE_URL"], "account_id": 1}
    return OmsCcxtExchange({"apiKey": variables["CCXT_OMS_API_KEY"], "options": options})


def test_vectorbt_reads_candles_over_pages(venv: ClientVenv, variables: dict[str, str]) -> None:
    told = json.loads(venv.run(PROGRAMS / "vectorbt_crossing.py", **variables).splitlines()[-1])
    candles = told["candles"]
    own = truth(variables).fetch_ohlcv("BTC/USDT", "1m", candles[0][0], 500)

    assert told["missing"] == 0
    assert told["trades"] > 0
    assert len(candles) >= 179  # three hours, by fifty
    assert candles[:-1] == [[candle[0], candle[4]] for candle in own[: len(candles) - 1]]


def test_a_bot_of_the_investing_algorithm_framework(
    venv: ClientVenv, variables: dict[str, str], tmp_path: Path
) -> None:
    """Buys, is started again, finds what it has, and sells it."""
    exchange = truth(variables)
    before = exchange.fetch_balance()["BTC"]["total"]

    def run() -> list[tuple[str, str, str, float]]:
        """Tell all its orders, in its own words."""
        output = venv.run(PROGRAMS / "framework_bot.py", tmp_path, **variables)
        rows = json.loads(output.splitlines()[-1])
        return sorted(
            (str(row["id"]), row["side"].lower(), row["status"].lower(), row["filled"]) for row in rows
        )

    run()
    bought = exchange.fetch_balance()["BTC"]["total"]
    told = run()

    assert bought - before == pytest.approx(0.01)
    assert exchange.fetch_balance()["BTC"]["total"] == before
    orders = exchange.fetch_orders("BTC/USDT")
    assert told == [tuple(order[key] for key in ("id", "side", "status", "filled")) for order in orders]
    assert [order["side"] for order in orders] == ["buy", "sell"]
    assert [order["status"] for order in orders] == ["closed", "closed"]
