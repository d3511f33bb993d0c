"""Reading the arguments of a ccxt function: positional or by name, in either spelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

from ccxt_driver.contract.endpoints import snake_case
from ccxt_driver.contract.values import parse_decimal

from .core import Core
from .entities import Principal
from .market.listing import Market
from .refusals import venue_refusal
from .state import AccountState


@dataclass(slots=True)
class Call:
    """One call of a venue function.

    :param account: whose, of a private function
    :param given: arguments by name; what was left out is missing
    """

    core: Core
    principal: Principal
    account: AccountState | None
    now: int
    name: str
    given: dict[str, Any]

    @property
    def owner(self) -> AccountState:
        """The account of a private function."""
        if self.account is None:
            raise RuntimeError(f"{self.name} has no account")
        return self.account

    def market(self) -> Market:
        """The market that `symbol` names.

        :raises Refusal: ArgumentsRequired, BadSymbol
        """
        return listed(self.core, self.required("symbol"))

    def markets(self) -> list[Market]:
        """The markets that `symbols` names, all when it is left out.

        :raises Refusal: BadRequest, BadSymbol
        """
        symbols = self.given.get("symbols")
        if symbols is None:
            return [*self.core.market.markets.values()]
        if isinstance(symbols, str):
            symbols = [symbols]
        if not isinstance(symbols, list | tuple):
            raise venue_refusal("BadRequest", f"{self.name}: symbols: expected a list")
        return [listed(self.core, symbol) for symbol in symbols]

    def required(self, name: str) -> Any:
        """An argument that must be there.

        :raises Refusal: ArgumentsRequired
        """
        value = self.given.get(name)
        if value is None:
            raise venue_refusal("ArgumentsRequired", f"{self.name}() requires a {name} argument")
        return value

    def whole(self, name: str, default: int | None, least: int, most: int) -> int | None:
        """A whole number; one above `most` is taken for `most`, as venues do.

        :raises Refusal: BadRequest
        """
        value = self.given.get(name)
        return default if value is None else self._whole(name, value, least, most)

    def until(self) -> int:
        """The last millisecond that a list may show: `until` of the params, but none after now.

        :raises Refusal: BadRequest
        """
        value = self.params.get("until")
        if isinstance(value, float) and isfinite(value):
            value = int(value)  # of `time.time() * 1000`
        return self.now if value is None else self._whole("until", value, 0, self.now)

    def _whole(self, name: str, value: object, least: int, most: int) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise venue_refusal(
                "BadRequest", f"{self.name}: {name}: expected a whole number of at least {least}"
            )
        return min(value, most)

    def decimal(self, name: str) -> Decimal:
        """A required number.

        :raises Refusal: ArgumentsRequired, BadRequest
        """
        try:
            return parse_decimal(self.required(name))
        except ValueError as error:
            raise venue_refusal("BadRequest", f"{self.name}: {name}: {error}") from None

    @property
    def params(self) -> dict[str, Any]:
        """ccxt's last argument."""
        value = self.given.get("params")
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise venue_refusal("BadRequest", f"{self.name}: params: expected an object")
        return value


def listed(core: Core, symbol: object) -> Market:
    """A market by its symbol.

    :raises Refusal: BadSymbol
    """
    market = core.market.markets.get(symbol) if isinstance(symbol, str) else None
    if market is None:
        raise venue_refusal("BadSymbol", f"paper does not have market symbol {str(symbol)[:64]}")
    return market


def bound(
    function: str, names: tuple[str, ...], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments by name, as Python would bind them.

    :raises Refusal: BadRequest
    """
    if len(args) > len(names):
        raise venue_refusal("BadRequest", f"{function}() takes {len(names)} arguments, got {len(args)}")
    given = dict(zip(names, args, strict=False))
    for spelled, value in kwargs.items():
        name = snake_case(spelled)
        if name not in names:
            expected = ", ".join(names) or "nothing"
            raise venue_refusal(
                "BadRequest", f"{function}() has no argument {spelled[:40]!r}; expected {expected}"
            )
        if name in given:
            raise venue_refusal("BadRequest", f"{function}() got {name} twice")
        given[name] = value
    return given
