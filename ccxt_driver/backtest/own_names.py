"""The account and the strategies of a run: those that its script names, as it would live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import ccxt

from ccxt_driver.errors import annotate
from ccxt_driver.oms.service import EmbeddedOms

from .journal import only_reads
from .settings import Settings

USUAL_ACCOUNT: Final = 1
USUAL_STRATEGIES: Final = (1, 2, 3)


class OwnNames:
    """Takes over the numbers that a script names, where the settings name none.

    A run has one account. Until anything was done in it the script may still give it another number.

    :param oms: of the run
    :param settings: of the run
    :param account: the run's, as `EmbeddedOms` is given it
    """

    def __init__(self, oms: EmbeddedOms, settings: Settings, account: Mapping[str, Any]) -> None:
        self.account_id: int = account["account_id"]
        self.settings = settings
        """With what was taken over, so that a run made with these is the same."""
        self.on_change: Callable[[Settings], None] = _nothing
        self._oms = oms
        self._account = account
        self._has_acted = False
        self._is_named = settings.account_id is not None
        self._takes_strategies = settings.strategies is None
        self._strategies = {*(USUAL_STRATEGIES if settings.strategies is None else settings.strategies)}

    def see(self, method: str, path: str, params: Any) -> None:
        """Take note of a request: one that changes something is made in the run's account."""
        self._has_acted = self._has_acted or not only_reads(method, path, params)

    def use_account(self, account_id: int, exchange_id: str) -> None:
        """Have a number be that of the run's account.

        :param account_id: as the script names it
        :param exchange_id: begins the message of an error
        :raises AccountNotEnabled: the account has another one
        """
        if account_id != self.account_id:
            if self._is_named or self._has_acted or self._oms.events_followed:
                text = (
                    f"{exchange_id} account_id: expected {self.account_id}, the account of this backtest, "
                    f"got {account_id}; --account, or account_id of backtest(), gives it another number"
                )
                error = ccxt.AccountNotEnabled(text)
                raise annotate(error, code="account_not_found", outcome="not_sent")
            self._oms.add(accounts=[{**self._account, "account_id": account_id}])
            self.account_id = account_id
            self._change(account_id=account_id)
        self._is_named = True

    def use_strategy(self, strategy_id: int) -> None:
        """Have a strategy be there; 0 is none."""
        if self._takes_strategies and strategy_id and strategy_id not in self._strategies:
            self._oms.add(strategies=[strategy_id])
            self._strategies.add(strategy_id)
            self._change(strategies=tuple(sorted(self._strategies)))

    def _change(self, **named: Any) -> None:
        self.settings = self.settings.model_copy(update=named)
        self.on_change(self.settings)


def _nothing(settings: Settings) -> None:
    """Nobody keeps them."""
