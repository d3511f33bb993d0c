from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ccxt_driver.oms import keys
from ccxt_driver.oms.entities import Permission
from ccxt_driver.oms.keys import KeyRing, UnknownKey, digest
from ccxt_driver.oms.sqlite_keys import SqliteApiKeys
from ccxt_driver.oms.store import MemoryStore


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing(MemoryStore(), lambda: 1234)


def test_a_key_of_all_accounts_covers_those_added_later(ring: KeyRing) -> None:
    made, secret = ring.create()
    assert made.role == "trader"
    assert made.created_at == 1234
    principal = ring.authenticate(secret)
    assert principal is not None
    assert principal.key_id == made.id
    trade = Permission(read=True, trade=True, close=True, risk=False)
    assert principal.permission(1) == principal.permission(10**9) == trade


@pytest.mark.parametrize(
    "role, may",
    [
        ("trader", Permission(read=True, trade=True, close=True, risk=False)),
        ("readonly", Permission(read=True, trade=False, close=False, risk=False)),
        ("risk", Permission(read=True, trade=False, close=True, risk=True)),
    ],
)
def test_a_role_is_what_it_may_do(ring: KeyRing, role: str, may: Permission) -> None:
    _, secret = ring.create(account_ids=[2], role=role, strategies=[7])
    principal = ring.authenticate(secret)
    assert principal is not None
    assert principal.permission(2) == may
    assert principal.permission(1) is None
    assert principal.sees(7)
    assert not principal.sees(0)


def test_the_secret_is_kept_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "oms.sqlite"
    store = SqliteApiKeys(path)
    with caplog.at_level(logging.DEBUG):
        made, secret = KeyRing(store, lambda: 0).create(label="bot")
    store.close()
    assert secret.startswith("oms_")
    assert len(secret) >= 36
    assert made.digest == digest(secret)
    assert secret not in repr(made) + caplog.text
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()


def test_secrets_differ(ring: KeyRing) -> None:
    assert len({ring.create()[1] for _ in range(20)}) == 20


@pytest.mark.parametrize("secret", ["", "oms_wrong", "é", "\ud800", "x" * 257, "x" * 10**6])
def test_a_wrong_secret_is_nobody(ring: KeyRing, secret: str) -> None:
    ring.create()
    assert ring.authenticate(secret) is None


def test_a_digest_is_no_secret(ring: KeyRing) -> None:
    made, _ = ring.create()
    assert ring.authenticate(made.digest) is None


def test_disabled_is_for_ever(ring: KeyRing) -> None:
    made, secret = ring.create()
    assert ring.authenticate(secret) == made.principal
    ring.disable(made.id)
    ring.disable(made.id)
    assert ring.authenticate(secret) is None
    with pytest.raises(ValueError, match="disabled"):
        ring.rotate(made.id)
    assert [key.disabled_at for key in ring.list()] == [1234]


def test_rotating_ends_the_old_secret(ring: KeyRing) -> None:
    made, old = ring.create(account_ids=[1], role="readonly")
    assert ring.authenticate(old) == made.principal
    new = ring.rotate(made.id)
    assert ring.authenticate(old) is None
    principal = ring.authenticate(new)
    assert principal == made.principal


@pytest.mark.parametrize("change", [KeyRing.disable, KeyRing.rotate])
def test_what_another_process_does_with_a_key_counts_within_20_milliseconds(
    ring: KeyRing, monkeypatch: pytest.MonkeyPatch, change: Callable[[KeyRing, int], object]
) -> None:
    now = 100.0
    monkeypatch.setattr(keys.time, "monotonic", lambda: now)
    made, secret = ring.create()
    assert ring.authenticate(secret) is not None
    change(KeyRing(ring._store, lambda: 0), made.id)
    now += 0.02
    assert ring.authenticate(secret) is None
    assert ring.authenticate(secret) is None


def test_whose_a_key_is_is_not_asked_for_each_request(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    made, secret = ring.create()
    monkeypatch.setattr(keys.time, "monotonic", lambda: 100.0)
    asked: list[str] = []
    really = ring._store.api_key_by_digest
    monkeypatch.setattr(
        ring._store, "api_key_by_digest", lambda digest: asked.append(digest) or really(digest)
    )
    for _ in range(5):
        assert ring.authenticate(secret) == made.principal
    assert len(asked) == 1
    for _ in range(5):
        assert ring.authenticate("no key") is None
    assert len(asked) == 6


def test_unknown_ids_and_roles_are_told(ring: KeyRing) -> None:
    with pytest.raises(UnknownKey, match="no key 5"):
        ring.disable(5)
    with pytest.raises(UnknownKey):
        ring.rotate(5)
    with pytest.raises(ValueError, match="expected trader, readonly, risk, got 'admin'"):
        ring.create(role="admin")
    with pytest.raises(ValueError, match="account_ids"):
        ring.create(account_ids=[])
    with pytest.raises(ValueError, match="strategies"):
        ring.create(strategies=[])
    assert ring.list() == []


@pytest.mark.parametrize("name", ["account_ids", "strategies"])
@pytest.mark.parametrize("given", [["1"], "12", [1.0], [True], [-1], [None]])
def test_what_is_no_id_makes_no_key(ring: KeyRing, name: str, given: Any) -> None:
    """The ids of ccxt's structures are texts: a key for the strategy "1" was of no use."""
    with pytest.raises(ValueError, match=f"{name}: expected whole numbers from [01] on, got "):
        ring.create(**{name: given})
    assert ring.list() == []


def test_a_label_is_a_text(ring: KeyRing) -> None:
    label: Any = ["grid"]
    with pytest.raises(ValueError, match="label: expected a text"):
        ring.create(label=label)
