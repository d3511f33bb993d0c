"""Another exchange's id served by the OMS: what the program has for that exchange means nothing here."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

import ccxt

from .configuration import OWN_OPTIONS, is_embedded, paper_name
from .host import Host
from .request_parts import Secret

LOGGER: Final = logging.getLogger("ccxt_driver")

CREDENTIALS: Final = tuple(
    sorted(
        {"apiKey", "secret", "uid", "accountId", "login", "password", "twofa", "privateKey", "walletAddress"}
        | {"token", *ccxt.Exchange.requiredCredentials}
    )
)
"""Attributes of ccxt that open an account at a venue."""
_DETOURS: Final = ("proxyUrl", "proxy_url", "proxyUrlCallback", "proxy_url_callback", "proxy")
"""Attributes of ccxt that say to whom a request goes in place of its own address, the OMS's key with it."""
_OF_THE_VENUE: Final = frozenset(
    {"urls", "hostname", "headers", "name", "requiredCredentials", "session", *_DETOURS}
)
"""Entries of a configuration that say where and how the venue is reached."""
_FOR_TESTS: Final = re.compile(r"(?<![a-z])test|testnet|sandbox|demo|paper", re.IGNORECASE)
"""In addresses: of `api-testnet.bybit.com`, not of a `latest` version."""
_SECRET_WORDS: Final = (
    *("apikey", "secret", "password", "passphrase", "privatekey", "token", "mnemonic", "walletaddress"),
    *("accesskey", "credential", "signature", "twofa", "authorization", "cookie", "passwd"),
)
_SECRET_NAMES: Final = (frozenset(name.lower() for name in CREDENTIALS) - {"accountid"}) | {"key", "headers"}


_READS_SYMBOLS: Final = ".binance"
"""The module of ccxt whose class, and those derived from it, take a symbol by their options for another."""


class _OwnState(dict[str, Any]):
    """A configuration that an object of ours gives another: nothing of it is a program's."""


class _Options(dict[str, Any]):
    """`exchange.options` without what opens an account, whoever puts it there."""

    def __init__(self, given: Mapping[str, Any] = {}) -> None:
        super().__init__(_without_secrets(given, OWN_OPTIONS))

    def __setitem__(self, name: str, value: Any) -> None:
        super().update(_without_secrets({name: value}, OWN_OPTIONS))

    def setdefault(self, name: str, default: Any = None) -> Any:
        """As a dict's."""
        if name not in self:
            self[name] = default
        return self.get(name)

    def update(self, *given: Any, **named: Any) -> None:
        """As a dict's."""
        super().update(_without_secrets(dict(*given, **named), OWN_OPTIONS))

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]  # what it gives is a dict
        self.update(other)
        return self

    def __reduce__(self) -> Any:
        return _Options, (dict(self),)


class _Urls(dict[str, Any]):
    """`exchange.urls`, in which a program cannot put the venue's: requests would go there."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "api":
            self._check_wish(value)
        if name not in self:  # a note of the program's own
            super().__setitem__(name, value)

    def _check_wish(self, address: Any) -> None:
        """Let nobody believe to be on a test network who is not.

        :raises NotSupported: the address is that of one, and requests go to an OMS that may be live
        """
        fixed = self["api"]
        is_paper = is_embedded(fixed) or fixed == self["test"]
        if not is_paper and address != fixed and (address == self["test"] or _is_for_tests(address)):
            raise ccxt.NotSupported(
                'urls["api"]: the OMS that stands in for the venue may be live, and its address is '
                "fixed; set_sandbox_mode(True) enters the sandbox of the profile"
            )

    def setdefault(self, name: str, default: Any = None) -> Any:
        """As a dict's."""
        self[name] = default
        return self[name]

    def update(self, *given: Any, **named: Any) -> None:
        """As a dict's."""
        for name, value in dict(*given, **named).items():
            self[name] = value

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]  # what it gives is a dict
        self.update(other)
        return self

    def pop(self, name: str, *default: Any) -> Any:
        """What a dict's would give; nothing goes away."""
        return self.get(name, *default)

    def __delitem__(self, name: str) -> None:
        return None

    def clear(self) -> None:
        """Nothing goes away."""

    def __reduce__(self) -> Any:
        return _Urls, (dict(self),)


def _discarding(name: str) -> property:
    """An attribute that takes nothing and has nothing."""

    def set_nothing(self: Any, value: Any) -> None:
        if value:
            LOGGER.debug("%s %s: of the venue, not used", self.served_id, name)

    return property(lambda self: None, set_nothing)


class ServedId(Host):
    """Mixed into a class of the driver, before it. The subclass has the id as `served_id`."""

    served_id = "oms"
    replaced: Any = None
    """The class of ccxt in whose place it is; set by `register()`."""

    def __init_subclass__(cls) -> None:
        """A program's subclass has the venue's credentials as little as its objects do."""
        super().__init_subclass__()
        for name in _KEPT_FREE:
            if getattr(cls, name) is not vars(ServedId)[name]:
                setattr(cls, name, vars(ServedId)[name])

    def own_config(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """What of a program's configuration counts."""
        if isinstance(config, _OwnState):
            return config
        secret = {name for name in config if name in CREDENTIALS or _is_secret(name, config[name])}
        discarded = sorted(name for name in secret if config[name])
        if discarded:
            text = "%s is served by the OMS: the program's own %s not used"
            LOGGER.info(text, self.served_id, f"{', '.join(discarded)} {'are' if discarded[1:] else 'is'}")
        kept = {
            name: value for name, value in config.items() if name not in secret and name not in _OF_THE_VENUE
        }
        options = kept.get("options")
        if isinstance(options, Mapping):
            kept["options"] = _without_secrets(options, OWN_OPTIONS)
            sandbox = kept["options"].get("sandbox")
            if isinstance(sandbox, Mapping) and "base_url" not in sandbox:  # something of the venue
                del kept["options"]["sandbox"]
        urls = config.get("urls")
        if _is_for_tests([config.get("hostname"), urls.get("api") if isinstance(urls, Mapping) else urls]):
            kept["testnet"] = True  # which ccxt takes for a wish for the sandbox
        return kept

    @property
    def apiKey(self) -> Any:  # noqa: N802  # the name is ccxt's
        """The OMS's key, from the environment or the profile; what a program assigns is discarded."""
        key = self.__dict__.get("apiKey")
        return key if isinstance(key, Secret) else None  # a program may write there, too

    @apiKey.setter
    def apiKey(self, value: Any) -> None:  # noqa: N802
        if isinstance(value, Secret):  # as only our own configuration makes them
            self.__dict__["apiKey"] = value
        elif value:
            LOGGER.debug("%s apiKey: of the venue, not used", self.served_id)

    @property
    def headers(self) -> Any:
        """None of a program's: they may hold a credential of the venue."""
        return {}

    @headers.setter
    def headers(self, value: Any) -> None:
        pass

    @property
    def options(self) -> Any:
        """As ccxt's, without what opens an account at a venue."""
        return self.__dict__.get("options")

    @options.setter
    def options(self, value: Any) -> None:
        self.__dict__["options"] = _Options(value) if isinstance(value, Mapping) else value

    @property
    def urls(self) -> Any:
        """As ccxt's; where requests go to is fixed."""
        return self.__dict__.get("urls")

    @urls.setter
    def urls(self, value: Any) -> None:
        fixed = self.__dict__.get("urls")
        if isinstance(fixed, _Urls):
            fixed.update(value)
        else:
            self.__dict__["urls"] = _Urls(value)

    def request(
        self,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Any = {},
        headers: Any = None,
        body: Any = None,
        config: Any = {},
    ) -> Any:
        """As the class's own; of what a program gives with a call no credential is sent, and no header."""
        return super().request(path, api, method, _without_secrets(params), None, None, config)

    def use_key(self, key: Any) -> None:
        """Send another key of the OMS from now on."""
        self.__dict__["apiKey"] = key

    def use_url(self, url: Any) -> None:
        """Send requests to another OMS from now on."""
        dict.__setitem__(self.urls, "api", url)

    def sandbox_key(self, sandbox: Mapping[str, Any]) -> Any:
        """The sandbox's key, when the profile gave it."""
        key = sandbox.get("apiKey")
        return key if isinstance(key, Secret) else None

    @staticmethod
    def own_state(config: dict[str, Any]) -> dict[str, Any]:
        """A configuration that is taken over as it is."""
        return _OwnState(config)

    def describe(self) -> Any:
        """ccxt's description of the class, which says that it stands in for another; no I/O."""
        if self.served_id == ServedId.served_id:
            return super().describe()
        own = {"id": self.served_id, "name": f"OMS as {self.served_id}", "alias": True}
        return self.deep_extend(super().describe(), own, {"options": _kinds_of_markets(self.replaced)})

    def market(self, symbol: Any) -> Any:
        """ccxt's market structure of a symbol, which means here what it means on the exchange.

        With `defaultType` swap ccxt's class of Binance takes BTC/USDT for the perpetual: an order of such a
        program would trade coins.

        :raises BadSymbol: the venue has no such market
        """
        theirs = getattr(self.replaced, "market", None)
        if not isinstance(symbol, str) or not getattr(theirs, "__module__", "").endswith(_READS_SYMBOLS):
            return super().market(symbol)
        try:
            return theirs(self, symbol)  # type: ignore[misc]  # as this release of ccxt has it
        except (ccxt.BadSymbol, ccxt.NotSupported):  # that: an option that has expired
            why = ""
            if symbol in self.markets:
                kind = self.options.get("defaultType")
                why = (
                    f": options.defaultType {kind} makes a contract of it, and the venue of the OMS has none"
                )
            raise ccxt.BadSymbol(f"{self.id} does not have market symbol {symbol}{why}"[:300]) from None


@lru_cache(256)
def _kinds_of_markets(real: Any) -> dict[str, Any]:
    """Which market an exchange's class takes of several that have one id, unless a program says otherwise."""
    try:
        options = real.describe(object.__new__(real))["options"]
    except (AttributeError, KeyError, TypeError):  # there is no such class, or it has to be made for that
        return {}
    return {name: options[name] for name in ("defaultType", "defaultSubType") if options.get(name)}


for _name in (*CREDENTIALS, *_DETOURS):
    if _name != "apiKey":
        setattr(ServedId, _name, _discarding(_name))
_KEPT_FREE: Final = (*CREDENTIALS, *_DETOURS, "headers", "options", "urls")
"""Attributes of this class that no class derived from it has another way."""


_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_Kind = TypeVar("_Kind", bound=type)


def served_as(kind: _Kind, exchange_id: str, module: str) -> _Kind:
    """A class of the driver under another exchange's id.

    :param kind: of the driver
    :param exchange_id: such as `binance`
    :param module: of ccxt, where the class is found
    :returns: a subclass; credentials and addresses of the venue mean nothing to it
    """
    # Programs that list classes call the base of one that says `alias`: it has to be one of ours.
    base = type(kind.__name__, (ServedId, kind), {"__module__": __name__})
    members = {"served_id": exchange_id, "paper_name": paper_name(exchange_id), "__module__": module}
    return type(exchange_id, (base,), members)  # type: ignore[return-value]


def _without_secrets(value: Any, own: frozenset[str] = frozenset()) -> Any:
    """A copy of options in which no name says that a credential stands there.

    :param own: names that are options of ours at this level
    """
    if type(value) in _PLAIN:  # most are, and every request comes by here
        return value
    if isinstance(value, Mapping):
        return {
            name: _without_secrets(each)
            for name, each in value.items()
            if name in own or not _is_secret(name, each)
        }
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(_without_secrets(each) for each in value)
    return value


def _is_for_tests(address: Any) -> bool:
    """Whether one of a venue's addresses is that of its paper trading, as far as the address tells."""
    if isinstance(address, Mapping):
        return _is_for_tests(list(address.values()))
    if isinstance(address, list | tuple):
        return any(_is_for_tests(each) for each in address)
    return isinstance(address, str) and _FOR_TESTS.search(address) is not None


def _is_secret(name: Any, value: Any) -> bool:
    return isinstance(name, str) and not isinstance(value, Secret) and says_secret(name)


@lru_cache(4096)
def says_secret(name: str) -> bool:
    """Whether a name is one of something that opens an account."""
    plain = name.lower().replace("_", "").replace("-", "")
    return plain in _SECRET_NAMES or any(word in plain for word in _SECRET_WORDS)
