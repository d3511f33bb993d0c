"""Frames of `/ws`: one envelope both ways, and the names in it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from .fields import Flag, Id


class Action(StrEnum):
    """`action` of a frame that a client sends."""

    AUTH = "auth"
    PING = "ping"
    SUBSCRIBE = "subscribe"
    COMMAND = "command"
    QUERY = "query"
    CALL = "call"
    SUBSCRIBE_MARKET = "subscribe_market"
    UNSUBSCRIBE_MARKET = "unsubscribe_market"


class Namespace(StrEnum):
    """`namespace` of a frame."""

    SYSTEM = "system"
    POSITION = "position"
    CCXT = "ccxt"


class EventName(StrEnum):
    """`event` of a frame that a server sends."""

    # answers
    CONNECTED = "connected"
    AUTHENTICATED = "authenticated"
    PONG = "pong"
    SUBSCRIBED = "subscribed"
    SNAPSHOT_OPEN_ORDERS = "snapshot_open_orders"
    SNAPSHOT_OPEN_POSITIONS = "snapshot_open_positions"
    SNAPSHOT_DONE = "snapshot_done"
    CURSOR_EXPIRED = "cursor_expired"
    COMMAND_RESULT = "command_result"
    QUERY_RESULT = "query_result"
    CCXT_RESULT = "ccxt_result"
    SUBSCRIBED_MARKET = "subscribed_market"
    UNSUBSCRIBED_MARKET = "unsubscribed_market"
    ERROR = "error"
    # namespace position, ids only
    ORDER_SUBMITTED = "order_submitted"
    ORDER_CHANGED = "order_changed"
    ORDER_CANCELED = "order_canceled"
    ORDERS_CANCELED_BATCH = "orders_canceled_batch"
    ORDER_CHANGE_REPLACE_PENDING = "order_change_replace_pending"
    ORDER_CHANGE_REPLACE_FAILED = "order_change_replace_failed"
    ORDER_CHANGE_REPLACE_CONSOLIDATED = "order_change_replace_consolidated"
    POSITION_CHANGED = "position_changed"
    CLOSE_BY_EXECUTED = "close_by_executed"
    POSITIONS_MERGED = "positions_merged"
    REASSIGNED = "reassigned"
    RECONCILIATION_TICK = "reconciliation_tick"
    # namespace position, whole rows: [feature event_rows]; deal_created exists in both forms
    ORDER_UPDATED = "order_updated"
    DEAL_CREATED = "deal_created"
    POSITION_UPDATED = "position_updated"
    BALANCE_UPDATED = "balance_updated"
    # namespace ccxt
    TICKER_UPDATED = "ticker_updated"
    ORDERBOOK_UPDATED = "orderbook_updated"
    TRADES_UPDATED = "trades_updated"
    OHLCV_UPDATED = "ohlcv_updated"


REASSIGNED_TO: Final = "reassigned_to"
"""In the row of an open order or position that leaves its strategy: the strategy that gets it.

To its own strategy it has ended by that; the next event with its id is the row as it goes on.
"""


class Channel(StrEnum):
    """Market data that `subscribe_market` offers; the event is `<channel>_updated`."""

    TICKER = "ticker"
    ORDERBOOK = "orderbook"
    TRADES = "trades"
    OHLCV = "ohlcv"


class Frame(BaseModel):
    """The envelope, both ways.

    `seq`, `prev_seq` (integers per account) and `ts_ms` under **[feature event_cursor]**.
    """

    model_config = ConfigDict(extra="allow")

    id: Any = None
    ok: bool | None = None
    type: str | None = None
    namespace: str | None = None
    action: str | None = None
    event: str | None = None
    payload: dict[str, Any] = Field(default_factory=dict)
    seq: int | None = None
    prev_seq: int | None = None
    ts_ms: int | None = None


class Auth(BaseModel):
    """Payload of `auth`."""

    api_key: Annotated[str, Field(min_length=1, max_length=256)]


class Subscribe(BaseModel):
    """Payload of `subscribe`; `after_seq` maps an account id to the last `seq` seen."""

    account_ids: Annotated[list[Id], Field(min_length=1, max_length=100)]
    namespaces: list[str] = Field(default_factory=lambda: [Namespace.POSITION.value], max_length=100)
    with_snapshot: Flag = True
    after_seq: dict[int, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)


class SubscribeMarket(BaseModel):
    """Payload of `subscribe_market`."""

    account_id: Id
    symbol: Annotated[str, Field(min_length=1, max_length=64)]
    channels: Annotated[list[Channel], Field(min_length=1, max_length=100)]
    timeframe: str = "1m"
    depth: Annotated[int, Field(ge=1, le=1000)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] | None = None
    poll_interval_ms: Annotated[int, Field(ge=1)] = 1200
    book_updates: Flag = False
    """**[feature book_updates]** After a whole order book `orderbook_updated` may carry a `BookUpdate`."""


Levels = list[tuple[float, float]]
"""[price, amount] each."""


class BookUpdate(BaseModel):
    """`update` of an `orderbook_updated`, in place of `data`: **[feature book_updates]**.

    Levels that are new or whose amount has changed; an amount of 0 takes a level away. It applies to the book
    whose `nonce` is `prev_nonce`. The `data` of a whole book carries its `nonce`, too.
    """

    bids: Levels
    asks: Levels
    nonce: int
    prev_nonce: int
    timestamp: int | None = None


class UnsubscribeMarket(BaseModel):
    """Payload of `unsubscribe_market`; a field left out matches all."""

    account_id: Id | None = None
    symbol: str | None = None
    channels: list[Channel] = Field(default_factory=list, max_length=100)


class Query(BaseModel):
    """Payload of `query` **[feature ws_queries]**: a GET endpoint of the contract, by its name."""

    endpoint: Annotated[str, Field(min_length=1, max_length=64)]
    parameters: dict[str, Any] = Field(default_factory=dict)


class CcxtCall(BaseModel):
    """Payload of `call`, and one item of `POST /ccxt/commands`."""

    account_id: Id
    func: Annotated[str, Field(min_length=1, max_length=64)]
    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
