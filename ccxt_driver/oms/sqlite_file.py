"""The SQLite file of a persistent OMS: how it is opened, recognised and brought up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from .sqlite_counts import STATEMENTS as COUNTS
from .store import StoreUnusable

APPLICATION_ID: Final = 0x4F4D5331
"""Marks the file as ours ("OMS1"), so that another program's database is never written to."""

BACKUP_ID: Final = 0x4F4D5342
"""Takes its place in a backup ("OMSB"), until that is opened: such a file has no log yet."""

_BUSY_SECONDS: Final = 10.0
"""How long a write waits for another process, which only ever writes one key."""

_CACHE_KIB: Final = 32_768
"""Client order ids are as if by chance: writing them goes to another page each time."""
_CHECKPOINT_PAGES: Final = 1000
"""After so many pages the log (then 4 MB) is written into the file; who commits then waits."""

_VERSION_1: Final = (
    """CREATE TABLE orders (
        id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
        order_type TEXT NOT NULL, qty TEXT NOT NULL, created_at INTEGER NOT NULL, status TEXT NOT NULL,
        command_id INTEGER, strategy_id INTEGER NOT NULL, position_id INTEGER NOT NULL,
        previous_position_id INTEGER NOT NULL, reason TEXT NOT NULL, comment TEXT, client_order_id TEXT,
        exchange_order_id TEXT, price TEXT, stop_loss TEXT, stop_gain TEXT, filled_qty TEXT NOT NULL,
        filled_cost TEXT NOT NULL, edit_replace_state TEXT, edit_replace_at INTEGER,
        edit_replace_orphan_order_id INTEGER, edit_replace_origin_order_id INTEGER,
        updated_at INTEGER NOT NULL, closed_at INTEGER, time_in_force TEXT NOT NULL,
        post_only INTEGER NOT NULL, reduce_only INTEGER NOT NULL, trigger_price TEXT, stop_price TEXT,
        take_profit_price TEXT, trailing_amount TEXT, trailing_percent TEXT, reject_reason TEXT,
        fee TEXT NOT NULL, fee_currency TEXT, expire_at INTEGER, display_qty TEXT, trigger_above INTEGER,
        trail_extreme TEXT, triggered_at INTEGER, reserved TEXT NOT NULL, reserved_currency TEXT,
        closes_position INTEGER NOT NULL, params TEXT NOT NULL) STRICT""",
    "CREATE INDEX orders_by_time ON orders (account_id, created_at, id)",
    "CREATE INDEX orders_by_update ON orders (account_id, updated_at)",
    """CREATE UNIQUE INDEX orders_by_client_order_id ON orders (account_id, client_order_id)
        WHERE client_order_id IS NOT NULL""",
    """CREATE INDEX orders_open ON orders (id)
        WHERE status IN ('PENDING_SUBMIT', 'SUBMITTED', 'PARTIALLY_FILLED')""",
    """CREATE TABLE deals (
        id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, order_id INTEGER NOT NULL,
        position_id INTEGER NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, qty TEXT NOT NULL,
        price TEXT NOT NULL, executed_at INTEGER NOT NULL, created_at INTEGER NOT NULL,
        previous_position_id INTEGER NOT NULL, fee TEXT NOT NULL, fee_currency TEXT, pnl TEXT NOT NULL,
        strategy_id INTEGER NOT NULL, reason TEXT NOT NULL, comment TEXT, reconciled INTEGER NOT NULL,
        exchange_trade_id TEXT, maker INTEGER NOT NULL) STRICT""",
    "CREATE INDEX deals_by_time ON deals (account_id, executed_at, id)",
    "CREATE INDEX deals_by_order ON deals (order_id)",
    "CREATE INDEX deals_by_position ON deals (position_id)",
    """CREATE TABLE positions (
        id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
        opened_at INTEGER NOT NULL, qty TEXT NOT NULL, entry_cost TEXT NOT NULL, avg_price TEXT NOT NULL,
        strategy_id INTEGER NOT NULL, stop_loss TEXT, stop_gain TEXT, state TEXT NOT NULL,
        reason TEXT NOT NULL, comment TEXT, updated_at INTEGER NOT NULL, closed_at INTEGER,
        realized_pnl TEXT NOT NULL) STRICT""",
    "CREATE INDEX positions_by_time ON positions (account_id, opened_at, id)",
    "CREATE INDEX positions_by_update ON positions (account_id, updated_at)",
    "CREATE INDEX positions_open ON positions (id) WHERE state IN ('open', 'close_requested')",
    """CREATE TABLE ledger (
        id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, currency TEXT NOT NULL, amount TEXT NOT NULL,
        balance_after TEXT NOT NULL, kind TEXT NOT NULL, created_at INTEGER NOT NULL,
        reference_id INTEGER) STRICT""",
    "CREATE INDEX ledger_by_time ON ledger (account_id, created_at, id)",
    """CREATE TABLE balances (
        account_id INTEGER NOT NULL, currency TEXT NOT NULL, total TEXT NOT NULL,
        PRIMARY KEY (account_id, currency)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE accounts (
        id INTEGER PRIMARY KEY, position_mode TEXT NOT NULL, label TEXT, status TEXT NOT NULL,
        allow_new_positions INTEGER NOT NULL, leverage TEXT NOT NULL) STRICT""",
    """CREATE TABLE strategies (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, client_strategy_id TEXT, status TEXT NOT NULL,
        account_ids TEXT NOT NULL, blocked_accounts TEXT NOT NULL) STRICT""",
    """CREATE TABLE claims (
        account_id INTEGER NOT NULL, client_order_id TEXT NOT NULL, order_id INTEGER NOT NULL,
        command_id INTEGER NOT NULL, fingerprint TEXT NOT NULL, strategy_id INTEGER NOT NULL,
        PRIMARY KEY (account_id, client_order_id)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE events (
        account_id INTEGER NOT NULL, seq INTEGER NOT NULL, ts_ms INTEGER NOT NULL, name TEXT NOT NULL,
        payload TEXT NOT NULL, strategy_id INTEGER, PRIMARY KEY (account_id, seq)) STRICT, WITHOUT ROWID""",
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    # AUTOINCREMENT: the id of a key is never given to another one.
    """CREATE TABLE api_keys (
        id INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL UNIQUE, role TEXT NOT NULL,
        accounts TEXT, on_all TEXT, strategies TEXT, created_at INTEGER NOT NULL, label TEXT,
        disabled_at INTEGER) STRICT""",
)

_VERSION_2: Final = (
    "ALTER TABLE positions ADD COLUMN margin_added TEXT NOT NULL DEFAULT '0'",
    "ALTER TABLE accounts ADD COLUMN isolated TEXT NOT NULL DEFAULT '[]'",
)

_VERSION_3: Final = ("CREATE TABLE journal (id INTEGER PRIMARY KEY, changes BLOB NOT NULL) STRICT",)

# The partial indexes find what is unknown; they are empty in most files, and then cost nothing.
_VERSION_4: Final = (
    "ALTER TABLE orders ADD COLUMN external TEXT",
    "ALTER TABLE deals ADD COLUMN external TEXT",
    "ALTER TABLE positions ADD COLUMN external TEXT",
    "CREATE INDEX orders_unknown ON orders (account_id, created_at, id) WHERE external = 'unknown'",
    "CREATE INDEX deals_unknown ON deals (account_id, executed_at, id) WHERE external = 'unknown'",
    "CREATE INDEX positions_unknown ON positions (account_id, opened_at, id) WHERE external = 'unknown'",
)

# What lists are asked for most: the newest rows of a symbol or of a strategy, among those of all.
_VERSION_5: Final = (
    "CREATE INDEX orders_by_symbol ON orders (account_id, symbol, created_at, id)",
    "CREATE INDEX orders_by_strategy ON orders (account_id, strategy_id, created_at, id)",
    "CREATE INDEX deals_by_symbol ON deals (account_id, symbol, executed_at, id)",
    "CREATE INDEX deals_by_strategy ON deals (account_id, strategy_id, executed_at, id)",
    "CREATE INDEX positions_by_symbol ON positions (account_id, symbol, opened_at, id)",
    "CREATE INDEX ledger_by_currency ON ledger (account_id, currency, created_at, id)",
)

_VERSION_6: Final = COUNTS

_VERSION_7: Final = ("DROP INDEX IF EXISTS orders_by_client_order_id",)  # claims have these ids

# Events are read from the entries of the journal. Those of the table become entries that are in the tables
# already, before all that wait for it.
_VERSION_8: Final = (
    """CREATE TABLE outbox (
        account_id INTEGER NOT NULL, last_seq INTEGER NOT NULL, first_seq INTEGER NOT NULL,
        entry_id INTEGER NOT NULL, PRIMARY KEY (account_id, last_seq)) STRICT, WITHOUT ROWID""",
    """INSERT INTO outbox SELECT account_id, seq, seq, row_number() OVER (ORDER BY account_id, seq)
        FROM events""",
    "CREATE INDEX outbox_by_entry ON outbox (entry_id)",
    "UPDATE journal SET id = -id",
    """INSERT INTO journal SELECT row_number() OVER (ORDER BY account_id, seq), CAST(
        '[[[],[],[],[],[],[[' || account_id || ',' || seq || ',' || ts_ms || ',"' || name || '",' || payload
        || ',' || coalesce(strategy_id, 'null') || ']],[],[],[],[]]]' AS BLOB) FROM events""",
    "UPDATE journal SET id = (SELECT count(*) FROM events) - id WHERE id < 0",
    "DROP TABLE events",
    "CREATE INDEX orders_by_position ON orders (position_id) WHERE position_id <> 0",
)

MIGRATIONS: Final = (
    *(_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4),
    *(_VERSION_5, _VERSION_6, _VERSION_7, _VERSION_8),
)
"""Statements that lead from version n to n + 1; the version is `PRAGMA user_version`."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, make or update its tables, and make every commit of the connection durable.

    :raises StoreUnusable: it cannot be opened, is not ours, or is of a newer version
    """
    refuse_other_names(path)
    if not path.parent.is_dir():
        raise StoreUnusable(f"{path} cannot be opened: there is no directory {path.parent}")
    try:
        refuse_foreign_log(path)
        # It holds the digests of keys, so that nobody else has to read it.
        path.touch(mode=0o600)
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
    except (OSError, sqlite3.Error) as error:
        raise StoreUnusable(f"{path} cannot be opened: {error}") from error
    try:
        _recognise(connection, path)
        if _pragma(connection, "application_id") == BACKUP_ID:  # while it has no log
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = OFF")  # Debian's writes zeros over each entry that goes
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: without it the drive may still hold the data
        _migrate(connection, path)
        # What a statement with many rows may have to take back would else go into a file of its own: where
        # none can be made, because the folder of such files is full or read-only, no table could be written.
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError):  # a lock, a disk that is full or read-only
            raise StoreUnusable(f"{path} cannot be opened: {error}") from error
        raise StoreUnusable(f"{path} is not a database of ccxt-driver, or damaged: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def refuse_other_names(path: Path) -> None:
    """Refuse what SQLite takes for something else than the path of a file.

    It would open another file than the one whose lock is held, and so could two processes the same one.

    :raises StoreUnusable: saying what to give instead
    """
    name = str(path)
    if name == ":memory:":
        raise StoreUnusable(f"{name} is no file: give none, and everything is kept in memory")
    if name.startswith("file:"):
        raise StoreUnusable(f"{name} is a URI: give the path of a file")


def refuse_foreign_log(path: Path) -> None:
    """Refuse a backup that was copied over the file of a process that was killed.

    That process has left its write-ahead log. SQLite cannot tell that it is not the log of the file
    beside it, and would write pages of the one into the other.

    :raises StoreUnusable: saying what to remove
    :raises sqlite3.Error: the file cannot be read
    """
    real = path.resolve()
    log = real.with_name(f"{real.name}-wal")
    if not real.is_file() or not log.is_file() or not log.stat().st_size:
        return
    # Immutable: the log is not read. By SQLite: to open and close the file in any other way would take
    # away the locks of other connections of this process.
    with closing(sqlite3.connect(f"{real.as_uri()}?immutable=1", uri=True)) as connection:
        if _is_whole_backup(connection):
            raise StoreUnusable(
                f"{path} is a backup, and {log.name} beside it is the log of another file and would damage "
                f"it: remove {log.name} first, and {real.name}-shm where it is there"
            )


def _is_whole_backup(connection: sqlite3.Connection) -> bool:
    """Whether it is a backup, by the file alone.

    One that ends before its last page is none: a process was killed, or had no room, while it wrote its log
    into it. The log has the rest.
    """
    try:
        return _pragma(connection, "application_id") == BACKUP_ID
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_CORRUPT:
            raise
        return False


def lengthen_log(connection: sqlite3.Connection) -> None:
    """Give the write-ahead log the length that it comes to have: no commit waits for a longer file then.

    Half a commit's time is that. What a transaction writes that is too large for the cache stays in the
    log when it is rolled back, as bytes that mean nothing.

    :raises sqlite3.Error: the disk refused; nothing has changed
    """
    kept = _pragma(connection, "cache_size")
    connection.execute("PRAGMA cache_size = 10")
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE filler (bytes BLOB) STRICT")
        size = _pragma(connection, "page_size") * _CHECKPOINT_PAGES
        connection.execute("INSERT INTO filler VALUES (zeroblob(?))", (size,))
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute(f"PRAGMA cache_size = {kept}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def is_of_an_oms(connection: sqlite3.Connection) -> bool:
    """Whether it is a file of an OMS, or a backup of one."""
    return _pragma(connection, "application_id") in (APPLICATION_ID, BACKUP_ID)


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether a file has a table: those of earlier versions lack some."""
    query = "SELECT count(*) FROM sqlite_schema WHERE name = ?"
    return bool(connection.execute(query, (name,)).fetchone()[0])


def _recognise(connection: sqlite3.Connection, path: Path) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables and not is_of_an_oms(connection):
        raise StoreUnusable(f"{path} is a database of another program")
    version = _pragma(connection, "user_version")
    if version > len(MIGRATIONS):
        raise StoreUnusable(
            f"{path} was written by a newer ccxt-driver (version {version} of the tables, "
            f"this one knows {len(MIGRATIONS)}): update ccxt-driver"
        )


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _pragma(connection, "user_version") == len(MIGRATIONS):
        return
    with transaction(connection):
        _recognise(connection, path)  # again: another process may have been quicker
        for version in range(_pragma(connection, "user_version"), len(MIGRATIONS)):
            for statement in MIGRATIONS[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction, whole or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
