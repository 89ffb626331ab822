"""The order of all commits on MongoDB: its change stream has every transaction, in order, whoever wrote it.

The server numbers its commits itself, by cluster time, and knows nothing of writers that forget or get it wrong; what
is rolled back is not in the stream. What a reader sees of a value is reckoned from the rows, which are followed here
from the first one on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from bson import Timestamp
from django.db import connection
from pymongo import MongoClient
from pymongo.read_concern import ReadConcern

from caching.mongodb.compiler import LOCK
from orders.statuses import ACTIVE
from tests.prove.history import Commit

__all__ = ["commits_all", "commits_forget", "create", "seq_last", "seq_of"]

_PROFILES: Final = "profiles_businessprofile"
_ORDERS: Final = "orders_order"
_LINES: Final = "orders_orderline"
_CUSTOMERS: Final = "billing_customer"
_LEDGER: Final = "billing_ledgerentry"
_PAYMENTS: Final = "billing_payment"
# Of what a row is part: a value is reckoned from all rows of the same one.
_OWNERS: Final[dict[str, tuple[str, ...]]] = {
    _PROFILES: ("org_id",),
    _ORDERS: ("id",),
    _LINES: ("order_id",),
    _CUSTOMERS: ("id",),
    _LEDGER: ("customer_id",),
    _PAYMENTS: ("org_id", "received_on"),
}
_FENCES: Final = "prove_fences"


def _seq(time: Timestamp) -> int:
    return (time.time << 32) | time.inc


def seq_last() -> int:
    """Return the number of the newest commit that reads of this server can see."""
    connection.ensure_connection()
    log = connection.connection.local.get_collection("oplog.rs", read_concern=ReadConcern("majority"))
    return _seq(log.find_one({}, {"ts": 1}, sort=[("$natural", -1)])["ts"])


def seq_of(mark: str) -> None:
    """Nobody knows without following the changes."""


class _Changes:
    """Follows this project's database from the moment at which it is made, whenever it is told to."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self._rows: dict[str, dict[tuple[Any, ...], dict[Any, Any]]] = {name: defaultdict(dict) for name in _OWNERS}
        self._owners: dict[str, dict[Any, tuple[Any, ...]]] = defaultdict(dict)
        with self._database() as database:
            begin = database.client.admin.command("ping")["operationTime"]
        self._from: dict[str, Any] = {"start_at_operation_time": begin}

    def follow(self) -> None:
        """Add to `commits` those of this project's rows since the last time, oldest first."""
        with self._database() as database:
            changed = list(self._changed(database))
        for time, events in groupby(changed, key=lambda event: event["clusterTime"]):
            self.commits += self._commit(_seq(time), list(events))

    @contextmanager
    def _database(self) -> Iterator[Any]:
        # A connection for this once: who forks must have none.
        with MongoClient(connection.settings_dict["HOST"], w="majority") as client:
            yield client.get_default_database()

    def _changed(self, database: Any) -> Iterator[dict[str, Any]]:
        fence = database[_FENCES].insert_one({}).inserted_id
        ours: dict[str, Any] = {
            "ns.coll": {"$in": [*_OWNERS, _FENCES]},
            "operationType": {"$in": ["insert", "update", "replace", "delete"]},
        }
        with database.watch([{"$match": ours}], **self._from) as stream:
            for event in stream:
                self._from = {"resume_after": event["_id"]}
                if event["documentKey"]["_id"] == fence:
                    return
                if event["ns"]["coll"] != _FENCES:
                    yield event

    # --- rows and values ----------------------------------------------------------------------------------------------

    def _commit(self, seq: int, events: list[dict[str, Any]]) -> list[Commit]:
        # One of each value, with what the whole transaction made of it; several where it bears several marks.
        commits: dict[tuple[str, str], Commit] = {}
        for name, owner, row in [self._apply(event) for event in events if not _is_lock(event)]:
            for key, token, lists, mark in self._values(name, owner, row):
                commits[key, mark] = Commit(seq, key, token, lists, mark)
        return list(commits.values())

    def _apply(self, event: dict[str, Any]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        name, row_id = event["ns"]["coll"], event["documentKey"]["_id"]
        if event["operationType"] in ("insert", "replace"):
            row = event["fullDocument"]
            self._owners[name][row_id] = tuple(row[part] for part in _OWNERS[name])
        owner = self._owners[name][row_id]
        rows = self._rows[name][owner]
        if event["operationType"] == "delete":
            return name, owner, rows.pop(row_id)
        if event["operationType"] == "update":
            change = event["updateDescription"]
            kept = {part: value for part, value in rows[row_id].items() if part not in change["removedFields"]}
            row = kept | change["updatedFields"]
        rows[row_id] = row
        return name, owner, row

    def _values(
        self, name: str, owner: tuple[Any, ...], row: dict[str, Any]
    ) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
        """Yield key, token, lists and mark of each value that a row has to do with."""
        if name == _PROFILES:
            yield f"profile/{row['org_id']}", row["legal_name"], (), row["legal_name"]
        elif name in (_ORDERS, _LINES):
            yield from self._order(owner, row["notes"] if name == _ORDERS else row["item_name"])
        elif name in (_CUSTOMERS, _LEDGER):
            (customer,) = self._rows[_CUSTOMERS][owner].values()
            key = f"balance/{customer['org_id']}/{customer['phone']}"
            yield key, _sum(self._rows[_LEDGER][owner], "amount"), (), row.get("idempotency_key", "")
        else:
            day = f"summary/{row['org_id']}/{row['received_on'].date().isoformat()}"
            yield day, _sum(self._rows[_PAYMENTS][owner], "amount"), (), row["idempotency_key"]

    def _order(self, owner: tuple[Any, ...], mark: str) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
        (order,), lines = self._rows[_ORDERS][owner].values(), self._rows[_LINES][owner]
        org, own = order["org_id"], f"{order['org_id']}/{order['id']}"
        cost = sum((line["quantity"] * line["unit_price"].to_decimal() for line in lines.values()), Decimal(0))
        active = (f"active/{org}",) if order["status"] in ACTIVE else ()
        lists = (f"page/{org}", f"status/{org}/{order['status']}", *active)
        yield f"order/{own}", f"{order['version']}+{len(lines)}+{cost:.2f}", lists, mark
        yield f"bill/{own}", f"{cost:.2f}", (), mark


_followed: list[_Changes] = []


def create() -> None:
    """Follow what is written from now on."""
    _followed[:] = [_Changes()]


def commits_all() -> list[Commit]:
    """Return the whole log, oldest first; in the process that follows."""
    _followed[0].follow()
    return list(_followed[0].commits)


def commits_forget() -> None:
    """Drop from the log all but the newest commit of each value."""
    newest = {commit.key: commit for commit in commits_all()}
    _followed[0].commits = sorted(newest.values(), key=lambda commit: commit.seq)


def _is_lock(event: dict[str, Any]) -> bool:
    change = event.get("updateDescription")
    return change is not None and set(change["updatedFields"]) == {LOCK} and not change["removedFields"]


def _sum(rows: dict[Any, dict[str, Any]], amount: str) -> str:
    return f"{sum((row[amount].to_decimal() for row in rows.values()), Decimal(0)):.2f}"
