"""What is answered to a request, whoever writes it to the connection."""

from __future__ import annotations

import logging
import re
import uuid
from typing import Any, Final, NamedTuple

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.oms.json_text import dumps

from .served import error_body

LOG: Final = logging.getLogger("ccxt_driver.oms.server")

_NOT_A_REQUEST_ID: Final = re.compile(r"[^\x21-\x7e]")
_LONGEST_REQUEST_ID: Final = 128


class Answer(NamedTuple):
    """An answer in JSON.

    :param status: of HTTP
    :param body: UTF-8
    :param request_id: what the request is called, if it is called anything
    """

    status: int
    body: bytes
    request_id: str | None


def clean_request_id(given: str | None) -> str | None:
    """What a client calls its request, as it can be logged and sent back."""
    return None if given is None else _NOT_A_REQUEST_ID.sub("", given)[:_LONGEST_REQUEST_ID] or None


def answer_of(request_id: str | None, status: int, body: Any) -> Answer:
    """An answer; an error names the request, and gives it a name where it has none."""
    if status >= 400:
        detail = body.get("detail")
        if isinstance(detail, dict):
            request_id = detail["request_id"] = request_id or detail.get("request_id") or uuid.uuid4().hex
    return Answer(status, dumps(body), request_id)


def failure(request_id: str | None, what: str, error: BaseException) -> Answer:
    """What is answered to a request that has failed by our fault, which is logged.

    :param what: method and path, safe to be logged
    """
    body = error_body(ErrorCode.INTERNAL_ERROR, "the server could not answer this request")
    answer = answer_of(request_id, 500, body)
    LOG.error("%s failed (request %s)", what, answer.request_id, exc_info=error)
    return answer
