"""Requests made from the OpenAPI document, right ones and wrong ones, against a served OMS.

`FUZZ_EXAMPLES` says how many are made for each operation, beside the edges of the schema, which always are;
with it each run makes others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, settings
from schemathesis import Case, Response
from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
)

from ccxt_driver.contract.codes import HTTP_STATUS, ErrorCode
from ccxt_driver.oms.server.openapi import document
from ccxt_driver.oms.venue_calls import FUNCTIONS
from tests.helpers.auditor import SPOT, SWAP
from tests.helpers.served import ServedOms
from tests.helpers.under_fuzz import attacked

pytestmark = pytest.mark.sockets

SCHEMA = schemathesis.openapi.from_dict(document())
FRESH = "FUZZ_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
NEVER = {ErrorCode.INTERNAL_ERROR, ErrorCode.ENGINE_UNAVAILABLE}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOms]:
    with attacked(tmp_path_factory.mktemp("fuzz") / "oms.sqlite") as made:
        yield made


@pytest.fixture(scope="module")
def session(served: ServedOms) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=not FRESH,
    database=None,
    deadline=None,
    suppress_health_check=[*HealthCheck],
    phases=[Phase.explicit, Phase.generate],
)
def test_every_answer_is_one_of_the_contract(
    case: Case, served: ServedOms, session: requests.Session
) -> None:
    assume(len(repr(case.query)) < 2000)  # a longer line is refused before anybody looks at it
    checks = [errors_are_of_the_contract]
    assert case.meta is not None
    if case.meta.generation.mode is GenerationMode.NEGATIVE:
        checks.append(wrong_data_is_refused)
    else:
        aim(case)
    case.call_and_validate(
        base_url=served.base_url,
        session=session,
        headers={"x-api-key": served.api_key},
        additional_checks=checks,
        excluded_checks=[
            not_a_server_error,  # a refusal of the venue is a 502; see `errors_are_of_the_contract`
            negative_data_rejection,  # see `wrong_data_is_refused`
            positive_data_acceptance,  # much that is well-formed is refused: a schema knows no balances
        ],
        timeout=10,
    )


def errors_are_of_the_contract(ctx: CheckContext, response: Response, case: Case) -> None:
    """A code with its own status, and never one that says that something is broken."""
    if response.status_code < 400:
        return
    detail = response.json()["detail"]
    if detail in ("Not Found", "Method Not Allowed"):  # no operation: the router answers
        assert response.status_code == (404 if detail == "Not Found" else 405)
        return
    code = ErrorCode(detail["code"])
    assert HTTP_STATUS[code] == response.status_code
    assert detail["message"]
    assert detail["request_id"] == response.headers["x-request-id"][0]
    codes = {code, *(result["error"]["code"] for result in detail.get("results", ()) if result["error"])}
    assert not codes & NEVER


def wrong_data_is_refused(ctx: CheckContext, response: Response, case: Case) -> bool | None:
    """As the schema says, except that an empty parameter counts as one that is left out."""
    if any(value in ("", [], [""]) for value in (case.query or {}).values()):
        return True
    return negative_data_rejection(ctx, response, case)


# ------------------------------------------------------------------ aiming at what is there

CHOICES: dict[str, list[Any]] = {
    "symbol": [SPOT, SWAP],
    "currency": ["USDT", "BTC"],
    "order_type": ["limit", "market"],
    "func": [*FUNCTIONS],
    "status": ["active"],
    "allow_new_positions": [True],
}
NUMBERS = {"price": 90, "stop_loss": 90, "stop_gain": 105, "amount": 1, "qty": 1, "cost": 50}


def aim(case: Case) -> None:
    """Make most of the well-formed values ones that mean something here: a random id names nothing."""
    case.path_parameters = aimed(case.path_parameters)
    case.query = aimed(case.query)
    case.body = aimed(case.body)


def aimed(value: Any, name: str = "") -> Any:
    """The same, with ids of rows that exist, symbols that are listed and prices near the market's."""
    if isinstance(value, dict):
        return {key: aimed(each, str(key)) for key, each in value.items()}
    if isinstance(value, list):
        return [aimed(each, name) for each in value]
    luck = crc32(repr(value).encode())
    if luck % 4 == 0 or value is None or isinstance(value, bool):
        return value
    if name in CHOICES and isinstance(value, str):
        return CHOICES[name][luck % len(CHOICES[name])]
    if name.startswith("account_id"):
        return _id(value, luck, 3)
    if name.endswith(("_id", "_ids", "_id_a", "_id_b")) or name == "ids":
        return _id(value, luck, 20)
    return aimed_number(value, name, luck)


def _id(value: Any, luck: int, most: int) -> Any:
    found = 1 + luck % most
    return str(found) if isinstance(value, str) else found


def aimed_number(value: Any, name: str, luck: int) -> Any:
    near = next((number for ending, number in NUMBERS.items() if name.endswith(ending)), None)
    return value if near is None or isinstance(value, bool) else str(near + luck % 21)
