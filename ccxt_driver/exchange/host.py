"""What the parts of the driver's mixin take from the ccxt class that they are mixed into."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .circuit import Circuit
    from .server_truth import ServerTruth
    from .ticker_cache import TickerCache


class Host:
    """ccxt's class comes later in the resolution order; its attributes are untyped."""

    if TYPE_CHECKING:
        apiKey: Any  # noqa: N815  # the name is ccxt's
        options: Any
        urls: Any
        isSandboxModeEnabled: Any  # noqa: N815  # as above
        served_id: str | None
        paper_name: str
        features: Any
        name: Any
        last_request_url: Any
        last_http_response: Any
        aiohttp_proxy: Any
        proxies: Any
        _live: Any
        _server_features: frozenset[str] | None
        _features_asked_ms: int
        _account_rows: list[dict[str, Any]] | None
        _embedded_oms: Any
        _terms: dict[str, Any]
        _told_target: tuple[Any, bool]
        _unknown_creates: Any
        _truth: ServerTruth
        _sides: dict[str, tuple[Any, ServerTruth]]
        _missing_routes: set[str]
        _known_orders: OrderedDict[int, dict[str, Any]]
        _commands_in_flight: int
        _placings: set[Any]
        _circuits: dict[str, Circuit]
        _tickers: TickerCache
        _ticker_flights: Any

        def __init__(self, config: Any) -> None:
            """ccxt's constructor."""

        def request(self, path: str, *how: Any) -> Any:
            """Of the classes."""

        def __getattr__(self, name: str) -> Any:
            """Anything else of ccxt's Exchange."""

        def idle_seconds(self) -> float:
            """Of the transport."""

        def log(self, *args: Any) -> None:
            """ccxt's."""

        def add_fetch_cache(self, data: Any) -> None:
            """ccxt's."""

        def describe(self) -> Any:
            """ccxt's own description."""

        def set_take_profit_and_stop_loss_params(self, *arguments: Any) -> Any:
            """ccxt's."""

        def market(self, symbol: Any) -> Any:
            """ccxt's."""

        def set_markets(self, markets: Any, currencies: Any = None) -> Any:
            """ccxt's."""
