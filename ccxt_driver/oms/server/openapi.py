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

_ANYTHING: Final[Schema] = {"type": "object"}
_COMMAND: Final = "command"


@cache
def document() -> Schema:
    """The document; whoever gets it must not change it."""
    models = {model.__name__: model for model in (*_BODIES.values(), *_ITEMS.values())}
    models |= {model.__name__: model for model in (Health, CommandResult, ErrorDetail, CcxtCall)}
    adapters: list[tuple[str, Any, TypeAdapter[Any]]] = [
        (name, "validation", TypeAdapter(model)) for name, model in models.items()
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
            {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}
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
    if endpoint.method != "GET":
        operation["requestBody"] = {"content": _json(_body(endpoint.name))}
    return operation


def _body(name: str) -> Schema:
    if name == "commands":
        return _one_or_list(_reference("Command"))
    if name == "ccxt_commands":
        return _one_or_list(_reference(CcxtCall.__name__))
    if name == "ccxt_call":
        properties = {"args": {"type": "array"}, "kwargs": _ANYTHING}
        return {"type": "object", "properties": properties, "additionalProperties": False}
    return _reference(_BODIES[name].__name__) if name in _BODIES else _ANYTHING


def _responses(endpoint: Endpoint) -> Schema:
    result = _reference(CommandResult.__name__)
    results: Schema = {"type": "object", "properties": {"results": {"type": "array", "items": result}}}
    answer = _ANYTHING
    if endpoint.name == "commands":
        answer = results
    elif endpoint.name == "health":
        answer = _reference(Health.__name__)
    elif endpoint.name in _ITEMS:
        items = {"type": "array", "items": _reference(_ITEMS[endpoint.name].__name__)}
        answer = {"type": "object", "properties": {"items": items}}
    responses = {"200": {"description": "done", "content": _json(answer)}}
    if endpoint.name == "commands":
        responses["207"] = {"description": "some of the commands were refused", "content": _json(answer)}
    detail = {"type": "object", "properties": {"detail": _reference(ErrorDetail.__name__)}}
    for status in sorted({*HTTP_STATUS.values()}):
        responses[str(status)] = {"description": _codes(status), "content": _json(detail)}
    return responses


def _codes(status: int) -> str:
    return ", ".join(code.value for code, of_code in HTTP_STATUS.items() if of_code == status)


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _one_or_list(schema: Schema) -> Schema:
    return {"oneOf": [schema, {"type": "array", "items": schema}]}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
