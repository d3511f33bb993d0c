"""What a program notices when a gateway does not offer a feature of the contract."""

from __future__ import annotations

from typing import Final

from ccxt_driver.contract.features import Feature

WITHOUT: Final[dict[str, str]] = {
    Feature.PUBLIC_MARKET_DATA: "market data needs the API key too",
    Feature.CCXT_ERROR: "a refusal of the venue is an ExchangeError; its exact ccxt class is not known",
    Feature.ORDER_OPTIONS: "options of an order go to the venue and are not shown on its row",
    Feature.STOPS_ENFORCED: "a stop loss attached to an order is refused, because nobody would enforce it",
    Feature.CANCEL_ALL_AFTER: "there is no dead man's switch",
    Feature.CHECK_ORDER: "an order cannot be checked without placing it",
    Feature.ROWS_IN_RESULTS: "an order costs more requests, because its rows are read afterwards",
    Feature.CLIENT_ORDER_ID_DEDUPE: "an order whose outcome is unknown is never sent again",
    Feature.STRATEGY_GUARD: "a row is read before it is changed, to see whose it is",
    Feature.BY_ID: "one order is found by searching the lists",
    Feature.QUERY_FILTERS: "lists are read by whole days and filtered here, which is slower",
    Feature.POSITION_VALUES: "positions carry no profit, mark price or margin",
    Feature.PAPER_FUNDS: "paper money cannot be deposited or withdrawn",
    Feature.LEDGER: "the changes of a balance cannot be listed",
    Feature.EVENT_ROWS: "events carry ids only, and the rows are read after each",
    Feature.EVENT_CURSOR: "after a lost connection everything is read again",
    Feature.WS_QUERIES: "reads of orders, trades and positions over the WebSocket go by HTTP",
    Feature.BOOK_UPDATES: "an order book that is watched comes whole at every change",
}
"""By the name of the feature; a test holds that none is missing."""
