"""Looking after the file of an OMS, whether a server runs on it or not."""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from decimal import Context, Decimal, localcontext
from pathlib import Path

from .json_text import loads
from .sqlite_file import BACKUP_ID, is_of_an_oms, refuse_foreign_log
from .sqlite_journal import forget_setting
from .store import StoreError, StoreUnusable


def check(path: Path) -> list[str]:
    """Find what is wrong with a file: damage, and books that do not balance.

    :returns: one line for each problem; none for a good file
    :raises StoreUnusable: it is not a file of an OMS, or cannot be read at all
    """
    with _reading(path) as connection, localcontext(Context(prec=60)):
        damage = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
        if damage != ["ok"]:
            return damage  # what stands in damaged pages proves nothing
        connection.execute("BEGIN")  # all of it as it is at one moment, while a server writes
        return [
            *_journal(connection),
            *_balances(connection),
            *_orders(connection),
            *_positions(connection),
            *_events(connection),
        ]


def _journal(connection: sqlite3.Connection) -> Iterator[str]:
    """What is on its way into the tables has to be readable; the tables balance without it, too."""
    for entry_id, text in connection.execute("SELECT id, changes FROM journal"):
        try:
            loads(text)
        except ValueError:
            yield f"journal entry {entry_id} cannot be read"


def _balances(connection: sqlite3.Connection) -> Iterator[str]:
    booked: defaultdict[tuple[int, str], Decimal] = defaultdict(Decimal)
    query = "SELECT id, account_id, currency, amount, balance_after FROM ledger ORDER BY id"
    for entry_id, account_id, currency, amount, after in connection.execute(query):
        booked[account_id, currency] += Decimal(amount)
        if booked[account_id, currency] != Decimal(after):
            yield f"ledger entry {entry_id}: the balance after it is {after}, its entries make another sum"
            booked[account_id, currency] = Decimal(after)
    for account_id, currency, total in connection.execute("SELECT account_id, currency, total FROM balances"):
        if booked.pop((account_id, currency), Decimal(0)) != Decimal(total):
            yield f"account {account_id}: the ledger does not make the balance of {total} {currency}"
    for account_id, currency in booked:
        yield f"account {account_id}: there is a ledger but no balance of {currency}"


def _orders(connection: sqlite3.Connection) -> Iterator[str]:
    filled: defaultdict[int, Decimal] = defaultdict(Decimal)
    for order_id, qty in connection.execute("SELECT order_id, qty FROM deals"):
        filled[order_id] += Decimal(qty)
    for order_id, qty in connection.execute("SELECT id, filled_qty FROM orders"):
        if filled.pop(order_id, Decimal(0)) != Decimal(qty):
            yield f"order {order_id}: its deals do not make its filled quantity of {qty}"
    filled.pop(0, None)  # a close-by makes deals without an order
    for order_id in filled:
        yield f"order {order_id}: there are deals of it, but no order"


def _positions(connection: sqlite3.Connection) -> Iterator[str]:
    held: defaultdict[int, Decimal] = defaultdict(Decimal)
    for position_id, side, qty in connection.execute("SELECT position_id, side, qty FROM deals"):
        held[position_id] += Decimal(qty) if side == "buy" else -Decimal(qty)
    for position_id, side, qty in connection.execute("SELECT id, side, qty FROM positions"):
        signed = Decimal(qty) if side == "buy" else -Decimal(qty)
        if held.pop(position_id, Decimal(0)) != signed:
            yield f"position {position_id}: its deals do not make its quantity of {qty}"
    for position_id in held:
        yield f"position {position_id}: there are deals of it, but no position"


def _events(connection: sqlite3.Connection) -> Iterator[str]:
    query = "SELECT account_id, max(seq) - min(seq) + 1 - count(*) FROM events GROUP BY account_id"
    for account_id, missing in connection.execute(query):
        if missing:
            yield f"account {account_id}: {missing} events are missing in the middle"


def backup(path: Path, target: Path) -> None:
    """Copy a file as it is at one moment, also while a server writes to it. Keys are part of it.

    Events of the copy are of another history: from here on the two may go different ways, and a client
    that has seen events of the one must not go on with those of the other.

    :param target: must not exist; it appears when the copy is whole
    :raises StoreError: it exists, or cannot be written; nothing is left behind
    :raises StoreUnusable: `path` is not a file of an OMS
    """
    if target.exists():
        raise StoreError(f"{target} exists already")
    part = target.with_name(f"{target.name}.part")
    try:
        with _reading(path) as source:
            _copy(source, part, target)
    finally:
        with suppress(OSError):  # where nothing can be written, nothing was left
            part.unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, part: Path, target: Path) -> None:
    try:
        part.touch(mode=0o600, exist_ok=False)  # it holds the digests of keys
        with closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            with copy:
                forget_setting(copy, "history")
                copy.execute(f"PRAGMA application_id = {BACKUP_ID}")
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, and nothing beside it
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.link(part, target)  # unlike a rename it never takes the place of a file that came meanwhile
    except (OSError, sqlite3.Error, ValueError) as error:
        raise StoreError(f"{target} was not written: {error}") from error


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that does not change the file.

    :raises StoreUnusable: it is not a file of an OMS, or cannot be read at all
    """
    if not path.is_file():
        raise StoreUnusable(f"{path} does not exist")
    try:
        refuse_foreign_log(path)
        # Not mode=ro: a reader of a write-ahead log has to be able to make the index of it.
        with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as connection:
            connection.execute("PRAGMA query_only = ON")
            if not is_of_an_oms(connection):
                raise StoreUnusable(f"{path} is a database of another program")
            yield connection
    except (OSError, sqlite3.OperationalError) as error:
        raise StoreUnusable(f"{path} cannot be read: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(f"{path} is not a database of ccxt-driver, or damaged: {error}") from error
