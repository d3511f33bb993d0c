# Generated from `_async/account.py` by `_generate.py`: change that file, not this one.
"""The account: its money."""

from __future__ import annotations

from typing import Any

from ccxt_driver.contract.endpoints import BY_NAME
from ccxt_driver.mappers import market_data

from .rows import Rows


class Account(Rows):
    """Reads of the account."""

    def fetch_balance(self, params: dict[str, Any] = {}) -> Any:
        """The account's money, shared by its strategies: `free` excludes what any has reserved.

        :param params: extra parameters of the venue, such as `type`
        :returns: ccxt's balance structure
        """
        self.load_markets()
        request = {
            **self.omit(params, ["account_id", "strategy_id"]),
            "account_id": self._account_id(params),
            "func": "fetch_balance",
        }
        body = self.request(BY_NAME["ccxt_core"].path, "private", "POST", request)
        return self._mapped(market_data.balance, self._venue_result(body), self._number())
