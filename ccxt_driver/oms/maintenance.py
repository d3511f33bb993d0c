"""Looking after the file of an OMS, whether a server runs on it or not."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from decimal import Decimal, localcontext
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from ccxt_driver.contract.rows import OrderStatus

from .entities import EXACT, OPEN_STATES
from .json_text import loads
from .sqlite_counts import wrong
from .sqlite_file import BACKUP_ID, has_table, is_of_an_oms, refuse_foreign_log, refuse_other_names
from .sqlite_journal import forget_setting
from .sqlite_records import numbers_in
from .store import StoreError, StoreUnusable

_NOTHING: Final[tuple[int | None, Iterator[Any]]] = (None, iter(()))
_NUMBERED: Final = {"order": "orders", "deal": "deals", "position": "positions", "ledger": "ledger"}
"""Tables by the counter that their ids come from."""


def check(path: Path) -> list[str]:
    """Find what is wrong with a file: damage, and books that do not balance.

    :returns: one line for each problem; none for a good file
    :raises StoreUnusable: it is not a file of an OMS, or cannot be read at all
    """
    with _reading(path) as connection, localcontext(EXACT):
        damage = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
        if damage != ["ok"]:
            return damage  # what stands in damaged pages proves nothing
        connection.execute("BEGIN")  # all of it as it is at one moment, while a server writes
        return [
            *_journal(connection),
            *_settings(connection),
            *_accounts(connection),
            *_balances(connection),
            *_booked(connection),
            *_orders(connection),
            *_claims(connection),
            *_positions(connection),
            *_markets(connection),
            *_events(connection),
            *_counts(connection),
        ]


def _journal(connection: sqlite3.Connection) -> Iterator[str]:
    """What is on its way into the tables has to be readable; the tables balance without it, too."""
    if not has_table(connection, "journal"):
        return
    for entry_id, text in connection.execute("SELECT id, changes FROM journal"):
        try:
            loads(text)
        except ValueError:
            yield f"journal entry {entry_id} cannot be read"


def _settings(connection: sqlite3.Connection) -> Iterator[str]:
    """What an OMS goes on from has to be readable, and no id may be given a second time."""
    settings: dict[str, Any] = {}
    for name, text in connection.execute("SELECT name, value FROM settings"):
        try:
            settings[name] = loads(text)
        except ValueError:
            yield f"setting {name} cannot be read"
    last_given = settings.get("counters", {})
    for kind, table in _NUMBERED.items():
        highest = connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0] or 0
        if highest > last_given.get(kind, 0):
            yield f"{table}: the ids up to {highest} would be given again"


def _accounts(connection: sqlite3.Connection) -> Iterator[str]:
    for table in ("orders", "deals", "positions", "ledger", "balances"):
        query = f"SELECT DISTINCT account_id FROM {table} WHERE account_id NOT IN (SELECT id FROM accounts)"
        for (account_id,) in connection.execute(query):
            yield f"account {account_id}: there are {table} of it, but no account"


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


def _booked(connection: sqlite3.Connection) -> Iterator[str]:
    """What each deal has moved: coins and money, or the profit of a swap, and its fee."""
    # Both in the order of deals, and side by side: without an index a join would take for ever.
    entries = groupby(
        connection.execute(
            """SELECT reference_id, account_id, kind, currency, amount FROM ledger
                WHERE kind IN ('deal', 'fee') ORDER BY reference_id, id"""
        ),
        key=itemgetter(0),
    )
    of, booked = next(entries, _NOTHING)
    query = """SELECT id, account_id, order_id, side, qty, price, pnl, fee, fee_currency
        FROM deals ORDER BY id"""
    for deal_id, account_id, order_id, side, qty, price, pnl, fee, fee_currency in connection.execute(query):
        while of is not None and of < deal_id:
            yield f"deal {of}: there are ledger entries of it, but no deal"
            of, booked = next(entries, _NOTHING)
        rows = [row[1:] for row in booked] if of == deal_id else []
        moved = [Decimal(row[-1]) for row in rows if row[1] == "deal"]
        charged = [(*row[:3], Decimal(row[-1])) for row in rows if row[1] == "fee"]
        bought = Decimal(qty) if side == "buy" else -Decimal(qty)
        spot = [bought, -bought * Decimal(price)] if order_id else []  # a close-by moves no coins
        if moved not in (spot, _not_zero(Decimal(pnl))):
            yield f"deal {deal_id}: the ledger has moved something else"
        if charged != [(account_id, "fee", fee_currency, -each) for each in _not_zero(Decimal(fee))]:
            yield f"deal {deal_id}: the ledger has not its fee of {fee} {fee_currency}"
        if of == deal_id:
            of, booked = next(entries, _NOTHING)
    while of is not None:
        yield f"deal {of}: there are ledger entries of it, but no deal"
        of, _ = next(entries, _NOTHING)


def _not_zero(amount: Decimal) -> list[Decimal]:
    return [amount] if amount else []


def _orders(connection: sqlite3.Connection) -> Iterator[str]:
    filled: defaultdict[int, Decimal] = defaultdict(Decimal)
    costs: defaultdict[int, Decimal] = defaultdict(Decimal)
    fees: defaultdict[tuple[int, str | None], Decimal] = defaultdict(Decimal)
    query = "SELECT order_id, qty, price, fee, fee_currency FROM deals"
    for order_id, qty, price, fee, code in connection.execute(query):
        filled[order_id] += Decimal(qty)
        costs[order_id] += Decimal(qty) * Decimal(price)
        fees[order_id, code] += Decimal(fee)
    query = "SELECT id, filled_qty, filled_cost, fee, fee_currency, qty, status FROM orders"
    for order_id, filled_qty, cost, fee, code, qty, status in connection.execute(query):
        if filled.pop(order_id, Decimal(0)) != Decimal(filled_qty):
            yield f"order {order_id}: its deals do not make its filled quantity of {filled_qty}"
        if costs[order_id] != Decimal(cost):
            yield f"order {order_id}: its deals do not make its filled cost of {cost}"
        if fees[order_id, code] != Decimal(fee):  # those in another currency are not in its row
            yield f"order {order_id}: its deals do not make its fee of {fee} {code}"
        if not _may_be(status, Decimal(filled_qty), Decimal(qty)):
            yield f"order {order_id}: {filled_qty} of {qty} are filled, and it is {status}"
    filled.pop(0, None)  # a close-by makes deals without an order
    for order_id in filled:
        yield f"order {order_id}: there are deals of it, but no order"


def _may_be(status: str, filled: Decimal, qty: Decimal) -> bool:
    """Whether an order of which so much has filled may be in this status."""
    if filled == qty:
        return status == OrderStatus.FILLED
    if status == OrderStatus.PARTIALLY_FILLED:
        return 0 < filled < qty
    if status == OrderStatus.CANCELED:
        return filled < qty
    return filled == 0 and status in (OrderStatus.PENDING_SUBMIT, OrderStatus.SUBMITTED, OrderStatus.REJECTED)


def _claims(connection: sqlite3.Connection) -> Iterator[str]:
    """A client order id that nobody has claimed would name a second order."""
    query = """SELECT orders.id, orders.client_order_id FROM orders LEFT JOIN claims
        ON claims.account_id = orders.account_id AND claims.client_order_id = orders.client_order_id
        WHERE orders.client_order_id IS NOT NULL AND claims.order_id IS NOT orders.id"""
    for order_id, name in connection.execute(query):
        yield f"order {order_id}: its client order id {name!r} is not claimed by it"
    query = """SELECT account_id, client_order_id, order_id FROM claims
        WHERE NOT EXISTS (SELECT 1 FROM orders WHERE id = order_id)"""
    for account_id, name, order_id in connection.execute(query):
        yield f"account {account_id}: {name!r} is claimed by order {order_id}, which is not there"


def _markets(connection: sqlite3.Connection) -> Iterator[str]:
    """A deal is of the account and the market of its order and of its position."""
    for table, column in (("orders", "order_id"), ("positions", "position_id")):
        query = f"""SELECT deals.id, {column} FROM deals JOIN {table} AS whose ON whose.id = {column}
            WHERE deals.account_id <> whose.account_id OR deals.symbol <> whose.symbol"""
        for deal_id, other in connection.execute(query):
            yield f"deal {deal_id}: it is of another account or market than {table[:-1]} {other}"


def _positions(connection: sqlite3.Connection) -> Iterator[str]:
    held: defaultdict[int, Decimal] = defaultdict(Decimal)
    paid: defaultdict[int, Decimal] = defaultdict(Decimal)
    profits: defaultdict[int, Decimal] = defaultdict(Decimal)
    query = "SELECT position_id, side, qty, price, pnl FROM deals"
    for position_id, side, qty, price, pnl in connection.execute(query):
        bought = Decimal(qty) if side == "buy" else -Decimal(qty)
        held[position_id] += bought
        paid[position_id] += bought * Decimal(price)
        profits[position_id] += Decimal(pnl)
    query = "SELECT id, side, qty, entry_cost, realized_pnl, state FROM positions"
    for position_id, side, qty, cost, profit, state in connection.execute(query):
        sign = 1 if side == "buy" else -1
        signed = sign * Decimal(qty)
        if held.pop(position_id, Decimal(0)) != signed:
            yield f"position {position_id}: its deals do not make its quantity of {qty}"
        if profits[position_id] != Decimal(profit):
            yield f"position {position_id}: its deals do not make its profit of {profit}"
        # A trade that takes from it takes its value less what it has won: that is exact.
        if paid[position_id] + profits[position_id] != sign * Decimal(cost):
            yield f"position {position_id}: its deals do not make its cost of {cost}"
        if (state in OPEN_STATES) != bool(signed):
            yield f"position {position_id}: its quantity is {qty}, and it is {state}"
    for position_id in held:
        yield f"position {position_id}: there are deals of it, but no position"


def _events(connection: sqlite3.Connection) -> Iterator[str]:
    missing: Counter[int] = Counter()
    if has_table(connection, "events"):  # until version 7
        query = "SELECT account_id, max(seq) - min(seq) + 1 - count(*) FROM events GROUP BY account_id"
        missing.update(dict(connection.execute(query).fetchall()))
    if has_table(connection, "outbox"):
        missing.update(_missing(connection))
    for account_id, count in missing.items():
        if count:
            yield f"account {account_id}: {count} events are missing in the middle"


def _missing(connection: sqlite3.Connection) -> dict[int, int]:
    """How many events of each account are not where they should be."""
    missing: Counter[int] = Counter()
    following: dict[int, int] = {}
    query = "SELECT entry_id, account_id, first_seq, last_seq FROM outbox ORDER BY entry_id, account_id"
    # By entry: to read one anew for each of its accounts would take for ever.
    for entry_id, spans in groupby(connection.execute(query), key=itemgetter(0)):
        entry = connection.execute("SELECT changes FROM journal WHERE id = ?", (entry_id,)).fetchone()
        found = _numbers(entry)
        for _, account_id, first, last in spans:
            wanted = range(following.get(account_id, first), last + 1)
            following[account_id] = last + 1
            missing[account_id] += len(wanted) - len(found[account_id].intersection(wanted))
    return missing


def _numbers(entry: tuple[bytes] | None) -> defaultdict[int, set[int]]:
    """Of the events of each account in an entry; none where it is not there, or cannot be read."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    with suppress(ValueError):
        for account_id, seq in numbers_in(loads(entry[0])) if entry else ():
            found[account_id].add(seq)
    return found


def _counts(connection: sqlite3.Connection) -> Iterator[str]:
    if not has_table(connection, "counts"):
        return
    for table in wrong(connection.execute):
        yield f"{table}: how many there are is not what is kept of it"


def backup(path: Path, target: Path) -> None:
    """Copy a file as it is at one moment, also while a server writes to it. Keys are part of it.

    Events of the copy are of another history: from here on the two may go different ways, and a client
    that has seen events of the one must not go on with those of the other.

    :param target: must not exist; it appears when the copy is whole
    :raises StoreError: it exists, or cannot be written; nothing is left behind
    :raises StoreUnusable: `path` is not a file of an OMS, or `target` not the path of a file
    """
    refuse_other_names(target)
    if target.exists():
        raise StoreError(f"{target} exists already")
    # A name of its own: another backup to the same place may be on its way, or was killed on it.
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
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
        _put(part, target)
    except (OSError, sqlite3.Error, ValueError) as error:
        raise StoreError(f"{target} was not written: {error}") from error


def _put(part: Path, target: Path) -> None:
    """Give a whole copy its name, and never take the place of a file that came meanwhile, as a rename would.

    :raises OSError: there is such a file
    """
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # a stick or a share may know no second name of a file
        os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
        try:
            part.replace(target)
        except OSError:
            target.unlink()
            raise


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that does not change the file.

    :raises StoreUnusable: it is not a file of an OMS, or cannot be read at all
    """
    refuse_other_names(path)
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
