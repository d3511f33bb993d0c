# Generated from `_async/venue.py` by `_generate.py`: change that file, not this one.
"""Every other unified method of ccxt, answered by the venue behind the gateway.

Arguments and results are ccxt's; the venue's own page in ccxt's manual says more. A method that the
venue does not have raises NotSupported; `exchange.has` tells after `load_markets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .rows import Rows

if TYPE_CHECKING:
    from ccxt.base.types import (
        ADL,
        AllGreeks,
        BorrowInterest,
        Conversion,
        CrossBorrowRate,
        CrossBorrowRates,
        Currencies,
        DepositAddress,
        DepositAddresses,
        DepositWithdrawFee,
        DepositWithdrawFees,
        FundingHistory,
        FundingRate,
        FundingRateHistory,
        FundingRates,
        Greeks,
        IsolatedBorrowRate,
        IsolatedBorrowRates,
        LastPrices,
        LedgerEntry,
        Leverage,
        Leverages,
        LeverageTier,
        LeverageTiers,
        Liquidation,
        LongShortRatio,
        MarginLoan,
        MarginMode,
        MarginModes,
        MarginModification,
        OpenInterest,
        OpenInterests,
        Option,
        OptionChain,
        Position,
        Ticker,
        Tickers,
        Transaction,
        TransferEntry,
    )


class Venue(Rows):
    """Passed on to the venue as they are."""

    # -- Market data ----------------------------------------------------------------------------

    def fetch_bids_asks(self, symbols: Any = None, params: dict[str, Any] = {}) -> Tickers:
        """ccxt's `fetchBidsAsks`."""
        return self._passed_on("fetch_bids_asks", [symbols], params, "market")

    def fetch_last_prices(self, symbols: Any = None, params: dict[str, Any] = {}) -> LastPrices:
        """ccxt's `fetchLastPrices`."""
        return self._passed_on("fetch_last_prices", [symbols], params, "market")

    def fetch_mark_price(self, symbol: str, params: dict[str, Any] = {}) -> Ticker:
        """ccxt's `fetchMarkPrice`."""
        return self._passed_on("fetch_mark_price", [symbol], params, "market")

    def fetch_mark_prices(self, symbols: Any = None, params: dict[str, Any] = {}) -> Tickers:
        """ccxt's `fetchMarkPrices`."""
        return self._passed_on("fetch_mark_prices", [symbols], params, "market")

    def fetch_trading_limits(self, symbols: Any = None, params: dict[str, Any] = {}) -> Any:
        """ccxt's `fetchTradingLimits`."""
        return self._passed_on("fetch_trading_limits", [symbols], params, "market")

    def fetch_index_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[list[Any]]:
        """ccxt's `fetchIndexOHLCV`."""
        return self._passed_on("fetch_index_ohlcv", [symbol, timeframe, since, limit], params, "market")

    def fetch_mark_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[list[Any]]:
        """ccxt's `fetchMarkOHLCV`."""
        return self._passed_on("fetch_mark_ohlcv", [symbol, timeframe, since, limit], params, "market")

    def fetch_premium_index_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[list[Any]]:
        """ccxt's `fetchPremiumIndexOHLCV`."""
        return self._passed_on(
            "fetch_premium_index_ohlcv", [symbol, timeframe, since, limit], params, "market"
        )

    def fetch_funding_interval(self, symbol: str, params: dict[str, Any] = {}) -> FundingRate:
        """ccxt's `fetchFundingInterval`."""
        return self._passed_on("fetch_funding_interval", [symbol], params, "market")

    def fetch_funding_intervals(self, symbols: Any = None, params: dict[str, Any] = {}) -> FundingRates:
        """ccxt's `fetchFundingIntervals`."""
        return self._passed_on("fetch_funding_intervals", [symbols], params, "market")

    def fetch_funding_rate(self, symbol: str, params: dict[str, Any] = {}) -> FundingRate:
        """ccxt's `fetchFundingRate`."""
        return self._passed_on("fetch_funding_rate", [symbol], params, "market")

    def fetch_funding_rate_history(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[FundingRateHistory]:
        """ccxt's `fetchFundingRateHistory`."""
        return self._passed_on("fetch_funding_rate_history", [symbol, since, limit], params, "market")

    def fetch_funding_rates(self, symbols: Any = None, params: dict[str, Any] = {}) -> FundingRates:
        """ccxt's `fetchFundingRates`."""
        return self._passed_on("fetch_funding_rates", [symbols], params, "market")

    def fetch_open_interest(self, symbol: str, params: dict[str, Any] = {}) -> OpenInterest:
        """ccxt's `fetchOpenInterest`."""
        return self._passed_on("fetch_open_interest", [symbol], params, "market")

    def fetch_open_interest_history(
        self,
        symbol: str,
        timeframe: str = "1h",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[OpenInterest]:
        """ccxt's `fetchOpenInterestHistory`."""
        return self._passed_on(
            "fetch_open_interest_history", [symbol, timeframe, since, limit], params, "market"
        )

    def fetch_open_interests(self, symbols: Any = None, params: dict[str, Any] = {}) -> OpenInterests:
        """ccxt's `fetchOpenInterests`."""
        return self._passed_on("fetch_open_interests", [symbols], params, "market")

    def fetch_long_short_ratio(
        self, symbol: str, timeframe: Any = None, params: dict[str, Any] = {}
    ) -> LongShortRatio:
        """ccxt's `fetchLongShortRatio`."""
        return self._passed_on("fetch_long_short_ratio", [symbol, timeframe], params, "market")

    def fetch_long_short_ratio_history(
        self,
        symbol: Any = None,
        timeframe: Any = None,
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[LongShortRatio]:
        """ccxt's `fetchLongShortRatioHistory`."""
        return self._passed_on(
            "fetch_long_short_ratio_history", [symbol, timeframe, since, limit], params, "market"
        )

    def fetch_liquidations(
        self, symbol: str, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Liquidation]:
        """ccxt's `fetchLiquidations`."""
        return self._passed_on("fetch_liquidations", [symbol, since, limit], params, "market")

    def fetch_greeks(self, symbol: str, params: dict[str, Any] = {}) -> Greeks:
        """ccxt's `fetchGreeks`."""
        return self._passed_on("fetch_greeks", [symbol], params, "market")

    def fetch_all_greeks(self, symbols: Any = None, params: dict[str, Any] = {}) -> AllGreeks:
        """ccxt's `fetchAllGreeks`."""
        return self._passed_on("fetch_all_greeks", [symbols], params, "market")

    def fetch_option(self, symbol: str, params: dict[str, Any] = {}) -> Option:
        """ccxt's `fetchOption`."""
        return self._passed_on("fetch_option", [symbol], params, "market")

    def fetch_option_chain(self, code: str, params: dict[str, Any] = {}) -> OptionChain:
        """ccxt's `fetchOptionChain`."""
        return self._passed_on("fetch_option_chain", [code], params, "market")

    # -- Leverage and margin --------------------------------------------------------------------

    def fetch_leverage(self, symbol: str, params: dict[str, Any] = {}) -> Leverage:
        """ccxt's `fetchLeverage`."""
        return self._passed_on("fetch_leverage", [symbol], params, "private")

    def fetch_leverages(self, symbols: Any = None, params: dict[str, Any] = {}) -> Leverages:
        """ccxt's `fetchLeverages`."""
        return self._passed_on("fetch_leverages", [symbols], params, "private")

    def fetch_leverage_tiers(self, symbols: Any = None, params: dict[str, Any] = {}) -> LeverageTiers:
        """ccxt's `fetchLeverageTiers`."""
        return self._passed_on("fetch_leverage_tiers", [symbols], params, "market")

    def fetch_market_leverage_tiers(
        self, symbol: str, params: dict[str, Any] = {}
    ) -> list[LeverageTier]:
        """ccxt's `fetchMarketLeverageTiers`."""
        return self._passed_on("fetch_market_leverage_tiers", [symbol], params, "market")

    def set_leverage(self, leverage: Any, symbol: Any = None, params: dict[str, Any] = {}) -> Any:
        """ccxt's `setLeverage`."""
        return self._passed_on("set_leverage", [leverage, symbol], params, "private")

    def fetch_margin_mode(self, symbol: str, params: dict[str, Any] = {}) -> MarginMode:
        """ccxt's `fetchMarginMode`."""
        return self._passed_on("fetch_margin_mode", [symbol], params, "private")

    def fetch_margin_modes(self, symbols: Any = None, params: dict[str, Any] = {}) -> MarginModes:
        """ccxt's `fetchMarginModes`."""
        return self._passed_on("fetch_margin_modes", [symbols], params, "private")

    def set_margin_mode(self, marginMode: str, symbol: Any = None, params: dict[str, Any] = {}) -> Any:
        """ccxt's `setMarginMode`."""
        return self._passed_on("set_margin_mode", [marginMode, symbol], params, "private")

    def set_position_mode(self, hedged: Any, symbol: Any = None, params: dict[str, Any] = {}) -> Any:
        """ccxt's `setPositionMode`."""
        return self._passed_on("set_position_mode", [hedged, symbol], params, "private")

    def add_margin(self, symbol: str, amount: Any, params: dict[str, Any] = {}) -> MarginModification:
        """ccxt's `addMargin`."""
        return self._passed_on("add_margin", [symbol, amount], params, "private")

    def reduce_margin(
        self, symbol: str, amount: Any, params: dict[str, Any] = {}
    ) -> MarginModification:
        """ccxt's `reduceMargin`."""
        return self._passed_on("reduce_margin", [symbol, amount], params, "private")

    def set_margin(self, symbol: str, amount: Any, params: dict[str, Any] = {}) -> MarginModification:
        """ccxt's `setMargin`."""
        return self._passed_on("set_margin", [symbol, amount], params, "private")

    def fetch_margin_adjustment_history(
        self,
        symbol: Any = None,
        type: Any = None,
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[MarginModification]:
        """ccxt's `fetchMarginAdjustmentHistory`."""
        return self._passed_on(
            "fetch_margin_adjustment_history", [symbol, type, since, limit], params, "private"
        )

    def fetch_positions_risk(self, symbols: Any = None, params: dict[str, Any] = {}) -> list[Position]:
        """ccxt's `fetchPositionsRisk`."""
        return self._passed_on("fetch_positions_risk", [symbols], params, "private")

    def fetch_adl_rank(self, symbol: str, params: dict[str, Any] = {}) -> ADL:
        """ccxt's `fetchADLRank`."""
        return self._passed_on("fetch_adl_rank", [symbol], params, "private")

    def fetch_position_adl_rank(self, symbol: str, params: dict[str, Any] = {}) -> ADL:
        """ccxt's `fetchPositionADLRank`."""
        return self._passed_on("fetch_position_adl_rank", [symbol], params, "private")

    def fetch_positions_adl_rank(self, symbols: Any = None, params: dict[str, Any] = {}) -> list[ADL]:
        """ccxt's `fetchPositionsADLRank`."""
        return self._passed_on("fetch_positions_adl_rank", [symbols], params, "private")

    def fetch_funding_history(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[FundingHistory]:
        """ccxt's `fetchFundingHistory`."""
        return self._passed_on("fetch_funding_history", [symbol, since, limit], params, "private")

    def fetch_my_liquidations(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Liquidation]:
        """ccxt's `fetchMyLiquidations`."""
        return self._passed_on("fetch_my_liquidations", [symbol, since, limit], params, "private")

    # -- Borrowing rates ------------------------------------------------------------------------

    def fetch_borrow_interest(
        self,
        code: Any = None,
        symbol: Any = None,
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[BorrowInterest]:
        """ccxt's `fetchBorrowInterest`."""
        return self._passed_on("fetch_borrow_interest", [code, symbol, since, limit], params, "private")

    def fetch_borrow_rate(self, code: str, amount: Any, params: dict[str, Any] = {}) -> Any:
        """ccxt's `fetchBorrowRate`."""
        return self._passed_on("fetch_borrow_rate", [code, amount], params, "private")

    def fetch_cross_borrow_rate(self, code: str, params: dict[str, Any] = {}) -> CrossBorrowRate:
        """ccxt's `fetchCrossBorrowRate`."""
        return self._passed_on("fetch_cross_borrow_rate", [code], params, "private")

    def fetch_cross_borrow_rates(self, params: dict[str, Any] = {}) -> CrossBorrowRates:
        """ccxt's `fetchCrossBorrowRates`."""
        return self._passed_on("fetch_cross_borrow_rates", [], params, "private")

    def fetch_isolated_borrow_rate(
        self, symbol: str, params: dict[str, Any] = {}
    ) -> IsolatedBorrowRate:
        """ccxt's `fetchIsolatedBorrowRate`."""
        return self._passed_on("fetch_isolated_borrow_rate", [symbol], params, "private")

    def fetch_isolated_borrow_rates(self, params: dict[str, Any] = {}) -> IsolatedBorrowRates:
        """ccxt's `fetchIsolatedBorrowRates`."""
        return self._passed_on("fetch_isolated_borrow_rates", [], params, "private")

    # -- Deposits, withdrawals, transfers, conversions: reading ---------------------------------

    def fetch_deposit_address(self, code: str, params: dict[str, Any] = {}) -> DepositAddress:
        """ccxt's `fetchDepositAddress`."""
        return self._passed_on("fetch_deposit_address", [code], params, "private")

    def fetch_deposit_addresses(
        self, codes: Any = None, params: dict[str, Any] = {}
    ) -> DepositAddresses:
        """ccxt's `fetchDepositAddresses`."""
        return self._passed_on("fetch_deposit_addresses", [codes], params, "private")

    def fetch_deposit_addresses_by_network(
        self, code: str, params: dict[str, Any] = {}
    ) -> DepositAddresses:
        """ccxt's `fetchDepositAddressesByNetwork`."""
        return self._passed_on("fetch_deposit_addresses_by_network", [code], params, "private")

    def fetch_deposit_withdraw_fee(self, code: str, params: dict[str, Any] = {}) -> DepositWithdrawFee:
        """ccxt's `fetchDepositWithdrawFee`."""
        return self._passed_on("fetch_deposit_withdraw_fee", [code], params, "private")

    def fetch_deposit_withdraw_fees(
        self, codes: Any = None, params: dict[str, Any] = {}
    ) -> DepositWithdrawFees:
        """ccxt's `fetchDepositWithdrawFees`."""
        return self._passed_on("fetch_deposit_withdraw_fees", [codes], params, "private")

    def fetch_deposits(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Transaction]:
        """ccxt's `fetchDeposits`."""
        return self._passed_on("fetch_deposits", [code, since, limit], params, "private")

    def fetch_deposits_withdrawals(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Transaction]:
        """ccxt's `fetchDepositsWithdrawals`."""
        return self._passed_on("fetch_deposits_withdrawals", [code, since, limit], params, "private")

    def fetch_withdrawals(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Transaction]:
        """ccxt's `fetchWithdrawals`."""
        return self._passed_on("fetch_withdrawals", [code, since, limit], params, "private")

    def fetch_transactions(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Transaction]:
        """ccxt's `fetchTransactions`."""
        return self._passed_on("fetch_transactions", [code, since, limit], params, "private")

    def fetch_transaction_fee(self, code: str, params: dict[str, Any] = {}) -> Any:
        """ccxt's `fetchTransactionFee`."""
        return self._passed_on("fetch_transaction_fee", [code], params, "private")

    def fetch_transaction_fees(self, codes: Any = None, params: dict[str, Any] = {}) -> Any:
        """ccxt's `fetchTransactionFees`."""
        return self._passed_on("fetch_transaction_fees", [codes], params, "private")

    def fetch_transfer(self, id: Any, code: Any = None, params: dict[str, Any] = {}) -> TransferEntry:
        """ccxt's `fetchTransfer`."""
        return self._passed_on("fetch_transfer", [id, code], params, "private")

    def fetch_transfers(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[TransferEntry]:
        """ccxt's `fetchTransfers`."""
        return self._passed_on("fetch_transfers", [code, since, limit], params, "private")

    def fetch_ledger_entry(self, id: Any, code: Any = None, params: dict[str, Any] = {}) -> LedgerEntry:
        """ccxt's `fetchLedgerEntry`."""
        return self._passed_on("fetch_ledger_entry", [id, code], params, "private")

    def fetch_convert_currencies(self, params: dict[str, Any] = {}) -> Currencies:
        """ccxt's `fetchConvertCurrencies`."""
        return self._passed_on("fetch_convert_currencies", [], params, "private")

    def fetch_convert_quote(
        self, fromCode: str, toCode: str, amount: Any = None, params: dict[str, Any] = {}
    ) -> Conversion:
        """ccxt's `fetchConvertQuote`."""
        return self._passed_on("fetch_convert_quote", [fromCode, toCode, amount], params, "private")

    def fetch_convert_trade(self, id: Any, code: Any = None, params: dict[str, Any] = {}) -> Conversion:
        """ccxt's `fetchConvertTrade`."""
        return self._passed_on("fetch_convert_trade", [id, code], params, "private")

    def fetch_convert_trade_history(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Conversion]:
        """ccxt's `fetchConvertTradeHistory`."""
        return self._passed_on("fetch_convert_trade_history", [code, since, limit], params, "private")

    def fetch_payment_methods(self, params: dict[str, Any] = {}) -> Any:
        """ccxt's `fetchPaymentMethods`."""
        return self._passed_on("fetch_payment_methods", [], params, "private")

    # -- Moving money: off unless options.allow_money_movement is set ---------------------------

    def withdraw(
        self, code: str, amount: Any, address: str, params: dict[str, Any] = {}
    ) -> Transaction:
        """ccxt's `withdraw`."""
        return self._passed_on("withdraw", [code, amount, address], params, "private")

    def transfer(
        self, code: str, amount: Any, fromAccount: str, toAccount: str, params: dict[str, Any] = {}
    ) -> TransferEntry:
        """ccxt's `transfer`."""
        return self._passed_on("transfer", [code, amount, fromAccount, toAccount], params, "private")

    def borrow_cross_margin(self, code: str, amount: Any, params: dict[str, Any] = {}) -> MarginLoan:
        """ccxt's `borrowCrossMargin`."""
        return self._passed_on("borrow_cross_margin", [code, amount], params, "private")

    def borrow_isolated_margin(
        self, symbol: str, code: str, amount: Any, params: dict[str, Any] = {}
    ) -> MarginLoan:
        """ccxt's `borrowIsolatedMargin`."""
        return self._passed_on("borrow_isolated_margin", [symbol, code, amount], params, "private")

    def borrow_margin(
        self, code: str, amount: Any, symbol: Any = None, params: dict[str, Any] = {}
    ) -> MarginLoan:
        """ccxt's `borrowMargin`."""
        return self._passed_on("borrow_margin", [code, amount, symbol], params, "private")

    def repay_cross_margin(self, code: str, amount: Any, params: dict[str, Any] = {}) -> MarginLoan:
        """ccxt's `repayCrossMargin`."""
        return self._passed_on("repay_cross_margin", [code, amount], params, "private")

    def repay_isolated_margin(
        self, symbol: str, code: str, amount: Any, params: dict[str, Any] = {}
    ) -> MarginLoan:
        """ccxt's `repayIsolatedMargin`."""
        return self._passed_on("repay_isolated_margin", [symbol, code, amount], params, "private")

    def repay_margin(
        self, code: str, amount: Any, symbol: Any = None, params: dict[str, Any] = {}
    ) -> MarginLoan:
        """ccxt's `repayMargin`."""
        return self._passed_on("repay_margin", [code, amount, symbol], params, "private")

    def create_deposit_address(self, code: str, params: dict[str, Any] = {}) -> DepositAddress:
        """ccxt's `createDepositAddress`."""
        return self._passed_on("create_deposit_address", [code], params, "private")

    def create_convert_trade(
        self, id: Any, fromCode: str, toCode: str, amount: Any = None, params: dict[str, Any] = {}
    ) -> Conversion:
        """ccxt's `createConvertTrade`."""
        return self._passed_on(
            "create_convert_trade", [id, fromCode, toCode, amount], params, "private"
        )
