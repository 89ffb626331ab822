"""PostgreSQL: triggers that tell of each write by NOTIFY, and the connection that listens."""

from __future__ import annotations

import json
import selectors
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Final

import msgspec
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from caching.around.changes import Change
from caching.around.follower import State, Told
from caching.around.tables import Followed, followed_tables
from caching.conf import conf
from caching.errors import CachingError

__all__ = ["Listener", "install", "remove", "source", "states"]

# A foreign server that vanishes is missed within about 10 seconds, not hours.
_KEEPALIVES: Final = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}

# A payload is shorter than 8000 bytes. What is longer tells of the table alone.
_BODY: Final = """
DECLARE
    was jsonb;
    now jsonb;
    message jsonb := jsonb_build_object('table', TG_ARGV[1], 'version', TG_ARGV[2]);
    told jsonb := message;
BEGIN
    IF TG_OP <> 'TRUNCATE' THEN
        IF TG_OP <> 'INSERT' THEN
            was := to_jsonb(OLD);
            message := message || jsonb_build_object('old', (
                SELECT jsonb_object_agg(name, was -> name) FROM jsonb_array_elements_text(TG_ARGV[3]::jsonb) AS name));
        END IF;
        IF TG_OP <> 'DELETE' THEN
            now := to_jsonb(NEW);
            message := message || jsonb_build_object('new', (
                SELECT jsonb_object_agg(name, now -> name) FROM jsonb_array_elements_text(TG_ARGV[3]::jsonb) AS name));
        END IF;
        IF TG_OP = 'UPDATE' THEN
            message := message || jsonb_build_object('changed', (
                SELECT coalesce(jsonb_agg(name), '[]') FROM jsonb_array_elements_text(TG_ARGV[4]::jsonb) AS name
                WHERE was -> name IS DISTINCT FROM now -> name));
        END IF;
        IF octet_length(message::text) < 8000 THEN
            told := message;
        END IF;
    END IF;
    PERFORM pg_notify(TG_ARGV[0], told::text);
    RETURN NULL;
END
"""

# Copies that a partitioned table's trigger has at its partitions are not counted.
_INSTALLED: Final = """
SELECT c.relname, t.tgname, t.tgargs, t.tgenabled, p.prosrc
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE t.tgname = ANY(%s) AND t.tgparentid = 0 AND pg_table_is_visible(c.oid)
"""


class _Message(msgspec.Struct):
    table: str
    version: str
    old: dict[str, Any] | None = None
    new: dict[str, Any] | None = None
    changed: frozenset[str] = frozenset()


_decoder = msgspec.json.Decoder(_Message)


def _name() -> str:
    # Projects that share a database have prefixes of their own.
    return "caching_" + blake2b(conf.PREFIX.encode(), digest_size=6).hexdigest()


def _triggers() -> tuple[str, str]:
    return f"{_name()}_row", f"{_name()}_truncate"


def _version(table: Followed) -> str:
    text = repr((table.table, table.told, table.watched, _BODY))
    return blake2b(text.encode(), digest_size=6).hexdigest()


def _arguments(table: Followed) -> list[str]:
    return [_name(), table.table, _version(table), json.dumps(table.told), json.dumps(table.watched)]


# --- triggers ---------------------------------------------------------------------------------------------------------


def states(alias: str) -> dict[str, State]:
    """Return, for each table that is followed, whether its triggers tell what this release needs."""
    found = {(table, name): rest for table, name, *rest in _installed(alias)}
    return {table.table: _state(table, found) for table in followed_tables(alias).values()}


def _state(table: Followed, found: dict[tuple[str, str], list[Any]]) -> State:
    triggers = [found.get((table.table, name)) for name in _triggers()]
    if triggers == [None, None]:
        return "missing"
    arguments = "".join(f"{each}\0" for each in _arguments(table)).encode()
    current = all(each and (bytes(each[0]), each[2]) == (arguments, _BODY) and each[1] in "OA" for each in triggers)
    return "installed" if current else "outdated"


def install(alias: str) -> list[str]:
    """Make the triggers, or make them anew, in one transaction; returns the tables. Doing it twice does no harm.

    Triggers of tables that regions do not depend on any more go. Raises what the database raises.
    """
    sql = _sql(alias)
    tables = followed_tables(alias)
    row, truncate = map(sql.Identifier, _triggers())
    function = sql.Identifier(_name())
    with transaction.atomic(alias):
        _drop_triggers(alias, but=set(tables))
        make = "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS {}"
        _execute(alias, sql.SQL(make).format(function, sql.Literal(_BODY)))
        for each in tables.values():
            arguments = sql.SQL(", ").join(map(sql.Literal, _arguments(each)))
            for name, when in ((row, "INSERT OR UPDATE OR DELETE"), (truncate, "TRUNCATE")):
                per = "ROW" if name is row else "STATEMENT"
                make = f"CREATE OR REPLACE TRIGGER {{}} AFTER {when} ON {{}} FOR EACH {per} EXECUTE FUNCTION {{}}({{}})"
                _execute(alias, sql.SQL(make).format(name, sql.Identifier(each.table), function, arguments))
    return list(tables)


def remove(alias: str) -> list[str]:
    """Take away all triggers and their function; returns the tables that had some."""
    sql = _sql(alias)
    with transaction.atomic(alias):
        tables = _drop_triggers(alias)
        _execute(alias, sql.SQL("DROP FUNCTION IF EXISTS {}()").format(sql.Identifier(_name())))
    return tables


def source(alias: str) -> Listener:
    """Return what tells of writes."""
    return Listener(alias)


def _drop_triggers(alias: str, but: set[str] | None = None) -> list[str]:
    sql = _sql(alias)
    tables = set()
    for table, name, *_ in list(_installed(alias)):
        if table not in (but or ()):
            drop = sql.SQL("DROP TRIGGER {} ON {}").format(sql.Identifier(name), sql.Identifier(table))
            _execute(alias, drop)
            tables.add(table)
    return sorted(tables)


def _installed(alias: str) -> Iterator[Any]:
    _sql(alias)
    with connections[alias].cursor() as cursor:
        cursor.execute(_INSTALLED, [list(_triggers())])
        yield from cursor.fetchall()


def _execute(alias: str, statement: Any) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)


def _sql(alias: str) -> Any:
    """Return psycopg's way to quote; raises `CachingError` where it is not the driver."""
    if connections[alias].vendor == "postgresql":
        with suppress(ImportError):
            from psycopg import sql

            return sql
    raise CachingError(
        f"Writes around Django can be followed in PostgreSQL with psycopg 3, which does not reach {alias!r}. Install "
        "requirements-postgresql.txt, or name another database with --database."
    )


# --- listening --------------------------------------------------------------------------------------------------------


class Listener:
    """A source: one connection of its own, which listens. What is told while nobody listens is lost."""

    def __init__(self, alias: str) -> None:
        self._sql = _sql(alias)
        self._alias = alias
        self._connection: BaseDatabaseWrapper | None = None
        self._payloads: list[str] = []
        self._tables = followed_tables(alias)

    def open(self) -> bool:
        """Listen; returns False, for nobody knows what was written before. Raises `CachingError` behind a pooler."""
        self.close()
        connection = connections[self._alias].copy()
        options = connection.settings_dict["OPTIONS"]
        options.pop("pool", None)
        connection.settings_dict["OPTIONS"] = {**_KEEPALIVES, **options}
        self._connection = connection
        connection.ensure_connection()
        driver: Any = connection.connection
        driver.add_notify_handler(lambda notification: self._payloads.append(notification.payload))
        with connection.cursor() as cursor:
            cursor.execute(self._sql.SQL("LISTEN {}").format(self._sql.Identifier(_name())))
            cursor.execute("SELECT pg_backend_pid()")
            # Whoever gives each transaction another session takes LISTEN all the same, and passes nothing on.
            if cursor.fetchone() != (driver.info.backend_pid,):
                raise CachingError(
                    f"There is a pooler before the database {self._alias!r}, and writes are told to sessions that "
                    "last: give follow_writes a DATABASE_URL that leads to the server itself."
                )
        return False

    def wait(self, seconds: float) -> Sequence[Told]:
        """Return what was told. A server that is gone is noticed, too: it is asked something each time."""
        connection = self._connection
        if connection is None or connection.connection is None:
            raise DatabaseError("The connection that listens is closed.")
        if not self._payloads:
            with connection.wrap_database_errors, selectors.DefaultSelector() as selector:
                selector.register(connection.connection.fileno(), selectors.EVENT_READ)
                selector.select(seconds)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        payloads, self._payloads = self._payloads, []
        return [_told(payload, self._tables) for payload in payloads]

    def handled(self, *, told: bool) -> None:
        """Nothing is kept: PostgreSQL tells nothing twice."""

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self._payloads = []
        if connection is not None:
            connection.close()


def _told(payload: str, tables: dict[str, Followed]) -> Told:
    try:
        message = _decoder.decode(payload)
    except msgspec.DecodeError:
        # Everybody who signs in to the database can notify; a needless clear is all it may bring about.
        return Told(None)
    table = tables.get(message.table)
    is_row = message.old is not None or message.new is not None
    if table is None or message.version != _version(table) or not is_row:
        # Triggers of another release watch other columns.
        return Told(message.table)
    return Told(message.table, Change(message.old, message.new, message.changed))
