"""The class that programs use, and how its requests are sent."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import ccxt

from ccxt_driver.exchange._twins_async import Exchange, retrying
from ccxt_driver.exchange.command_outcomes import fill_in_absent
from ccxt_driver.exchange.endpoints import ImplicitApi
from ccxt_driver.exchange.older_names import newer_answer, older_request, speaks_older_names
from ccxt_driver.exchange.request_parts import plain
from ccxt_driver.exchange.retries import Patience, taken_from

from .account import AccountReads
from .market_data import MarketData
from .order_reads import OrderReads
from .orders import Orders
from .positions import Positions
from .powers import Powers
from .venue import Venue


class OmsCcxtExchange(
    Orders, OrderReads, Positions, AccountReads, Powers, MarketData, Venue, ImplicitApi, Exchange
):
    """A ccxt exchange whose orders, trades and positions are those of an Order Management System.

    Ids are strings of OMS ids. `params["strategy_id"]` and `params["account_id"]` override the
    options on every method.
    """

    async def load_markets_helper(self, reload: bool = False, params: dict[str, Any] = {}) -> Any:
        """The venue's markets by symbol, and what the venue can do; read once.

        Objects of one process on the same gateway and account share them, as ccxt's
        `set_markets_from_exchange` does.

        :param reload: ask again
        :returns: a dict of ccxt market structures
        """
        if not reload and self.markets:  # loaded before, or given by the caller
            return await super().load_markets_helper(False, params)
        if not reload and self.take_shared_markets():
            return self.markets
        if reload:
            self._server_features = None
            self._account_rows = None
            self._truth.relearn()
        side = self._live
        markets = await super().load_markets_helper(reload, params)
        try:
            await self._learn()
        except BaseException:  # a cancelled task too
            self.markets = None  # half of what loading means: the next call does all of it
            if self._live is not side:
                self.forget_side()
            raise
        if self._live is not side:  # what was read is of the other side, in part at least
            self.forget_side()
            raise ccxt.OperationRejected(f"{self.id} set_sandbox_mode() was called while markets loaded")
        self.share_markets()
        return markets

    async def request(  # type: ignore[override]  # ccxt before 4.5.65 has headers and body
        self,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Any = {},
        headers: Any = None,
        body: Any = None,
        config: Any = {},
    ) -> Any:
        """Send a request to an endpoint of the contract; in process when the base URL is `embedded:`.

        :param path: as in the contract, with `{placeholders}`
        :param params: path, query and body parameters together; a list is a body
        :returns: the parsed answer
        """
        self.need_own_target()
        retries = None
        if method == "POST" and path.startswith("ccxt/"):
            params, retries = taken_from(plain(params))
        elif method == "GET":
            params, retries = taken_from(params)
        if self._is_embedded:
            side = self._live
            await self.give_way()
            self.need_side(side, method, path)
            if method == "POST":
                self.guard_venue_request(path, params)
            return self._ask_in_process(path, method, params)
        older = speaks_older_names(self.options)
        sent = older_request(method, path, params) if older else (path, params)
        began_ms = self.milliseconds()
        check_side = partial(self.check_side, self._live, method, path, params)
        try:
            answer = await self.fetch2(sent[0], api, method, sent[1], headers, body, config)
        except (ccxt.NetworkError, ccxt.BadResponse) as error:
            check_side()
            patience = self.patience_with(error, began_ms, method, path, params, retries)
            if patience is None:
                raise
            failure: ccxt.BaseError = error
        else:
            check_side()
            return newer_answer(answer) if older else answer
        request = (sent[0], api, method, sent[1], headers, body, config)
        answer = await self._asked_again(failure, patience, request, check_side)
        return newer_answer(answer) if older else answer

    async def _asked_again(
        self,
        failure: ccxt.BaseError,
        patience: Patience,
        request: tuple[Any, ...],
        check_side: Callable[[], None],
    ) -> Any:
        """The answer to a read that failed once.

        :param check_side: raises when the object has turned to another server
        :raises BaseError: of the last attempt
        """
        failures = [failure]

        async def attempt() -> Any:
            if failures:
                raise failures.pop()  # the first attempt was made: what is left are the others
            check_side()
            answer = await self.fetch2(*request)
            check_side()
            return answer

        return await retrying(
            sleep=lambda seconds: self.sleep(seconds * 1000),
            retry=patience.is_worth_it,
            wait=patience.pause,
            stop=patience.is_over,
            before_sleep=patience.tell,
            reraise=True,
        )(attempt)

    async def throttle(self, cost: Any = None) -> Any:
        """ccxt's limiter, for what costs something: the OMS has limits of its own, so nothing does here."""
        if cost:
            await super().throttle(cost)

    async def fetch2(  # type: ignore[override]  # as above
        self,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Any = {},
        headers: Any = None,
        body: Any = None,
        config: Any = {},
    ) -> Any:
        """Send a request once, whatever `maxRetriesOnFailure` says; not at all while the gateway is down.

        :raises ExchangeNotAvailable: also where nothing was sent, see `retry_after`
        """
        if self._is_embedded:  # a program calls it; requests in process do not come here
            return await self.request(path, api, method, params)
        if method == "POST":
            self.guard_venue_request(path, params)
        circuit = self.circuit_of(api)
        is_probe = False
        if circuit is not None and circuit.failures:
            # Who asks again and again would else hold up the task that has sent the probe.
            await self.give_way()
            is_probe = self.admitted(circuit)
        try:
            if method == "GET" and (self.fetchHistoryCacheSize or config.get("cost")):
                # By ccxt's own pipeline, which must not send it again by itself.
                once = {**params, "maxRetriesOnFailure": 0}
                answer = await super().fetch2(path, api, method, once, config={"cost": 0, **config})
            else:
                request = self.sign(path, api, method, params, headers, body)
                self.lastRestRequestTimestamp = self.milliseconds()
                self.last_request_headers = request["headers"]
                self.last_request_body = request["body"]
                self.last_request_url = url = request["url"]
                answer = await self.fetch(url, method, request["headers"], request["body"])
        except BaseException as error:
            if circuit is not None:
                self.note_failure(circuit, is_probe, error)
            fill_in_absent(error)
            raise
        if circuit is not None and circuit.failures:
            self.note_answer(circuit)
        return answer
