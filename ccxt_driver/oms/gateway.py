"""Every endpoint of the contract, as one function each: a request in, a reply out. No sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from ccxt_driver._version import __version__
from ccxt_driver.contract.codes import HTTP_STATUS, ErrorCode
from ccxt_driver.contract.commands import COMMAND, COMMANDS
from ccxt_driver.contract.endpoints import BY_NAME
from ccxt_driver.contract.features import Feature
from ccxt_driver.contract.usual_order import usual_command

from . import administration, queries, risk_commands, venue_calls
from .cancel_commands import cancel_all_after, cancel_all_orders, cancel_order
from .core import LOG, Core, unreadable
from .entities import Principal
from .market.feed import NoPrice
from .order_commands import change_order, check_order, send_order
from .outcome import Outcome, error_body, internal_error
from .position_commands import close_by, close_position, merge_positions, position_change
from .query_parameters import Parameters, Query, read_ids
from .reassigning import reassign
from .refusals import Refusal, invalid, no_price, problems
from .store import StoreError

FEATURES: Final = tuple(sorted(feature.value for feature in Feature))
"""All of them: the embedded OMS is the contract in full."""


class Reply(NamedTuple):
    """An answer. The body is ready for JSON and belongs to the caller.

    :param status: HTTP status
    """

    status: int
    body: Any


@dataclass(slots=True)
class Request:
    """What came in.

    :param now: the time it is answered at
    """

    core: Core
    path: Mapping[str, str]
    query: Query
    body: Any
    principal: Principal
    request_id: str | None
    now: int


# ------------------------------------------------------------------ commands

_RUN: Final[dict[str, Callable[[Core, Principal, Any, int], Outcome]]] = {
    "send_order": send_order,
    "check_order": check_order,
    "change_order": change_order,
    "cancel_order": cancel_order,
    "cancel_all_orders": cancel_all_orders,
    "cancel_all_after": cancel_all_after,
    "close_position": close_position,
    "close_by": close_by,
    "merge_positions": merge_positions,
    "position_change": position_change,
}


# What `validate_python` of the adapter stands on: its own options cost a tenth of the validation.
_validated: Final = COMMAND.validator.validate_python


def _read(body: Any) -> Any:
    usual = usual_command(body)
    return _validated(body) if usual is None else usual


def _commands(request: Request) -> Reply:
    if request.query:
        parameters = Parameters(request.query, BY_NAME["commands"].query)
        parameters.flag("parallel")
        parameters.number("request_timeout_seconds")
    body = request.body
    commands = COMMANDS.validate_python(body) if isinstance(body, list) else [_read(body)]
    results: list[dict[str, Any]] = []
    first: Refusal | None = None
    for index, command in enumerate(commands):
        outcome = _run(request, command)
        if outcome.error is not None and first is None:
            first = outcome.error
        results.append(outcome.wire(index, command.request_id or request.request_id))
    if first is None:
        return Reply(200, {"results": results})
    if any(result["ok"] for result in results):
        return Reply(207, {"results": results})
    detail = error_body(first, request.request_id) | {"results": results}
    return Reply(HTTP_STATUS[first.code], {"detail": detail})


def _run(request: Request, command: Any) -> Outcome:
    """One command; what goes wrong in it does not touch the others of its list."""
    try:
        request.core.ensure_whole()
        return _RUN[command.command](request.core, request.principal, command, request.now)
    except Refusal as refusal:
        return Outcome(error=refusal)
    except NoPrice as error:
        return Outcome(error=no_price(error))
    except StoreError as error:
        LOG.exception("command %s could not read (request %s)", command.command.value, request.request_id)
        return Outcome(error=unreadable(error))
    except Exception as error:  # noqa: BLE001  # it is logged and answered as internal_error
        LOG.exception("command %s failed (request %s)", command.command.value, request.request_id)
        return Outcome(error=internal_error(error))


# ------------------------------------------------------------------ queries and the rest

_Model = TypeVar("_Model", bound=BaseModel)


def _body(request: Request, model: type[_Model]) -> _Model:
    return model.model_validate({} if request.body is None else request.body)


def _account_id(request: Request) -> int:
    ids = read_ids("account_id", request.path.get("account_id", ""))
    if len(ids) > 1:
        raise invalid("account_id", "expected one id")
    return ids[0]


def _no_query(request: Request) -> None:
    Parameters(request.query, ())


def _health(request: Request) -> Reply:
    return Reply(
        200,
        {
            "status": "ok",
            "app": "ccxt_driver embedded OMS",
            "version": __version__,
            "features": [*FEATURES],
            "time_ms": request.now,
        },
    )


_List = Callable[[Core, Principal, Query, int], dict[str, Any]]
_ById = Callable[[Core, Principal, str, Query, int], dict[str, Any]]


def _list(query: _List) -> Callable[[Request], Reply]:
    def handler(request: Request) -> Reply:
        return Reply(200, query(request.core, request.principal, request.query, request.now))

    return handler


def _by_id(query: _ById) -> Callable[[Request], Reply]:
    def handler(request: Request) -> Reply:
        ids = request.path.get("ids", "")
        return Reply(200, query(request.core, request.principal, ids, request.query, request.now))

    return handler


def _on_account(
    action: Callable[[Core, Principal, int, Any, int], dict[str, Any]], model: type[BaseModel]
) -> Callable[[Request], Reply]:
    def handler(request: Request) -> Reply:
        _no_query(request)
        account_id = _account_id(request)
        return Reply(
            200, action(request.core, request.principal, account_id, _body(request, model), request.now)
        )

    return handler


def _accounts(request: Request) -> Reply:
    _no_query(request)
    return Reply(200, administration.accounts(request.core, request.principal))


def _strategies(request: Request) -> Reply:
    _no_query(request)
    return Reply(200, administration.strategies(request.core, request.principal))


def _create_strategy(request: Request) -> Reply:
    _no_query(request)
    body = _body(request, administration.NewStrategy)
    return Reply(200, administration.create_strategy(request.core, request.principal, body, request.now))


def _reassign(request: Request) -> Reply:
    _no_query(request)
    body = _body(request, administration.Reassign)
    return Reply(200, reassign(request.core, request.principal, body, request.now))


def _reconcile(request: Request) -> Reply:
    _no_query(request)
    body = _body(request, administration.Reconcile)
    return Reply(200, administration.reconcile(request.core, request.principal, body, request.now))


def _reconcile_account_status(request: Request) -> Reply:
    _no_query(request)
    account_id = _account_id(request)
    return Reply(
        200, administration.reconcile_account_status(request.core, request.principal, account_id, request.now)
    )


def _risk_strategies(request: Request) -> Reply:
    _no_query(request)
    return Reply(200, administration.risk_strategies(request.core, request.principal, _account_id(request)))


def _risk_limits(request: Request) -> Reply:
    _no_query(request)
    return Reply(200, risk_commands.risk_limits(request.core, request.principal, _account_id(request)))


def _sessions(request: Request) -> Reply:
    _no_query(request)
    return Reply(200, risk_commands.sessions(request.core, request.principal))


def _set_session(request: Request) -> Reply:
    _no_query(request)
    body = _body(request, risk_commands.NewSession)
    return Reply(200, risk_commands.set_session(request.core, request.principal, body, request.now))


def _cache_clear(request: Request) -> Reply:
    """Nothing is cached: every read is of the committed state."""
    _no_query(request)
    return Reply(200, {"ok": True, "result": {"scope": "visible_accounts", "cleared": 0}})


# ------------------------------------------------------------------ /ccxt


def _ccxt_call(request: Request) -> Reply:
    Parameters(request.query, BY_NAME["ccxt_call"].query).number("request_timeout_seconds")
    body = request.body if request.body is not None else {}
    if not isinstance(body, dict) or not body.keys() <= {"args", "kwargs"}:
        raise invalid("body", "expected an object with args and kwargs")
    args, kwargs = body.get("args"), body.get("kwargs")
    args, kwargs = [] if args is None else args, {} if kwargs is None else kwargs
    if not isinstance(args, list | tuple):
        raise invalid("body.args", "expected a list")
    if not isinstance(kwargs, dict):
        raise invalid("body.kwargs", "expected an object")
    func = request.path.get("func", "")
    result = venue_calls.call(
        request.core, request.principal, _account_id(request), func, args, kwargs, request.now
    )
    return Reply(200, {"ok": True, "result": result})


def _ccxt_core(request: Request) -> Reply:
    Parameters(request.query, BY_NAME["ccxt_core"].query).number("request_timeout_seconds")
    body = request.body if request.body is not None else {}
    if not isinstance(body, dict):
        raise invalid("body", "expected an object with the function's arguments by name")
    func = venue_calls.core_function(request.path.get("func", ""))
    result = venue_calls.call(
        request.core, request.principal, _account_id(request), func, (), body, request.now
    )
    return Reply(200, {"ok": True, "result": result})


def _ccxt_commands(request: Request) -> Reply:
    Parameters(request.query, BY_NAME["ccxt_commands"].query).flag("parallel")
    calls = venue_calls.CALLS.validate_python(
        request.body if isinstance(request.body, list) else [request.body]
    )
    results: list[dict[str, Any]] = []
    for index, call in enumerate(calls):
        try:
            result = venue_calls.call(
                request.core,
                request.principal,
                call.account_id,
                call.func,
                call.args,
                call.kwargs,
                request.now,
            )
            results.append({"index": index, "ok": True, "result": result})
        except Refusal as refusal:
            results.append({"index": index, "ok": False, "error": error_body(refusal, request.request_id)})
        except NoPrice as error:
            results.append(
                {"index": index, "ok": False, "error": error_body(no_price(error), request.request_id)}
            )
        except StoreError as error:
            LOG.exception("call %s could not read (request %s)", call.func, request.request_id)
            results.append(
                {"index": index, "ok": False, "error": error_body(unreadable(error), request.request_id)}
            )
        except Exception as error:  # noqa: BLE001  # as in _run
            LOG.exception("call %s failed (request %s)", call.func, request.request_id)
            failure = error_body(internal_error(error), request.request_id)
            results.append({"index": index, "ok": False, "error": failure})
    return Reply(200, {"results": results})


HANDLERS: Final[Mapping[str, Callable[[Request], Reply]]] = {
    "health": _health,
    "commands": _commands,
    "orders_open": _list(queries.open_orders),
    "orders_history": _list(queries.order_history),
    "orders_by_id": _by_id(queries.orders_by_id),
    "deals": _list(queries.deals),
    "deals_by_id": _by_id(queries.deals_by_id),
    "positions_open": _list(queries.open_positions),
    "positions_history": _list(queries.position_history),
    "positions_by_id": _by_id(queries.positions_by_id),
    "accounts": _accounts,
    "deposit": _on_account(administration.deposit, administration.Funds),
    "withdraw": _on_account(administration.withdraw, administration.Funds),
    "ledger": _list(queries.ledger),
    "strategies": _strategies,
    "create_strategy": _create_strategy,
    "reassign": _reassign,
    "reconcile": _reconcile,
    "reconcile_status": _list(administration.reconcile_status),
    "reconcile_account_status": _reconcile_account_status,
    "cache_clear": _cache_clear,
    "risk_strategies": _risk_strategies,
    "risk_allow_new_positions": _on_account(
        administration.allow_new_positions, administration.AllowNewPositions
    ),
    "risk_strategy_allow_new_positions": _on_account(
        administration.strategy_allow_new_positions, administration.StrategyAllowNewPositions
    ),
    "risk_status": _on_account(administration.set_status, administration.Status),
    "risk_limits": _risk_limits,
    "set_risk_limits": _on_account(risk_commands.set_risk_limits, risk_commands.NewLimits),
    "kill_switch": _on_account(risk_commands.kill_switch, risk_commands.KillSwitch),
    "sessions": _sessions,
    "set_session": _set_session,
    "ccxt_core": _ccxt_core,
    "ccxt_call": _ccxt_call,
    "ccxt_commands": _ccxt_commands,
}
"""A handler for each endpoint of the contract, by its name; a test compares the two."""


def refused(refusal: Refusal, request_id: str | None) -> Reply:
    """The reply to a request that is refused whole."""
    return Reply(HTTP_STATUS[refusal.code], {"detail": error_body(refusal, request_id)})


def schema_refusal(error: ValidationError) -> Refusal:
    """What pydantic found, as the contract says it: fields by path, and what each expected."""
    errors: list[dict[str, Any]] = [
        {"loc": _path(item["loc"]), "msg": item["msg"].removeprefix("Value error, "), "type": item["type"]}
        for item in problems(error)
    ]
    texts = [
        ": ".join(part for part in (".".join(map(str, item["loc"])), item["msg"]) if part) for item in errors
    ]
    return Refusal(ErrorCode.VALIDATION_ERROR, "; ".join(texts[:5]), {"errors": errors})


def unwritten(reply: Reply, refusal: Refusal, request_id: str | None) -> Reply:
    """What becomes of a reply whose commands could not be written after all: each has failed."""
    body = reply.body
    results = body["results"] if "results" in body else body["detail"].get("results")
    if results is None:
        return reply  # it was refused whole, whatever was written
    failed = [Outcome(error=refusal).wire(index, request_id) for index in range(len(results))]
    return Reply(HTTP_STATUS[refusal.code], {"detail": error_body(refusal, request_id) | {"results": failed}})


_TAGS: Final = frozenset(_RUN)


def _path(loc: tuple[int | str, ...]) -> list[int | str]:
    """The path of a field as the client wrote it: without the tag that chose the kind of command."""
    return [part for part in loc if part not in _TAGS]
