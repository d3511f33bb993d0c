"""What only some servers offer: the names in the `features` list of `/healthz`."""

from __future__ import annotations

from enum import StrEnum


class Feature(StrEnum):
    """An optional part of the contract. A server that does not list it does not have it."""

    PUBLIC_MARKET_DATA = "public_market_data"
    """Market reads under `/ccxt` need no key."""
    CCXT_ERROR = "ccxt_error"
    """An `exchange_error` carries the venue's ccxt class in `details.ccxt_error`."""
    ORDER_OPTIONS = "order_options"
    """`cost`, `expire_at`, `display_qty`; order rows show the options, deals show `maker`."""
    STOPS_ENFORCED = "stops_enforced"
    """`oms_stop_loss` and `oms_stop_gain` close the position; elsewhere they are only stored."""
    CANCEL_ALL_AFTER = "cancel_all_after"
    CHECK_ORDER = "check_order"
    ROWS_IN_RESULTS = "rows_in_results"
    """Each command result carries the rows it changed."""
    CLIENT_ORDER_ID_DEDUPE = "client_order_id_dedupe"
    """A `client_order_id` names one order of an account for ever; re-sending it is safe."""
    STRATEGY_GUARD = "strategy_guard"
    """By-id commands and reads take `strategy_id` and refuse another strategy's rows."""
    BY_ID = "by_id"
    QUERY_FILTERS = "query_filters"
    POSITION_VALUES = "position_values"
    PAPER_FUNDS = "paper_funds"
    LEDGER = "ledger"
    EVENT_ROWS = "event_rows"
    """Events carry the whole row, after its commit."""
    EVENT_CURSOR = "event_cursor"
    """Events carry `seq`, `prev_seq` and `ts_ms`; `subscribe` takes `after_seq`."""
    WS_QUERIES = "ws_queries"
    """`/ws` answers the queries of the contract too: action `query`."""
    BOOK_UPDATES = "book_updates"
    """`subscribe_market` takes `book_updates`: after the whole order book only what changes in it is sent."""
