"""API keys: made, asked for, disabled. The secret is shown once and kept as its SHA-256 only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Final

from .entities import ApiKey, Permission, Principal
from .store import KeyStore

SECRET_PREFIX: Final = "oms_"
"""What every secret begins with, so that one that has leaked can be searched for."""

_SECRET_BYTES: Final = 32
_LONGEST_SECRET: Final = 256
_NO_DIGEST: Final = "0" * 64
KNOWN_SECONDS: Final = 0.02
"""How long it is known whose a key is: another process may change the file meanwhile."""


class Role(StrEnum):
    """What a key is for."""

    TRADER = "trader"
    READONLY = "readonly"
    RISK = "risk"


PERMISSIONS: Final[dict[Role, Permission]] = {
    Role.TRADER: Permission(read=True, trade=True, close=True, risk=False),
    Role.READONLY: Permission(read=True, trade=False, close=False, risk=False),
    Role.RISK: Permission(read=True, trade=False, close=True, risk=True),
}
"""What each role may do on an account."""


class UnknownKey(LookupError):
    """There is no key of that id."""


class KeyRing:
    """The keys of one OMS.

    :param store: where they are kept
    :param now_ms: the time, in milliseconds since the Unix epoch
    """

    def __init__(self, store: KeyStore, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._known: dict[str, tuple[float, Principal]] = {}
        """Whose a digest is, and until when that holds: to ask the file takes a tenth of an order."""

    def create(
        self,
        account_ids: Iterable[int] | None = None,
        role: str = Role.TRADER,
        strategies: Iterable[int] | None = None,
        label: str | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key.

        :param account_ids: the accounts it may know of; None for all, those added later too
        :param role: trader, readonly or risk
        :param strategies: the only strategies it may see and use; None for all
        :returns: the key, and its secret, which cannot be read again
        :raises ValueError: an unknown role, what is no id, or an empty list: a key for nothing
        """
        may = PERMISSIONS[_role(role)]
        accounts = None if account_ids is None else dict.fromkeys(_ids("account_ids", account_ids, 1), may)
        allowed = None if strategies is None else frozenset(_ids("strategies", strategies, 0))
        if accounts is not None and not accounts:
            raise ValueError("account_ids: expected at least one account, or None for all")
        if allowed is not None and not allowed:
            raise ValueError("strategies: expected at least one strategy, or None for all")
        if not isinstance(label, str | None):
            raise ValueError(f"label: expected a text, got {label!r}")
        secret = _new_secret()
        principal = Principal(accounts=accounts, strategies=allowed, on_all=may)
        made = ApiKey(0, digest(secret), Role(role), principal, self._now_ms(), label)
        return self._store.add_api_key(made), secret

    def authenticate(self, secret: str) -> Principal | None:
        """Who a secret belongs to; None when to nobody, or the key is disabled."""
        return None if len(secret) > _LONGEST_SECRET else self.principal(digest(secret))

    def principal(self, secret_digest: str) -> Principal | None:
        """As `authenticate`, for one who has kept the digest of a secret instead of the secret."""
        # The lookup goes by the digest, of which a guesser controls no part; the comparison
        # takes the same time whatever the store answered.
        now, remembered = time.monotonic(), self._known.get(secret_digest)
        if remembered is not None and now < remembered[0]:
            return remembered[1]
        key = self._store.api_key_by_digest(secret_digest)
        known = hmac.compare_digest(secret_digest, key.digest if key is not None else _NO_DIGEST)
        if not known or key is None or key.disabled_at is not None:
            self._known.pop(secret_digest, None)
            return None
        self._known[secret_digest] = now + KNOWN_SECONDS, key.principal
        return key.principal

    def disable(self, key_id: int) -> None:
        """Make a key useless, for ever; no matter when it is already.

        :raises UnknownKey: there is none of that id
        """
        key = self._key(key_id)
        if key.disabled_at is None:
            self._put(replace(key, disabled_at=self._now_ms()))

    def rotate(self, key_id: int) -> str:
        """Give a key a new secret; the old one is useless from now on.

        :returns: the new secret
        :raises UnknownKey: there is none of that id
        :raises ValueError: it is disabled
        """
        key = self._key(key_id)
        if key.disabled_at is not None:
            raise ValueError(f"key {key_id} is disabled; make a new one")
        secret = _new_secret()
        self._put(replace(key, digest=digest(secret)))
        return secret

    def list(self) -> list[ApiKey]:
        """All keys, disabled ones too, by id."""
        return self._store.api_keys()

    def _put(self, key: ApiKey) -> None:
        self._store.put_api_key(key)
        self._known.clear()

    def _key(self, key_id: int) -> ApiKey:
        for key in self._store.api_keys():
            if key.id == key_id:
                return key
        raise UnknownKey(f"there is no key {key_id}")


def digest(secret: str) -> str:
    """The SHA-256 of a secret, hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _new_secret() -> str:
    return SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def _ids(name: str, given: Iterable[int], least: int) -> list[int]:
    """Ids as the OMS has them: one that ccxt writes as a text would be a key for nothing."""
    found = list(given)
    for each in found:
        if type(each) is not int or each < least:
            raise ValueError(f"{name}: expected whole numbers from {least} on, got {each!r}")
    return found


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        raise ValueError(f"role: expected {', '.join(Role)}, got {name!r}") from None
