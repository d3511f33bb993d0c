# Generated from `_async/account.py` by `_generate.py`: change that file, not this one.
"""The account: its money, its fees, its ledger, and the accounts that the key may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ccxt

from ccxt_driver.contract.endpoints import BY_NAME
from ccxt_driver.contract.features import Feature
from ccxt_driver.exchange.list_requests import Wanted
from ccxt_driver.exchange.spelling import for_the_venue
from ccxt_driver.mappers import market_data
from ccxt_driver.mappers.account import account_from_row
from ccxt_driver.mappers.ledger import ledger_entry_from_row

from .rows import Rows

if TYPE_CHECKING:
    from ccxt.base.types import Account, Balances, LedgerEntry, TradingFeeInterface, TradingFees


class AccountReads(Rows):
    """Reads of the account."""

    def fetch_balance(self, params: dict[str, Any] = {}) -> Balances:
        """The account's money, shared by its strategies: `free` excludes what any has reserved.

        :param params: extra parameters of the venue, such as `type` (spot, swap)
        :returns: ccxt's balance structure
        """
        self.load_markets()
        request = {"account_id": self._account_id(params), "func": "fetch_balance"}
        rest = for_the_venue(params)
        if rest:
            request["params"] = rest
        body = self.request(BY_NAME["ccxt_core"].path, "private", "POST", request)
        return self._mapped(market_data.balance, self._venue_result(body), self._number())

    def fetch_accounts(self, params: dict[str, Any] = {}) -> list[Account]:
        """The OMS accounts that the key may see.

        :returns: a list of ccxt account structures; `id` is the OMS account id
        """
        return [self._mapped(account_from_row, row) for row in self._accounts(reload=True)]

    def fetch_trading_fees(self, params: dict[str, Any] = {}) -> TradingFees:
        """Fees of every market, as the venue charges them.

        :returns: a dict of ccxt trading fee structures by symbol
        """
        self.load_markets()
        result = self._venue("fetch_trading_fees", [], params, "private")
        return self._mapped(market_data.trading_fees, result, self._number())

    def fetch_trading_fee(self, symbol: str, params: dict[str, Any] = {}) -> TradingFeeInterface:
        """The fees of one market.

        :param symbol: unified symbol
        :returns: a ccxt trading fee structure
        """
        self.load_markets()
        result = self._venue("fetch_trading_fee", [self.market(symbol)["symbol"]], params, "private")
        return self._mapped(market_data.trading_fee, result, self._number())

    def fetch_ledger(
        self, code: Any = None, since: Any = None, limit: Any = None, params: dict[str, Any] = {}
    ) -> list[LedgerEntry]:
        """Every change of the account's balances, ascending in time.

        :param code: currency, or None for all
        :param since: milliseconds since the Unix epoch
        :param limit: the newest when `since` is absent, the oldest from `since` otherwise
        :param params: `until`
        :returns: a list of ccxt ledger entry structures
        :raises NotSupported: the server keeps no ledger
        """
        if Feature.LEDGER not in self._features():
            raise ccxt.NotSupported(
                f"{self.id} fetchLedger(): this server lacks the feature ledger; sum up fetchMyTrades()"
            )
        wanted = Wanted(**{**self._list_arguments(since, limit, params), "currency": code})
        rows = self._history("ledger", self._account_id(params), wanted, "created_at")
        return [
            self._mapped(ledger_entry_from_row, row, self._number(), self._utc_offset_ms()) for row in rows
        ]
