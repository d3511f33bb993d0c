# Generated from `_async/powers.py` by `_generate.py`: change that file, not this one.
"""What an OMS can do beyond ccxt: strategies, reassigning, reconciling, dry runs, the venue behind it."""

from __future__ import annotations

from typing import Any

import ccxt

from ccxt_driver.contract.codes import ErrorCode
from ccxt_driver.contract.endpoints import BY_NAME
from ccxt_driver.contract.features import Feature
from ccxt_driver.errors import garbage
from ccxt_driver.exchange.configuration import identifier
from ccxt_driver.exchange.order_requests import is_outside_limits
from ccxt_driver.exchange.spelling import for_the_venue, in_own_spelling

from .rows import Rows


class Powers(Rows):
    """Methods of the OMS; as every method of ccxt they have a camelCase name too."""

    def fetch_strategies(self, params: dict[str, Any] = {}) -> list[dict[str, Any]]:
        """The strategies that the key may see.

        :returns: a list of dicts: `id` (the OMS's), `name`, `clientStrategyId`, `status`, `accounts`
            (OMS account ids), `info`
        """
        body = self.request(BY_NAME["strategies"].path, "private")
        return [self.parse_strategy(row) for row in self._items(body)]

    def create_strategy(self, name: str, params: dict[str, Any] = {}) -> dict[str, Any]:
        """Make a strategy: a book of its own.

        :param name: for people
        :param params: `client_strategy_id`, `account_ids`
        :returns: the strategy as `fetch_strategies` gives it
        """
        if not str(name).strip():
            raise ccxt.BadRequest(f"{self.id} name: expected a text, got {name!r}"[:200])
        body = self.request(
            BY_NAME["create_strategy"].path, "private", "POST", {"name": name, **in_own_spelling(params)}
        )
        strategy_id = body.get("strategy_id") if isinstance(body, dict) else None
        for strategy in self.fetch_strategies():
            if strategy["id"] == str(strategy_id):
                return strategy
        raise garbage(self.id, f"the new strategy {strategy_id} is not listed", None, body)

    def reassign(
        self, order_ids: Any, strategy_id: Any, position_id: Any = None, params: dict[str, Any] = {}
    ) -> dict[str, Any]:
        """Move orders, with their deals and positions, to a strategy.

        :param order_ids: OMS order ids: a list, or a text with commas between them
        :param strategy_id: where to; 0 for none
        :param position_id: OMS position id to put them on; None leaves that to the OMS
        :returns: the server's answer: what moved, and what was refused with the reason
        :raises OrderNotFound: with a strategy configured, one is of another strategy (0 is none)
        """
        ids = self.order_ids_of(order_ids)
        own = self._strategy_id(params)
        if own is not None:
            for row in self._order_rows(self._account_id(params), ids, None):
                if (row.get("strategy_id") or 0) not in (0, own):
                    raise ccxt.OrderNotFound(f"{self.id} order {row['id']} is of another strategy than {own}")
        request: dict[str, Any] = {
            "order_ids": ids,
            "strategy_id": identifier("strategy_id", strategy_id, or_zero=True),
        }
        if position_id is not None:
            request["position_id"] = identifier("position_id", position_id, or_zero=True)
        return self.request(BY_NAME["reassign"].path, "private", "POST", request)

    def reconcile(self, params: dict[str, Any] = {}) -> dict[str, Any]:
        """Ask the OMS to compare itself with the venue now.

        :param params: `scope` (short, hourly, long, period with `start_date` and `end_date`),
            `symbols_hint`
        :returns: the server's answer
        """
        own = in_own_spelling(for_the_venue(params))
        request = {**own, "account_id": self._account_id(params)}
        return self.request(BY_NAME["reconcile"].path, "private", "POST", request)

    def fetch_reconcile_status(self, params: dict[str, Any] = {}) -> dict[str, Any]:
        """When the account was last compared with the venue.

        :returns: the server's answer: `status` fresh, stale or never, `updated_at`, `age_seconds`
        """
        request = {"account_id": self._account_id(params)}
        return self.request(BY_NAME["reconcile_account_status"].path, "private", "GET", request)

    def can_execute_order(
        self,
        symbol: str,
        type: Any,
        side: Any,
        amount: Any,
        price: Any = None,
        params: dict[str, Any] = {},
    ) -> dict[str, Any]:
        """Whether an order would be accepted: limits, precision, balance, risk, session. Places nothing.

        :param symbol: unified symbol; the rest as of `create_order`
        :returns: `ok` (bool), `reason` (None when ok), `required` and `available` in the currency that
            the order would reserve, `info`
        :raises NotSupported: the server has no dry run
        :raises InvalidOrder: bad input, such as a negative amount
        """
        self.load_markets()
        features = self._features()
        if Feature.CHECK_ORDER not in features:
            raise ccxt.NotSupported(
                f"{self.id} canExecuteOrder(): this server lacks the feature check_order; compare the cost "
                "with fetchBalance() instead"
            )
        try:
            command = self.create_order_request(symbol, type, side, amount, price, params, features)
        except ccxt.InvalidOrder as refusal:
            if not is_outside_limits(refusal):
                raise
            reason = f"{ErrorCode.VALIDATION_ERROR.value}: {str(refusal).removeprefix(self.id + ' ')}"
            return self.parse_check({"ok": False, "reason": reason})
        result = self._command({**command, "command": "check_order"})
        return self.parse_check(result.get("result"))

    def set_allow_new_positions(
        self, allow: bool, comment: str, params: dict[str, Any] = {}
    ) -> dict[str, Any]:
        """Let an account, or one of its strategies, open new positions or not; reducing stays possible.

        :param allow: True or False
        :param comment: why; the OMS keeps it
        :param params: `strategy_id` for one strategy; without it the configured one, or with none
            configured the whole account
        :returns: the server's answer
        """
        if not isinstance(allow, bool):
            raise ccxt.BadRequest(f"{self.id} allow: expected True or False, got {allow!r}"[:200])
        if not comment:
            raise ccxt.ArgumentsRequired(f"{self.id} comment: expected the reason, got {comment!r}")
        request = {"account_id": self._account_id(params), "allow_new_positions": allow, "comment": comment}
        endpoint = "risk_allow_new_positions"
        strategy_id = self._strategy_id(params)
        if strategy_id is not None:
            request["strategy_id"] = identifier("strategy_id", strategy_id)
            endpoint = "risk_strategy_allow_new_positions"
        return self.request(BY_NAME[endpoint].path, "private", "POST", request)

    def call_ccxt(self, func: str, *args: Any, **kwargs: Any) -> Any:
        """Call any function of the venue's ccxt object behind the gateway.

        :param func: its name, in either spelling
        :param args: positional arguments, JSON-ready
        :param kwargs: named arguments, JSON-ready
        :returns: what the function returned, as the gateway sends it
        :raises PermissionDenied: it trades past the OMS or moves money, and no option allows that
        """
        request = {"account_id": self._account_id({}), "func": func, "args": list(args), "kwargs": kwargs}
        body = self.request(BY_NAME["ccxt_call"].path, "market", "POST", request)
        return self._venue_result(body)

    def ccxt_commands(self, commands: Any, params: dict[str, Any] = {}) -> list[Any]:
        """Call several functions of the venue by one request.

        :param commands: dicts with `func`, `args`, `kwargs`, and `account_id` when it is another
        :returns: for each, in order, what it returned, or the exception of one that failed
        """
        account_id = self._account_id(params)
        listed = [{"account_id": account_id, "args": [], "kwargs": {}, **command} for command in commands]
        if not listed:
            return []
        body = self.request(BY_NAME["ccxt_commands"].path, "private", "POST", listed)
        return self.results_of_calls(body, len(listed))
