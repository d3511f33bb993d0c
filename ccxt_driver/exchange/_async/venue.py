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

    async def fetch_bids_asks(self, symbols: Any = None, params: dict[str, Any] = {}) -> Tickers:
        """ccxt's `fetchBidsAsks`."""
        return await self._passed_on("fetch_bids_asks", [symbols], params, "market")

    async def fetch_last_prices(self, symbols: Any = None, params: dict[str, Any] = {}) -> LastPrices:
        """ccxt's `fetchLastPrices`."""
        return await self._passed_on("fetch_last_prices", [symbols], params, "market")

    async def fetch_mark_price(self, symbol: str, params: dict[str, Any] = {}) -> Ticker:
        """ccxt's `fetchMarkPrice`."""
        return await self._passed_on("fetch_mark_price", [symbol], params, "market")

    async def fetch_mark_prices(self, symbols: Any = None, params: dict[str, Any] = {}) -> Tickers:
        """ccxt's `fetchMarkPrices`."""
        return await self._passed_on("fetch_mark_prices", [symbols], params, "market")

    async def fetch_trading_limits(self, symbols: Any = None, params: dict[str, Any] = {}) -> Any:
        """ccxt's `fetchTradingLimits`."""
        return await self._passed_on("fetch_trading_limits", [symbols], params, "market")

    async def fetch_index_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[list[Any]]:
        """ccxt's `fetchIndexOHLCV`."""
        return await self._passed_on("fetch_index_ohlcv", [symbol, timeframe, since, limit], params, "market")

    async def fetch_mark_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[list[Any]]:
        """ccxt's `fetchMarkOHLCV`."""
        return await self._passed_on("fetch_mark_ohlcv", [symbol, timeframe, since, limit], params, "market")

    async def fetch_premium_index_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[list[Any]]:
        """ccxt's `fetchPremiumIndexOHLCV`."""
        return await self._passed_on(
            "fetch_premium_index_ohlcv", [symbol, timeframe, since, limit], params, "market"
        )

    async def fetch_funding_interval(self, symbol: str, params: dict[str, Any] = {}) -> FundingRate:
        """ccxt's `fetchFundingInterval`."""
        return await self._passed_on("fetch_funding_interval", [symbol], params, "market")

    async def fetch_funding_intervals(self, symbols: Any = None, params: dict[str, Any] = {}) -> FundingRates:
        """ccxt's `fetchFundingIntervals`."""
        return await self._passed_on("fetch_funding_intervals", [symbols], params, "market")

    async def fetch_funding_rate(self, symbol: str, params: dict[str, Any] = {}) -> FundingRate:
        """ccxt's `fetchFundingRate`."""
        return await self._passed_on("fetch_funding_rate", [symbol], params, "market")

    async def fetch_funding_rate_history(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[FundingRateHistory]:
        """ccxt's `fetchFundingRateHistory`."""
        return await self._passed_on("fetch_funding_rate_history", [symbol, since, limit], params, "market")

    async def fetch_funding_rates(self, symbols: Any = None, params: dict[str, Any] = {}) -> FundingRates:
        """ccxt's `fetchFundingRates`."""
        return await self._passed_on("fetch_funding_rates", [symbols], params, "market")

    async def fetch_open_interest(self, symbol: str, params: dict[str, Any] = {}) -> OpenInterest:
        """ccxt's `fetchOpenInterest`."""
        return await self._passed_on("fetch_open_interest", [symbol], params, "market")

    async def fetch_open_interest_history(
        self,
        symbol: str,
        timeframe: str = "1h",
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[OpenInterest]:
        """ccxt's `fetchOpenInterestHistory`."""
        return await self._passed_on(
            "fetch_open_interest_history", [symbol, timeframe, since, limit], params, "market"
        )

    async def fetch_open_interests(self, symbols: Any = None, params: dict[str, Any] = {}) -> OpenInterests:
        """ccxt's `fetchOpenInterests`."""
        return await self._passed_on("fetch_open_interests", [symbols], params, "market")

    async def fetch_long_short_ratio(
        self, symbol: str, timeframe: Any = None, params: dict[str, Any] = {}
    ) -> LongShortRatio:
        """ccxt's `fetchLongShortRatio`."""
        return await self._passed_on("fetch_long_short_ratio", [symbol, timeframe], params, "market")

    async def fetch_long_short_ratio_history(
        self,
        symbol: Any = None,
        timeframe: Any = None,
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[LongShortRatio]:
        """ccxt's `fetchLongShortRatioHistory`."""
        return await self._passed_on(
            "fetch_long_short_ratio_history", [symbol, timeframe, since, limit], params, "market"
        )

    async def fetch_liquidations(
        self, symbol: str, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Liquidation]:
        """ccxt's `fetchLiquidations`."""
        return await self._passed_on("fetch_liquidations", [symbol, since, limit], params, "market")

    async def fetch_greeks(self, symbol: str, params: dict[str, Any] = {}) -> Greeks:
        """ccxt's `fetchGreeks`."""
        return await self._passed_on("fetch_greeks", [symbol], params, "market")

    async def fetch_all_greeks(self, symbols: Any = None, params: dict[str, Any] = {}) -> AllGreeks:
        """ccxt's `fetchAllGreeks`."""
        return await self._passed_on("fetch_all_greeks", [symbols], params, "market")

    async def fetch_option(self, symbol: str, params: dict[str, Any] = {}) -> Option:
        """ccxt's `fetchOption`."""
        return await self._passed_on("fetch_option", [symbol], params, "market")

    async def fetch_option_chain(self, code: str, params: dict[str, Any] = {}) -> OptionChain:
        """ccxt's `fetchOptionChain`."""
        return await self._passed_on("fetch_option_chain", [code], params, "market")

    # -- Leverage and margin --------------------------------------------------------------------

    async def fetch_leverage(self, symbol: str, params: dict[str, Any] = {}) -> Leverage:
        """ccxt's `fetchLeverage`."""
        return await self._passed_on("fetch_leverage", [symbol], params, "private")

    async def fetch_leverages(self, symbols: Any = None, params: dict[str, Any] = {}) -> Leverages:
        """ccxt's `fetchLeverages`."""
        return await self._passed_on("fetch_leverages", [symbols], params, "private")

    async def fetch_leverage_tiers(self, symbols: Any = None, params: dict[str, Any] = {}) -> LeverageTiers:
        """ccxt's `fetchLeverageTiers`."""
        return await self._passed_on("fetch_leverage_tiers", [symbols], params, "market")

    async def fetch_market_leverage_tiers(
        self, symbol: str, params: dict[str, Any] = {}
    ) -> list[LeverageTier]:
        """ccxt's `fetchMarketLeverageTiers`."""
        return await self._passed_on("fetch_market_leverage_tiers", [symbol], params, "market")

    async def set_leverage(self, leverage: Any, symbol: Any = None, params: dict[str, Any] = {}) -> Any:
        """ccxt's `setLeverage`."""
        return await self._passed_on("set_leverage", [leverage, symbol], params, "private")

    async def fetch_margin_mode(self, symbol: str, params: dict[str, Any] = {}) -> MarginMode:
        """ccxt's `fetchMarginMode`."""
        return await self._passed_on("fetch_margin_mode", [symbol], params, "private")

    async def fetch_margin_modes(self, symbols: Any = None, params: dict[str, Any] = {}) -> MarginModes:
        """ccxt's `fetchMarginModes`."""
        return await self._passed_on("fetch_margin_modes", [symbols], params, "private")

    async def set_margin_mode(self, marginMode: str, symbol: Any = None, params: dict[str, Any] = {}) -> Any:
        """ccxt's `setMarginMode`."""
        return await self._passed_on("set_margin_mode", [marginMode, symbol], params, "private")

    async def set_position_mode(self, hedged: Any, symbol: Any = None, params: dict[str, Any] = {}) -> Any:
        """ccxt's `setPositionMode`."""
        return await self._passed_on("set_position_mode", [hedged, symbol], params, "private")

    async def add_margin(self, symbol: str, amount: Any, params: dict[str, Any] = {}) -> MarginModification:
        """ccxt's `addMargin`."""
        return await self._passed_on("add_margin", [symbol, amount], params, "private")

    async def reduce_margin(
        self, symbol: str, amount: Any, params: dict[str, Any] = {}
    ) -> MarginModification:
        """ccxt's `reduceMargin`."""
        return await self._passed_on("reduce_margin", [symbol, amount], params, "private")

    async def set_margin(self, symbol: str, amount: Any, params: dict[str, Any] = {}) -> MarginModification:
        """ccxt's `setMargin`."""
        return await self._passed_on("set_margin", [symbol, amount], params, "private")

    async def fetch_margin_adjustment_history(
        self,
        symbol: Any = None,
        type: Any = None,
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[MarginModification]:
        """ccxt's `fetchMarginAdjustmentHistory`."""
        return await self._passed_on(
            "fetch_margin_adjustment_history", [symbol, type, since, limit], params, "private"
        )

    async def fetch_positions_risk(self, symbols: Any = None, params: dict[str, Any] = {}) -> list[Position]:
        """ccxt's `fetchPositionsRisk`."""
        return await self._passed_on("fetch_positions_risk", [symbols], params, "private")

    async def fetch_adl_rank(self, symbol: str, params: dict[str, Any] = {}) -> ADL:
        """ccxt's `fetchADLRank`."""
        return await self._passed_on("fetch_adl_rank", [symbol], params, "private")

    async def fetch_position_adl_rank(self, symbol: str, params: dict[str, Any] = {}) -> ADL:
        """ccxt's `fetchPositionADLRank`."""
        return await self._passed_on("fetch_position_adl_rank", [symbol], params, "private")

    async def fetch_positions_adl_rank(self, symbols: Any = None, params: dict[str, Any] = {}) -> list[ADL]:
        """ccxt's `fetchPositionsADLRank`."""
        return await self._passed_on("fetch_positions_adl_rank", [symbols], params, "private")

    async def fetch_funding_history(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[FundingHistory]:
        """ccxt's `fetchFundingHistory`."""
        return await self._passed_on("fetch_funding_history", [symbol, since, limit], params, "private")

    async def fetch_my_liquidations(
        self, symbol: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Liquidation]:
        """ccxt's `fetchMyLiquidations`."""
        return await self._passed_on("fetch_my_liquidations", [symbol, since, limit], params, "private")

    # -- Borrowing rates ------------------------------------------------------------------------

    async def fetch_borrow_interest(
        self,
        code: Any = None,
        symbol: Any = None,
        since: Any = None,
        limit: Any = None,
        params: dict[str, Any] = {},
    ) -> list[BorrowInterest]:
        """ccxt's `fetchBorrowInterest`."""
        return await self._passed_on("fetch_borrow_interest", [code, symbol, since, limit], params, "private")

    async def fetch_borrow_rate(self, code: str, amount: Any, params: dict[str, Any] = {}) -> Any:
        """ccxt's `fetchBorrowRate`."""
        return await self._passed_on("fetch_borrow_rate", [code, amount], params, "private")

    async def fetch_cross_borrow_rate(self, code: str, params: dict[str, Any] = {}) -> CrossBorrowRate:
        """ccxt's `fetchCrossBorrowRate`."""
        return await self._passed_on("fetch_cross_borrow_rate", [code], params, "private")

    async def fetch_cross_borrow_rates(self, params: dict[str, Any] = {}) -> CrossBorrowRates:
        """ccxt's `fetchCrossBorrowRates`."""
        return await self._passed_on("fetch_cross_borrow_rates", [], params, "private")

    async def fetch_isolated_borrow_rate(
        self, symbol: str, params: dict[str, Any] = {}
    ) -> IsolatedBorrowRate:
        """ccxt's `fetchIsolatedBorrowRate`."""
        return await self._passed_on("fetch_isolated_borrow_rate", [symbol], params, "private")

    async def fetch_isolated_borrow_rates(self, params: dict[str, Any] = {}) -> IsolatedBorrowRates:
        """ccxt's `fetchIsolatedBorrowRates`."""
        return await self._passed_on("fetch_isolated_borrow_rates", [], params, "private")

    # -- Deposits, withdrawals, transfers, conversions: reading ---------------------------------

    async def fetch_deposit_address(self, code: str, params: dict[str, Any] = {}) -> DepositAddress:
        """ccxt's `fetchDepositAddress`."""
        return await self._passed_on("fetch_deposit_address", [code], params, "private")

    async def fetch_deposit_addresses(
        self, codes: Any = None, params: dict[str, Any] = {}
    ) -> DepositAddresses:
        """ccxt's `fetchDepositAddresses`."""
        return await self._passed_on("fetch_deposit_addresses", [codes], params, "private")

    async def fetch_deposit_addresses_by_network(
        self, code: str, params: dict[str, Any] = {}
    ) -> DepositAddresses:
        """ccxt's `fetchDepositAddressesByNetwork`."""
        return await self._passed_on("fetch_deposit_addresses_by_network", [code], params, "private")

    async def fetch_deposit_withdraw_fee(self, code: str, params: dict[str, Any] = {}) -> DepositWithdrawFee:
        """ccxt's `fetchDepositWithdrawFee`."""
        return await self._passed_on("fetch_deposit_withdraw_fee", [code], params, "private")

    async def fetch_deposit_withdraw_fees(
        self, codes: Any = None, params: dict[str, Any] = {}
    ) -> DepositWithdrawFees:
        """ccxt's `fetchDepositWithdrawFees`."""
        return await self._passed_on("fetch_deposit_withdraw_fees", [codes], params, "private")

    async def fetch_deposits(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Transaction]:
        """ccxt's `fetchDeposits`."""
        return await self._passed_on("fetch_deposits", [code, since, limit], params, "private")

    async def fetch_deposits_withdrawals(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Transaction]:
        """ccxt's `fetchDepositsWithdrawals`."""
        return await self._passed_on("fetch_deposits_withdrawals", [code, since, limit], params, "private")

    async def fetch_withdrawals(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Transaction]:
        """ccxt's `fetchWithdrawals`."""
        return await self._passed_on("fetch_withdrawals", [code, since, limit], params, "private")

    async def fetch_transactions(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Transaction]:
        """ccxt's `fetchTransactions`."""
        return await self._passed_on("fetch_transactions", [code, since, limit], params, "private")

    async def fetch_transaction_fee(self, code: str, params: dict[str, Any] = {}) -> Any:
        """ccxt's `fetchTransactionFee`."""
        return await self._passed_on("fetch_transaction_fee", [code], params, "private")

    async def fetch_transaction_fees(self, codes: Any = None, params: dict[str, Any] = {}) -> Any:
        """ccxt's `fetchTransactionFees`."""
        return await self._passed_on("fetch_transaction_fees", [codes], params, "private")

    async def fetch_transfer(self, id: Any, code: Any = None, params: dict[str, Any] = {}) -> TransferEntry:
        """ccxt's `fetchTransfer`."""
        return await self._passed_on("fetch_transfer", [id, code], params, "private")

    async def fetch_transfers(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[TransferEntry]:
        """ccxt's `fetchTransfers`."""
        return await self._passed_on("fetch_transfers", [code, since, limit], params, "private")

    async def fetch_ledger_entry(self, id: Any, code: Any = None, params: dict[str, Any] = {}) -> LedgerEntry:
        """ccxt's `fetchLedgerEntry`."""
        return await self._passed_on("fetch_ledger_entry", [id, code], params, "private")

    async def fetch_convert_currencies(self, params: dict[str, Any] = {}) -> Currencies:
        """ccxt's `fetchConvertCurrencies`."""
        return await self._passed_on("fetch_convert_currencies", [], params, "private")

    async def fetch_convert_quote(
        self, fromCode: str, toCode: str, amount: Any = None, params: dict[str, Any] = {}
    ) -> Conversion:
        """ccxt's `fetchConvertQuote`."""
        return await self._passed_on("fetch_convert_quote", [fromCode, toCode, amount], params, "private")

    async def fetch_convert_trade(self, id: Any, code: Any = None, params: dict[str, Any] = {}) -> Conversion:
        """ccxt's `fetchConvertTrade`."""
        return await self._passed_on("fetch_convert_trade", [id, code], params, "private")

    async def fetch_convert_trade_history(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[Conversion]:
        """ccxt's `fetchConvertTradeHistory`."""
        return await self._passed_on("fetch_convert_trade_history", [code, since, limit], params, "private")

    async def fetch_payment_methods(self, params: dict[str, Any] = {}) -> Any:
        """ccxt's `fetchPaymentMethods`."""
        return await self._passed_on("fetch_payment_methods", [], params, "private")

    # -- Moving money: off unless options.allow_money_movement is set ---------------------------

    async def withdraw(
        self, code: str, amount: Any, address: str, params: dict[str, Any] = {}
    ) -> Transaction:
        """ccxt's `withdraw`."""
        return await self._passed_on("withdraw", [code, amount, address], params, "private")

    async def transfer(
        self, code: str, amount: Any, fromAccount: str, toAccount: str, params: dict[str, Any] = {}
    ) -> TransferEntry:
        """ccxt's `transfer`."""
        return await self._passed_on("transfer", [code, amount, fromAccount, toAccount], params, "private")

    async def borrow_cross_margin(self, code: str, amount: Any, params: dict[str, Any] = {}) -> MarginLoan:
        """ccxt's `borrowCrossMargin`."""
        return await self._passed_on("borrow_cross_margin", [code, amount], params, "private")

    async def borrow_isolated_margin(
        self, symbol: str, code: str, amount: Any, params: dict[str, Any] = {}
    ) -> MarginLoan:
        """ccxt's `borrowIsolatedMargin`."""
        return await self._passed_on("borrow_isolated_margin", [symbol, code, amount], params, "private")

    async def borrow_margin(
        self, code: str, amount: Any, symbol: Any = None, params: dict[str, Any] = {}
    ) -> MarginLoan:
        """ccxt's `borrowMargin`."""
        return await self._passed_on("borrow_margin", [code, amount, symbol], params, "private")

    async def repay_cross_margin(self, code: str, amount: Any, params: dict[str, Any] = {}) -> MarginLoan:
        """ccxt's `repayCrossMargin`."""
        return await self._passed_on("repay_cross_margin", [code, amount], params, "private")

    async def repay_isolated_margin(
        self, symbol: str, code: str, amount: Any, params: dict[str, Any] = {}
    ) -> MarginLoan:
        """ccxt's `repayIsolatedMargin`."""
        return await self._passed_on("repay_isolated_margin", [symbol, code, amount], params, "private")

    async def repay_margin(
        self, code: str, amount: Any, symbol: Any = None, params: dict[str, Any] = {}
    ) -> MarginLoan:
        """ccxt's `repayMargin`."""
        return await self._passed_on("repay_margin", [code, amount, symbol], params, "private")

    async def create_deposit_address(self, code: str, params: dict[str, Any] = {}) -> DepositAddress:
        """ccxt's `createDepositAddress`."""
        return await self._passed_on("create_deposit_address", [code], params, "private")

    async def create_convert_trade(
        self, id: Any, fromCode: str, toCode: str, amount: Any = None, params: dict[str, Any] = {}
    ) -> Conversion:
        """ccxt's `createConvertTrade`."""
        return await self._passed_on(
            "create_convert_trade", [id, fromCode, toCode, amount], params, "private"
        )
