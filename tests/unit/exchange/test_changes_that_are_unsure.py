"""Commands on orders whose caller was told nothing of their end: marked, and asked again a success."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import ccxt
import pytest

from tests.helpers.gateway_stub import Driver
from tests.helpers.oms_rows import order_row
from tests.helpers.virtual_time import with_clock

pytestmark = pytest.mark.oldest

REFUSED = {"code": "invalid_order_state", "message": "order 11 is CANCELED", "details": {}}


class Interrupted(BaseException):
    """What a cancelled task or Ctrl-C is: no Exception."""


@pytest.fixture
def driver(make_driver: Any) -> Driver:
    made: Driver = with_clock(make_driver().ready())
    return made


def raising(kind: type[BaseException]) -> Any:
    def answer(sent: Any) -> Any:
        raise kind

    return answer


@pytest.mark.parametrize("kind", [Interrupted, asyncio.CancelledError, KeyboardInterrupt])
@pytest.mark.parametrize(
    "method, arguments",
    [
        ("cancel_order", ("11",)),
        ("cancel_orders", (["11"],)),
        ("cancel_all_orders", ()),
        ("edit_order", ("11", "BTC/USDT", "limit", "buy", 2, 101)),
        ("close_by", ("1", "2")),
    ],
)
def test_an_interrupted_command_says_that_it_may_be_done(
    driver: Driver, method: str, arguments: Any, kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    driver.gateway.on("GET /oms/orders/11", {"items": [order_row()]})
    driver.gateway.on("POST /oms/commands", raising(kind))
    caplog.set_level(logging.WARNING, logger="ccxt_driver")
    with pytest.raises(kind) as caught:
        driver.call(method, *arguments)

    assert caught.value.outcome == "unknown"  # type: ignore[attr-defined]
    assert "may be done now" in caplog.text


def test_one_that_came_before_it_was_sent_says_nothing(driver: Driver) -> None:
    driver.gateway.on("GET /oms/orders/history", raising(Interrupted))
    with pytest.raises(Interrupted) as caught:
        driver.call("cancel_order", None, None, {"clientOrderId": "mine"})

    assert not hasattr(caught.value, "outcome")


def test_a_cancellation_asked_for_again_after_it_was_unknown_is_a_success(driver: Driver) -> None:
    driver.gateway.on("POST /oms/commands", (504, {"detail": {"code": "dispatcher_timeout"}}))
    with pytest.raises(ccxt.RequestTimeout, match="cancel_order of order 11"):
        driver.call("cancel_order", "11")
    driver.gateway.on("POST /oms/commands", (409, {"detail": REFUSED}))
    driver.gateway.on("GET /oms/orders/11", {"items": [order_row(status="CANCELED")]})

    assert driver.call("cancel_order", "11")["status"] == "canceled"


def test_one_that_filled_meanwhile_is_refused_all_the_same(driver: Driver) -> None:
    driver.gateway.on("POST /oms/commands", (504, {"detail": {"code": "dispatcher_timeout"}}))
    with pytest.raises(ccxt.RequestTimeout):
        driver.call("cancel_order", "11")
    driver.gateway.on("POST /oms/commands", (409, {"detail": REFUSED}))
    driver.gateway.on("GET /oms/orders/11", {"items": [order_row(status="FILLED", filled_qty="2")]})
    with pytest.raises(ccxt.InvalidOrder) as caught:
        driver.call("cancel_order", "11")

    assert caught.value.outcome == "refused"  # type: ignore[attr-defined]


def test_a_second_cancellation_of_what_was_surely_cancelled_is_refused(driver: Driver) -> None:
    driver.gateway.on_command(order=order_row(status="CANCELED"))
    driver.call("cancel_order", "11")
    driver.gateway.on("POST /oms/commands", (409, {"detail": REFUSED}))
    with pytest.raises(ccxt.InvalidOrder):
        driver.call("cancel_order", "11")


def test_a_vague_refusal_after_it_was_unknown_stays_unknown_while_the_order_cannot_be_read(
    driver: Driver,
) -> None:
    """Words that an older gateway also says when the venue is down are no word of the order."""
    vague = {"code": "internal_error", "message": "no orders canceled"}
    driver.gateway.on("GET /oms/orders/11", (503, {"detail": {"code": "engine_unavailable"}}))
    for answer in ((504, {"detail": {"code": "dispatcher_timeout"}}), (400, {"detail": vague})):
        driver.gateway.on("POST /oms/commands", answer)
        with pytest.raises(ccxt.RequestTimeout) as caught:
            driver.call("cancel_order", "11")

        assert caught.value.outcome == "unknown"  # type: ignore[attr-defined]
