"""What freqtrade has to be told of an exchange beyond what ccxt says: the class `freqtrade.exchange.Oms`.

freqtrade looks for a class of its own by the name of the exchange and takes a generic one, which trades
spot only and has no stop on the exchange, when it finds none. `registering` puts this one there. Only
freqtrade's own import leads here.
"""

from __future__ import annotations

from typing import Any, ClassVar

import ccxt
from freqtrade.enums import MarginMode, TradingMode
from freqtrade.exceptions import DDosProtection, OperationalException, TemporaryError
from freqtrade.exchange.common import retrier
from freqtrade.exchange.exchange import Exchange


class Oms(Exchange):
    """The OMS in freqtrade: spot, and swaps with isolated margin."""

    _ft_has: ClassVar[dict[str, Any]] = {
        "always_require_api_keys": True,  # a gateway may ask for its key to tell prices, too
        "order_time_in_force": ["GTC", "FOK", "IOC", "PO"],
        "stoploss_on_exchange": True,
        "stoploss_order_types": {"limit": "limit", "market": "market"},
        "supports_demo_trading": True,  # the sandbox
        "ws_enabled": True,
        "trades_has_history": True,
    }
    _ft_has_futures: ClassVar[dict[str, Any]] = {
        "funding_fee_timeframe": "8h",
        "stoploss_blocks_assets": False,
    }
    _supported_trading_mode_margin_pairs: ClassVar[list[Any]] = [
        (TradingMode.SPOT, MarginMode.NONE),
        (TradingMode.FUTURES, MarginMode.ISOLATED),
    ]

    def _init_ccxt(self, exchange_config: dict[str, Any], *rest: Any, **more: Any) -> Any:
        """Make a ccxt object; an empty key is how freqtrade's own files say that there is none."""
        given = {name: value for name, value in exchange_config.items() if value != ""}
        return super()._init_ccxt(given, *rest, **more)

    @retrier
    def additional_exchange_init(self) -> None:
        """Refuse to trade swaps on an account where an exit would open a position the other way.

        :raises OperationalException: the account is in hedge mode
        """
        if self._config["dry_run"] or self.trading_mode != TradingMode.FUTURES:
            return
        try:
            is_hedged = self._api.fetch_position_mode()["hedged"]
        except ccxt.DDoSProtection as error:
            raise DDosProtection(error) from error
        except (ccxt.OperationFailed, ccxt.ExchangeError) as error:
            raise TemporaryError(f"fetch_position_mode: {type(error).__name__}: {error}") from error
        except ccxt.BaseError as error:
            raise OperationalException(error) from error
        if is_hedged:
            raise OperationalException(
                "freqtrade trades futures with one position per pair: the OMS account is in hedge mode; "
                "use one in netting or strategy_netting mode (CCXT_OMS_ACCOUNT_ID, or "
                "exchange.ccxt_config.options.account_id)"
            )
