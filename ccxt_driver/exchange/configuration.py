"""What a constructor's configuration means, with the environment and the chosen profile as fallback.

No I/O, but for one small file: the profiles are read when nothing else gives the base URL. And whether a
file of authorities is there is looked up where one is given.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from itertools import takewhile
from numbers import Integral
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import ccxt

from ccxt_driver import profiles

from .request_parts import Secret
from .stream_settings import STREAMS, stream_settings

DEFAULT_BASE_URL: Final = "http://127.0.0.1:8000"
EMBEDDED: Final = "embedded:"
NO_SANDBOX: Final = "http://no-sandbox-is-configured.invalid"
"""`urls["test"]` of a gateway without one: who sends requests there must not stay on the live side."""
PAPER_NAME: Final = "OMS (PAPER)"
_SANDBOX_KEYS: Final = frozenset({"base_url", "account_id", "apiKey"})
_OPTIONS: Final = ("base_url", "account_id", "strategy_id", "oms")
_CREDENTIALS_OF_A_VENUE: Final = ("secret", "password", "privateKey")
_DESCRIBED: Final = ("options", "urls", "apiKey", *_CREDENTIALS_OF_A_VENUE, "timeout", "cafile")
"""What `resolve` goes by, and a derived class may say in its `describe` or by attributes, as of ccxt's."""
_OURS: Final = ("ccxt", "ccxt_driver")
TRANSPORT: Final = {
    "retries": 2,
    "retry_max_delay": 2000,
    "circuit_failures": 3,
    "circuit_max_delay": 5000,
    "keep_alive": 4000,
    "ticker_cache_ms": 0,
}
"""Options of the transport: numbers from 0, times in milliseconds."""
_TOO_MUCH: Final = 1e12
_SWITCHES: Final = ("guard_unknown", "allow_money_movement", "allow_venue_orders", "share_markets")
OPTIONS: Final = {
    "account_id": None,
    "strategy_id": None,
    "positions": None,
    "client_order_id_factory": None,
    "unenforced_stops": None,
    "lookup_timeout": 5000,
    "guard_unknown": True,
    "unknown_hold": 60_000,
    "truth": "auto",
    "pending_timeout": 60_000,
    "contract": "oms",
    "allow_money_movement": False,
    "allow_venue_orders": False,
    "gateway_utc_offset": None,
    "streams": dict(STREAMS),
    **TRANSPORT,
}
"""Options with their defaults; see docs/configuration.md."""
_NOTHING_SAYS: Final = (
    "{}: the OMS stands in for this exchange, and nothing says which one. Set CCXT_OMS_BASE_URL (with "
    "CCXT_OMS_API_KEY and CCXT_OMS_ACCOUNT_ID), or CCXT_OMS_PROFILE, or choose a profile with "
    "ccxt-driver profile use; CCXT_OMS_BASE_URL=embedded: is paper trading inside the process"
)
OWN_OPTIONS: Final = frozenset({*OPTIONS, "base_url", "oms", "sandbox", "share_markets"})
_ALIKE: Final = 0.75
_LOGGER: Final = logging.getLogger("ccxt_driver")


def paper_name(served_id: str | None = None) -> str:
    """`exchange.name` of paper trading.

    :param served_id: of another exchange, in whose place it stands
    """
    return PAPER_NAME if served_id is None else f"{PAPER_NAME} as {served_id}"


def is_embedded(url: Any) -> bool:
    """Whether a base URL means the OMS inside this process: paper trading."""
    return isinstance(url, str) and url.startswith(EMBEDDED)


def resolve(
    config: Mapping[str, Any], environment: Mapping[str, str], served_id: str | None = None
) -> dict[str, Any]:
    """The configuration with everything that was left out filled in.

    What the caller gives comes first, then the environment, then the chosen profile. Of a profile
    anything counts only where it gives the base URL: a key goes nowhere else, and the numbers of an
    account or a strategy mean nothing at another gateway.

    :param config: what the caller gave the constructor
    :param environment: `CCXT_OMS_BASE_URL`, `CCXT_OMS_API_KEY`, `CCXT_OMS_ACCOUNT_ID`,
        `CCXT_OMS_STRATEGY_ID`, `CCXT_OMS_TIMEOUT` (seconds), `CCXT_OMS_CAFILE`. The key is used only with the
        environment's base URL, so that it is never sent anywhere else. `CCXT_OMS_PROFILE` chooses a
        profile.
    :param served_id: of another exchange, in whose place the OMS is
    :returns: a new configuration; `urls["api"]` is the base URL without a trailing slash
    :raises BadRequest: an option, an id, the timeout, the base URL or the profile is not what it should be
    :raises AuthenticationError: the key is no text; a venue's credentials were given to the embedded OMS;
        or others can read the file of the profiles
    :raises ArgumentsRequired: nothing says which OMS stands in another exchange's place
    """
    for name in _OPTIONS:
        if name in config:
            raise ccxt.BadRequest(f'{name}: goes under "options" of the configuration')
    _check_given(config)
    options = _checked_options(config.get("options") or {})
    if served_id is None:  # else they are another exchange's options
        _warn_of_slips(options)
    resolved = {**config, "options": options}
    urls = dict(config.get("urls") or {})
    base_url, key, profile = _target(urls, options, environment)
    if served_id is not None and base_url is None:
        raise ccxt.ArgumentsRequired(_NOTHING_SAYS.format(served_id))
    base_url = DEFAULT_BASE_URL if base_url is None else base_url
    if profile.get("sandbox"):
        _set_sandbox(options, profile["sandbox"], environment)
    urls["api"] = base_url
    urls.setdefault("test", sandbox_url(options) or (base_url if is_embedded(base_url) else NO_SANDBOX))
    resolved["urls"] = urls
    if key and config.get("apiKey") is None:  # as of a program whose own variable is not set
        resolved["apiKey"] = key
    _fill_in_connection(resolved, environment)
    _fill_in_ids(options, environment, profile)
    if is_embedded(base_url):
        refuse_credentials(config)
        if options.get("account_id") is None:
            options["account_id"] = 1
        resolved.setdefault("name", paper_name(served_id))
        resolved["requiredCredentials"] = {"apiKey": False, **(config.get("requiredCredentials") or {})}
    if isinstance(resolved.get("apiKey"), str):
        resolved["apiKey"] = Secret(resolved["apiKey"])
    return resolved


def attributes_of_derived(kinds: Iterable[type]) -> dict[str, Any]:
    """What the classes that a program derives say of the configuration by attributes of theirs.

    :param kinds: a class and its bases, in the order of look-ups
    """
    derived = [*takewhile(lambda kind: kind.__module__.partition(".")[0] not in _OURS, kinds)]
    told: dict[str, Any] = {}
    for name in _DESCRIBED if derived else ():
        value = next((vars(kind)[name] for kind in derived if name in vars(kind)), None)
        if value is not None and not isinstance(value, property):
            told[name] = value
    return told


def described_otherwise(described: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """What a derived class says of the configuration in its `describe`, where the driver's says otherwise.

    :param described: by the derived class
    :param usual: by the driver's
    """
    told = {name: described.get(name) for name in _DESCRIBED if described.get(name) != usual.get(name)}
    for name in ("options", "urls"):
        own, theirs = usual[name], told.get(name)
        if isinstance(theirs, Mapping):
            told[name] = {each: theirs[each] for each in theirs if theirs[each] != own.get(each)}
    return told


def given_or_described(config: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration, with what it leaves out as a derived class describes it.

    :param told: see `described_otherwise`
    """
    given = {**config, **told, **{name: value for name, value in config.items() if value is not None}}
    for name in ("options", "urls"):
        own, theirs = config.get(name), told.get(name)
        if isinstance(own, Mapping) and isinstance(theirs, Mapping):
            given[name] = given_or_described(own, theirs)
    return given


def _checked_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the options, in which the sandbox's key does not show itself."""
    options = dict(given)
    if options.get("unenforced_stops") not in (None, "venue"):
        stops = options["unenforced_stops"]
        raise ccxt.BadRequest(f'unenforced_stops: expected None or "venue", got {stops!r}'[:200])
    for name in _SWITCHES:
        if not isinstance(options.get(name), bool | None):
            raise ccxt.BadRequest(f"{name}: expected True or False, got {options[name]!r}"[:200])
    for name, default in TRANSPORT.items():
        whole_number(name, options.get(name), default)
    stream_settings(options)
    _check_objects(options)
    sandbox = options.get("sandbox")
    if isinstance(sandbox, Mapping) and isinstance(sandbox.get("apiKey"), str):
        options["sandbox"] = {**sandbox, "apiKey": Secret(sandbox["apiKey"])}
    return options


def _check_objects(options: Mapping[str, Any]) -> None:
    oms, factory = options.get("oms"), options.get("client_order_id_factory")
    if oms is not None and (isinstance(oms, type) or not callable(getattr(oms, "handle", None))):
        raise ccxt.BadRequest(f"oms: expected an EmbeddedOms, got {oms!r}"[:200])
    if factory is not None and not callable(factory):
        raise ccxt.BadRequest(f"client_order_id_factory: expected a function, got {factory!r}"[:200])


def _check_given(config: Mapping[str, Any]) -> None:
    """What ccxt's own constructor would take as it is, and nothing could use."""
    timeout, key = config.get("timeout"), config.get("apiKey")
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and 0 < timeout < _TOO_MUCH):
        raise ccxt.BadRequest(f"timeout: expected milliseconds above 0, got {timeout!r}"[:200])
    if key is not None and not isinstance(key, str):
        raise ccxt.AuthenticationError(f"apiKey: expected a text, got {type(key).__name__}")
    number = config.get("number")
    if number is not None and not callable(number):
        raise ccxt.BadRequest(f"number: expected a function such as float or str, got {number!r}"[:200])


def _warn_of_slips(options: Mapping[str, Any]) -> None:
    """Warn of an option that nothing reads and that looks like one of ours; others may be ccxt's."""
    for name in options:
        if name in OWN_OPTIONS or not isinstance(name, str):
            continue
        from difflib import get_close_matches

        for meant in get_close_matches(name, OWN_OPTIONS, 1, _ALIKE):
            _LOGGER.warning("options.%s is not an option of this class: is %s meant?", name, meant)


def environment_key(base_url: Any, environment: Mapping[str, str]) -> Secret | None:
    """The key of the environment or of the chosen profile, when it belongs to this base URL."""
    own_url = environment.get("CCXT_OMS_BASE_URL")
    if own_url:
        key = environment.get("CCXT_OMS_API_KEY") if own_url.rstrip("/") == base_url else None
    else:
        profile = _chosen_profile(environment)
        key = profile["api_key"] if profile and profile["base_url"].rstrip("/") == base_url else None
    return Secret(key) if key else None


def identifier(field: str, value: Any, or_zero: bool = False) -> int:
    """An OMS id as the caller gave it.

    :param field: named in the error
    :param value: an integer, or a string of digits
    :param or_zero: whether 0 means something
    :raises BadRequest: anything else
    """
    if type(value) is int and value > 0:
        return value
    is_text = isinstance(value, str) and value.isascii() and value.isdigit()
    is_number = isinstance(value, Integral) and not isinstance(value, bool)  # be it of numpy
    number = int(value) if is_text or is_number else value
    if isinstance(number, bool) or not isinstance(number, int) or number < (0 if or_zero else 1):
        expected = f"{field}: expected {'0 or ' if or_zero else ''}a positive integer, got {value!r}"
        raise ccxt.BadRequest(expected[:200])
    return number


def whole_number(field: str, value: Any, default: int = 0) -> int:
    """A number of an option.

    :param field: named in the error
    :param default: what None means
    :raises BadRequest: it is no whole number from 0
    """
    if value is None:
        return default
    if type(value) is int and 0 <= value < _TOO_MUCH:
        return value
    if isinstance(value, float) and value.is_integer() and 0 <= value < _TOO_MUCH:
        return int(value)
    raise ccxt.BadRequest(f"{field}: expected a whole number from 0, got {value!r}"[:200])


def refuse_credentials(holder: Mapping[str, Any]) -> None:
    """Paper trading never takes what opens a real venue.

    :raises AuthenticationError: naming the credential, never its value
    """
    for name in _CREDENTIALS_OF_A_VENUE:
        if holder.get(name):
            raise ccxt.AuthenticationError(
                f"{name}: the embedded OMS is paper trading and takes no venue credentials; "
                "remove it, or set base_url to a gateway"
            )


def _target(
    urls: Mapping[str, Any], options: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[Any, str | None, Mapping[str, Any]]:
    """The base URL (`urls["api"]` beats `base_url`), the key that belongs to it, and the profile of both.

    :returns: a base URL of None when nothing says it, no profile when it is not the profile's
    """
    if options.get("oms") is not None:
        return EMBEDDED, None, {}
    given = options.get("base_url") if urls.get("api") is None else urls["api"]
    if given is not None:
        by_kind = isinstance(given, Mapping) and given is urls.get("api")
        return (given if by_kind else _checked_url(given)), None, {}
    if environment.get("CCXT_OMS_BASE_URL"):
        if environment.get("CCXT_OMS_PROFILE"):
            _LOGGER.warning(
                "CCXT_OMS_BASE_URL is set: CCXT_OMS_PROFILE=%s is not used; unset one of them",
                environment["CCXT_OMS_PROFILE"],
            )
        return _checked_url(environment["CCXT_OMS_BASE_URL"]), environment.get("CCXT_OMS_API_KEY"), {}
    profile = _chosen_profile(environment)
    if profile is None:
        return None, None, {}
    return _checked_url(profile["base_url"]), profile["api_key"], profile


def _fill_in_connection(resolved: dict[str, Any], environment: Mapping[str, str]) -> None:
    if resolved.get("timeout") is None:
        resolved.pop("timeout", None)
        if environment.get("CCXT_OMS_TIMEOUT"):
            resolved["timeout"] = _timeout(environment["CCXT_OMS_TIMEOUT"])
    if resolved.get("cafile") is None and environment.get("CCXT_OMS_CAFILE"):
        resolved["cafile"] = environment["CCXT_OMS_CAFILE"]
    if resolved.get("cafile") is not None and not Path(resolved["cafile"]).is_file():
        raise ccxt.BadRequest(f"cafile: there is no file {resolved['cafile']!r}"[:200])


def _fill_in_ids(options: dict[str, Any], environment: Mapping[str, str], profile: Mapping[str, Any]) -> None:
    for name in ("account_id", "strategy_id"):
        if options.get(name) is None and environment.get(f"CCXT_OMS_{name.upper()}"):
            options[name] = environment[f"CCXT_OMS_{name.upper()}"]
        elif options.get(name) is None and profile.get(name) is not None:
            options[name] = profile[name]
        if options.get(name) is not None:
            options[name] = identifier(name, options[name], or_zero=name == "strategy_id")


def _chosen_profile(environment: Mapping[str, str], name: str | None = None) -> dict[str, Any] | None:
    """A profile by its name, or the chosen one; None when none is chosen.

    :raises BadRequest: it does not exist, or the file cannot be used
    :raises AuthenticationError: others can read the file
    """
    try:
        found = profiles.load(name, environment)
    except profiles.ProfilesNotSafe as error:
        raise ccxt.AuthenticationError(str(error)) from None
    except profiles.ProfileError as error:
        raise ccxt.BadRequest(str(error)) from None
    name = name or environment.get("CCXT_OMS_PROFILE")
    if found is None and name:
        raise ccxt.BadRequest(f"there is no profile {name!r}: ccxt-driver profile list shows those there are")
    return found


def _set_sandbox(options: dict[str, Any], name: str, environment: Mapping[str, str]) -> None:
    """Fill in `options.sandbox` from the profile that the chosen one names."""
    if isinstance(options.get("sandbox"), Mapping):
        return
    profile = _chosen_profile(environment, name) or {}
    wanted = bool(options.get("sandbox"))
    options["sandbox"] = {"base_url": profile["base_url"], "account_id": profile["account_id"]}
    if profile["api_key"]:
        options["sandbox"]["apiKey"] = Secret(profile["api_key"])
    if wanted:  # `True` is what the constructor looks for, here or under this name
        options["testnet"] = True


def sandbox_url(options: Mapping[str, Any]) -> str | None:
    """The base URL of `options.sandbox`; None when no sandbox is configured.

    :raises BadRequest: it has no base URL, or a key that means nothing: a slip of the pen must not
        leave a program that asks for the sandbox on the live gateway
    """
    sandbox = options.get("sandbox")
    if not isinstance(sandbox, Mapping) or not sandbox:
        return None
    unknown = [str(key) for key in sandbox if key not in _SANDBOX_KEYS]
    if unknown or not sandbox.get("base_url"):
        wrong = f"unknown {', '.join(unknown)}" if unknown else "base_url is missing"
        raise ccxt.BadRequest(f"sandbox: expected base_url, account_id and apiKey, {wrong}"[:200])
    return _checked_url(sandbox["base_url"])


def _checked_url(value: Any) -> str:
    if is_embedded(value):
        return str(value)
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        url = value.rstrip("/")
        if _names_a_server(url):
            return url
    raise ccxt.BadRequest(
        f'base_url: expected "http://...", "https://..." or "embedded:...", got {value!r}'[:200]
    )


def _names_a_server(url: str) -> bool:
    """Whether a host can be reached by it; libraries say no with errors of their own, each another one."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")  # no part of a name is empty, or longer than 63 characters
    except ValueError:
        return False
    return bool(host) and port != 0 and not any(letter.isspace() for letter in url)


def _timeout(seconds: str) -> int:
    try:
        milliseconds = round(float(seconds) * 1000)
    except (ValueError, OverflowError):
        milliseconds = 0
    if milliseconds <= 0:
        raise ccxt.BadRequest(f"CCXT_OMS_TIMEOUT: expected seconds above 0, got {seconds!r}"[:200])
    return milliseconds
