"""The contract as an OpenAPI document, made from its models and endpoints."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter

from ccxt_driver._version import __version__
from ccxt_driver.contract.codes import HTTP_STATUS
from ccxt_driver.contract.commands import COMMAND, CommandResult, ErrorDetail
from ccxt_driver.contract.endpoints import ENDPOINTS, Access, Endpoint
from ccxt_driver.contract.events import CcxtCall
from ccxt_driver.contract.rows import (
    AccountRow,
    DealRow,
    Health,
    LedgerKind,
    LedgerRow,
    OrderRow,
    PositionRow,
    StrategyRow,
)
from ccxt_driver.oms import administration, risk_commands

Schema = dict[str, Any]

_BODIES: Final[dict[str, Any]] = {
    "deposit": administration.Funds,
    "withdraw": administration.Funds,
    "create_strategy": administration.NewStrategy,
    "reassign": administration.Reassign,
    "reconcile": administration.Reconcile,
    "risk_allow_new_positions": administration.AllowNewPositions,
    "risk_strategy_allow_new_positions": administration.StrategyAllowNewPositions,
    "risk_status": administration.Status,
    "set_risk_limits": risk_commands.NewLimits,
    "kill_switch": risk_commands.KillSwitch,
    "set_session": risk_commands.NewSession,
}
_HAS_BODY: Final = {*_BODIES, "commands", "ccxt_call", "ccxt_core", "ccxt_commands"}
_NEEDS_BODY: Final = _HAS_BODY - {"reconcile", "ccxt_call", "ccxt_core"}
_ITEMS: Final[dict[str, Any]] = {
    "orders_open": OrderRow,
    "orders_history": OrderRow,
    "orders_by_id": OrderRow,
    "deals": DealRow,
    "deals_by_id": DealRow,
    "positions_open": PositionRow,
    "positions_history": PositionRow,
    "positions_by_id": PositionRow,
    "accounts": AccountRow,
    "strategies": StrategyRow,
    "ledger": LedgerRow,
}
"""Rows of the answers that are lists."""

_LARGEST: Final = 2**63 - 1
_IDS: Final[Schema] = {"type": "string", "pattern": "^[1-9][0-9]{0,17}(,[1-9][0-9]{0,17})*$"}
_INTEGER: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": _LARGEST}
_DATE: Final[Schema] = {"type": "string", "format": "date"}
_SECONDS: Final[Schema] = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e9}
_PARAMETERS: Final[dict[str, Schema]] = {
    "account_id": {"type": "integer", "minimum": 1, "maximum": _LARGEST},
    "account_ids": _IDS,
    "cache": {"type": "boolean"},
    "client_order_id": {"type": "string"},
    "currency": {"type": "string"},
    "end_date": _DATE,
    "func": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*$"},
    "ids": _IDS,
    "kind": {"enum": [kind.value for kind in LedgerKind]},
    "limit": {"type": "integer", "minimum": 1, "maximum": 5000},
    "order_id": _INTEGER,
    "page": {"type": "integer", "minimum": 1, "maximum": 10**9},
    "page_size": {"type": "integer", "minimum": 1, "maximum": 500},
    "parallel": {"type": "boolean"},
    "position_id": _INTEGER,
    "request_timeout_seconds": _SECONDS,
    "since_ms": _INTEGER,
    "sort": {"enum": ["asc", "desc"]},
    "stale_after_seconds": {"type": "integer", "minimum": 1, "maximum": _LARGEST},
    "start_date": _DATE,
    "status": {"type": "string"},
    "strategy_id": _INTEGER,
    "symbol": {"type": "string"},
    "until_ms": _INTEGER,
}
"""What parameters of the path and the query are, by their names."""
_ANYTHING: Final[Schema] = {"type": "object"}
_COMMAND: Final = "command"


@cache
def document() -> Schema:
    """The document; whoever gets it must not change it."""
    read = {model.__name__: model for model in (*_BODIES.values(), CcxtCall)}
    written = {model.__name__: model for model in (*_ITEMS.values(), Health, CommandResult, ErrorDetail)}
    adapters: list[tuple[str, Any, TypeAdapter[Any]]] = [
        *((name, "validation", TypeAdapter(model)) for name, model in read.items()),
        *((name, "serialization", TypeAdapter(model)) for name, model in written.items()),
    ]
    schemas, definitions = TypeAdapter.json_schemas(
        [(_COMMAND, "validation", COMMAND), *adapters], ref_template="#/components/schemas/{model}"
    )
    components = definitions["$defs"] | {"Command": schemas[_COMMAND, "validation"]}
    paths: dict[str, Schema] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(f"/{endpoint.path}", {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "ccxt_driver OMS", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        },
    }


def _operation(endpoint: Endpoint) -> Schema:
    where = [("path", name) for name in endpoint.placeholders] + [("query", name) for name in endpoint.query]
    operation: Schema = {
        "operationId": endpoint.name,
        "parameters": [
            {
                "name": name,
                "in": place,
                "required": place == "path" or (name == "account_ids" and "ids" not in endpoint.placeholders),
                "schema": _PARAMETERS[name],
            }
            for place, name in where
        ],
        "responses": _responses(endpoint),
        # An empty requirement: it may also come without a key.
        "security": {
            Access.PUBLIC: [],
            Access.KEY: [{"key": []}],
            Access.MARKET: [{"key": []}, {}],
        }[endpoint.access],
    }
    if endpoint.name in _HAS_BODY:
        needed = endpoint.name in _NEEDS_BODY
        body = _body(endpoint.name)
        operation["requestBody"] = {
            "content": _json(body if needed else {"anyOf": [body, {"type": "null"}]}),
            "required": needed,
        }
    return operation


def _body(name: str) -> Schema:
    if name == "commands":
        return _one_or_list(_reference("Command"))
    if name == "ccxt_commands":
        return _one_or_list(_reference(CcxtCall.__name__))
    if name == "ccxt_call":
        properties = {"args": {"type": ["array", "null"]}, "kwargs": {"type": ["object", "null"]}}
        return {"type": "object", "properties": properties, "additionalProperties": False}
    return _reference(_BODIES[name].__name__) if name in _BODIES else _ANYTHING  # arguments by name


def _responses(endpoint: Endpoint) -> Schema:
    result = _reference(CommandResult.__name__)
    results = _object(results={"type": "array", "items": result})
    answer = _ANYTHING
    if endpoint.name == "commands":
        answer = results
    elif endpoint.name == "health":
        answer = _reference(Health.__name__)
    elif endpoint.name in _ITEMS:
        answer = _object(items={"type": "array", "items": _reference(_ITEMS[endpoint.name].__name__)})
    responses = {"200": {"description": "done", "content": _json(answer)}}
    if endpoint.name == "commands":
        responses["207"] = {"description": "some of the commands were refused", "content": _json(answer)}
    detail = _json(_object(detail=_reference(ErrorDetail.__name__)))
    for status in sorted({*HTTP_STATUS.values()}):
        responses[str(status)] = {"description": _codes(status), "content": detail}
    if endpoint.name in _HAS_BODY:
        responses["413"] = {"description": "the body is too large", "content": detail}
    return responses


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": [*properties]}


def _codes(status: int) -> str:
    return ", ".join(code.value for code, of_code in HTTP_STATUS.items() if of_code == status)


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _one_or_list(schema: Schema) -> Schema:
    return {"oneOf": [schema, {"type": "array", "items": schema}]}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
