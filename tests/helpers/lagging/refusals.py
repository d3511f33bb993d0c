"""How the gateway says no: three families of errors, and the status that each travels under."""

from __future__ import annotations

from typing import Any, Final

from ccxt_driver.oms import ANONYMOUS, Principal, Reply

_STATUS: Final = {
    **dict.fromkeys(("permission_denied", "admin_read_only", "strategy_permission_denied"), 403),
    **dict.fromkeys(("validation_error", "invalid_strategy_id", "unsupported_engine"), 422),
    **dict.fromkeys(("account_not_found", "position_not_found", "order_not_found"), 404),
    "risk_blocked": 409,
    "engine_unavailable": 503,
    "dispatcher_error": 502,
}

NOT_FOUND: Final = "Not Found"


class Refused(Exception):
    """The gateway says no.

    :param code: of the error
    :param message: prose; the real reason when the code is `dispatcher_error`
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """By the message first and the code then; what no table knows is 400."""
        return _STATUS.get(self.message) or _STATUS.get(self.code, 400)

    @property
    def error(self) -> dict[str, Any]:
        """The error object."""
        return {"code": self.code, "message": self.message}


def before_storing(reason: str) -> Refused:
    """A check made before anything is stored: the code says nothing, the message is the reason."""
    return Refused("dispatcher_error", reason)


def at_the_venue(error: Exception) -> Refused:
    """An exception of the venue's object: its class is lost, only its text remains."""
    return Refused("internal_error", str(error))


def not_found() -> Reply:
    """There is no such route."""
    return Reply(404, {"detail": NOT_FOUND})


def crashed() -> Reply:
    """An error that nobody caught: a plain text, no JSON."""
    return Reply(500, "Internal Server Error")


def check_key(principal: Principal | None) -> Principal:
    """The holder of the key.

    :param principal: None for a key that nobody knows
    :raises Refused: there is no key, or nobody knows it
    """
    if principal is None:
        raise before_storing("invalid_api_key")
    if principal is ANONYMOUS:
        raise before_storing("missing_api_key")
    return principal


def invalid(loc: list[str | int], message: str, kind: str, given: Any = None) -> Reply:
    """What the web framework says of a parameter that it cannot read: a list."""
    return Reply(422, {"detail": [{"type": kind, "loc": loc, "msg": message, "input": given}]})
