"""API keys in the SQLite file of an OMS, for a server that runs and for the command line beside it."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from .entities import ApiKey, Permission, Principal
from .sqlite_file import connect
from .store import StoreError

_COLUMNS = "id, digest, role, accounts, on_all, strategies, created_at, label, disabled_at"


class SqliteApiKeys:
    """The keys of one file, over a connection of their own.

    It takes no lock of the file, so that keys can be made and disabled while a server holds it; and
    the server asks the file each time, so that this has effect at once.

    :raises StoreUnusable: the file cannot be used
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._connection = connect(Path(path))
        # A connection is safe from any thread, but a statement that two of them step is not.
        self._lock = threading.Lock()

    def api_keys(self) -> list[ApiKey]:
        """All keys, disabled ones too."""
        with self._lock:
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM api_keys ORDER BY id").fetchall()
        return [_key(row) for row in rows]

    def api_key_by_digest(self, digest: str) -> ApiKey | None:
        """The key with that SHA-256, disabled or not."""
        query = f"SELECT {_COLUMNS} FROM api_keys WHERE digest = ?"
        with self._lock:
            row = self._connection.execute(query, (digest,)).fetchone()
        return None if row is None else _key(row)

    def add_api_key(self, key: ApiKey) -> ApiKey:
        """Write a new key.

        :returns: the key with the id that it has been given; the id it came with is not used
        """
        marks = ", ".join("?" * 8)
        query = f"INSERT INTO api_keys ({_COLUMNS.removeprefix('id, ')}) VALUES ({marks}) RETURNING id"
        row = self._write(query, _row(key)[1:])
        return replace(key, id=row[0], principal=replace(key.principal, key_id=row[0]))

    def put_api_key(self, key: ApiKey) -> None:
        """Replace the key of the same id. One that is disabled stays so."""
        query = """UPDATE api_keys SET digest = ?, role = ?, accounts = ?, on_all = ?, strategies = ?,
            created_at = ?, label = ?, disabled_at = coalesce(disabled_at, ?) WHERE id = ? RETURNING id"""
        self._write(query, (*_row(key)[1:], key.id))

    def account_ids(self) -> list[int]:
        """The accounts of the file; none before an OMS was first opened on it."""
        return self._ids("accounts")

    def strategy_ids(self) -> list[int]:
        """The strategies of the file; none before an OMS was first opened on it."""
        return self._ids("strategies")

    def _ids(self, table: str) -> list[int]:
        with self._lock:
            rows = self._connection.execute(f"SELECT id FROM {table} ORDER BY id").fetchall()
        return [row[0] for row in rows]

    def _write(self, query: str, values: tuple[Any, ...]) -> tuple[int]:
        try:
            with self._lock:
                row: tuple[int] | None = self._connection.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"the key was not written: {error}") from error
        if row is None:
            raise StoreError("there is no key of that id")
        return row

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _row(key: ApiKey) -> tuple[Any, ...]:
    principal = key.principal
    accounts = principal.accounts
    return (
        key.id,
        key.digest,
        key.role,
        None
        if accounts is None
        else json.dumps({str(account): _names(may) for account, may in accounts.items()}),
        json.dumps(_names(principal.on_all)),
        None if principal.strategies is None else json.dumps(sorted(principal.strategies)),
        key.created_at,
        key.label,
        key.disabled_at,
    )


_PERMISSIONS = ("read", "trade", "close", "risk")


def _names(permission: Permission) -> list[str]:
    return [name for name in _PERMISSIONS if getattr(permission, name)]


def _permission(names: list[str]) -> Permission:
    return Permission(**{name: name in names for name in _PERMISSIONS})


@lru_cache(maxsize=256)
def _key(row: tuple[Any, ...]) -> ApiKey:
    key_id, digest, role, accounts, on_all, strategies, created_at, label, disabled_at = row
    principal = Principal(
        key_id=key_id,
        accounts=None
        if accounts is None
        else {int(account): _permission(names) for account, names in json.loads(accounts).items()},
        strategies=None if strategies is None else frozenset(json.loads(strategies)),
        on_all=_permission(json.loads(on_all)),
    )
    return ApiKey(key_id, digest, role, principal, created_at, label, disabled_at)
