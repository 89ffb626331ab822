"""The order of all commits on SQLite, kept by triggers of the scratch database itself.

The triggers run in the writer's own transaction, and SQLite has one writer at a time: numbers rise in the order of
the commits, and what is rolled back is not in the log.
"""

from __future__ import annotations

from string import Template

from django.db import connection

from orders.statuses import ACTIVE
from tests.prove.history import Commit

__all__ = ["commits_all", "commits_forget", "create", "seq_last", "seq_of"]

_TABLE = """
CREATE TABLE prove_commits (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, token TEXT NOT NULL,
    lists TEXT NOT NULL DEFAULT '', mark TEXT NOT NULL
)
"""
_INDEX = "CREATE INDEX prove_commits_mark ON prove_commits (mark)"

_PROFILE = """
INSERT INTO prove_commits (key, token, mark) VALUES ('profile/' || NEW.org_id, NEW.legal_name, NEW.legal_name);
"""

_ACTIVE = ", ".join(f"'{status}'" for status in ACTIVE)

_COST = """
printf('%.2f', coalesce((SELECT sum(l.quantity * l.unit_price) FROM orders_orderline l WHERE l.order_id = o.id), 0))
"""

# Whatever changes an order may change what it costs, and only its lines what its bill comes to.
_ORDER = f"""
INSERT INTO prove_commits (key, token, lists, mark)
SELECT 'order/' || o.org_id || '/' || o.id,
       o.version || '+' || (SELECT count(*) FROM orders_orderline l WHERE l.order_id = o.id) || '+' || {_COST},
       'page/' || o.org_id || ' status/' || o.org_id || '/' || o.status
       || CASE WHEN o.status IN ({_ACTIVE}) THEN ' active/' || o.org_id ELSE '' END, $mark
FROM orders_order o WHERE o.id = $order;
"""  # noqa: S608 - made of constants

_BILL = f"""
INSERT INTO prove_commits (key, token, mark)
SELECT 'bill/' || o.org_id || '/' || o.id, {_COST}, $mark FROM orders_order o WHERE o.id = $order;
"""  # noqa: S608 - the same

_CUSTOMER = """
INSERT INTO prove_commits (key, token, mark) VALUES ('balance/' || NEW.org_id || '/' || NEW.phone, '0.00', '');
"""

_BALANCE = """
INSERT INTO prove_commits (key, token, mark)
SELECT 'balance/' || c.org_id || '/' || c.phone,
       printf('%.2f', (SELECT sum(amount) FROM billing_ledgerentry e WHERE e.customer_id = c.id)), NEW.idempotency_key
FROM billing_customer c WHERE c.id = NEW.customer_id;
"""

_SUMMARY = """
INSERT INTO prove_commits (key, token, mark)
SELECT 'summary/' || NEW.org_id || '/' || NEW.received_on, printf('%.2f', sum(p.amount)), NEW.idempotency_key
FROM billing_payment p WHERE p.org_id = NEW.org_id AND p.received_on = NEW.received_on;
"""


def _filled(body: str, **names: str) -> str:
    return Template(body).substitute(names)


_TRIGGERS = {
    "INSERT ON profiles_businessprofile": _PROFILE,
    "UPDATE ON profiles_businessprofile": _PROFILE,
    "INSERT ON orders_order": _filled(_ORDER + _BILL, mark="NEW.notes", order="NEW.id"),
    "UPDATE ON orders_order": _filled(_ORDER, mark="NEW.notes", order="NEW.id"),
    "INSERT ON orders_orderline": _filled(_ORDER + _BILL, mark="NEW.item_name", order="NEW.order_id"),
    "UPDATE ON orders_orderline": _filled(_ORDER + _BILL, mark="NEW.item_name", order="NEW.order_id"),
    "INSERT ON billing_customer": _CUSTOMER,
    "INSERT ON billing_ledgerentry": _BALANCE,
    "INSERT ON billing_payment": _SUMMARY,
}


def create() -> None:
    """Create the log and its triggers."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLE)
        cursor.execute(_INDEX)
        for number, (event, body) in enumerate(_TRIGGERS.items()):
            cursor.execute(f"CREATE TRIGGER prove_{number} AFTER {event} BEGIN {body} END")


def seq_last() -> int:
    """Return the number of the newest commit that this thread's connection can see."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = 'prove_commits'")
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def seq_of(mark: str) -> int | None:
    """Return the number of the newest commit that wrote `mark`, None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(seq) FROM prove_commits WHERE mark = %s", [mark])
        return cursor.fetchone()[0]


def commits_all() -> list[Commit]:
    """Return the whole log, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq, key, token, lists, mark FROM prove_commits ORDER BY seq")
        return [
            Commit(seq, key, token, tuple(lists.split()), mark) for seq, key, token, lists, mark in cursor.fetchall()
        ]


def commits_forget() -> None:
    """Drop from the log all but the newest commit of each value."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM prove_commits WHERE seq NOT IN (SELECT max(seq) FROM prove_commits GROUP BY key)")
