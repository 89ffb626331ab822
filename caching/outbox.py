"""What Redis could not be told lies in the database, beside the rows that changed, until it has been told."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from django.apps import apps
from django.db import Error, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, Min, Model, Q, QuerySet
from django.db.models.sql import InsertQuery
from django.utils import timezone

from caching.conf import conf
from caching.logs import described, logger
from caching.marks import Item, Told, told, unmark
from caching.registry import registry

if TYPE_CHECKING:
    from caching.models import PendingInvalidation
    from caching.tiers.redis import RedisTier

__all__ = ["Outbox", "Waiting", "aliases", "insert"]

# Rows that Redis hears of in one round trip.
_BATCH: Final = 500


def _model() -> type[PendingInvalidation]:
    # This module is imported before the models may be.
    return apps.get_model("caching", "PendingInvalidation")


def aliases() -> list[str]:
    """Return the databases that may have an outbox."""
    return [alias for alias in connections if router.allow_migrate_model(alias, _model())]


def _is_composed(item: Item) -> bool:
    return item.region is not None and registry.get(item.region).is_composed


def insert(connection: BaseDatabaseWrapper, items: Iterable[Item], *, commit_id: str, writer: str) -> None:
    """Insert a row for each item, in whatever transaction the connection has open. Raises `django.db.Error`."""
    model, created = _model(), timezone.now()
    rows: list[Model] = []
    # Lists last, and in this order for sure: another host that hears of a list first would make it anew of an item of
    # whose change it has not heard, and keep it. By their ids, for not every database keeps microseconds.
    ordered = sorted(items, key=_is_composed)
    for id_, item in zip(sorted(uuid.uuid4() for _ in ordered), ordered, strict=True):
        kind, name = told(item)
        region = item.region or ""
        rows.append(
            model(
                id=id_,
                created=created,
                prefix=conf.PREFIX,
                kind=kind,
                name=name,
                region=region,
                commit_id=commit_id,
                writer=writer,
            )
        )
    fields = list(model._meta.concrete_fields)
    size = connection.ops.bulk_batch_size(fields, rows) or len(rows)
    for start in range(0, len(rows), size):
        # Not bulk_create: its `atomic` would meddle with a transaction that is just being committed, and `using=` might
        # be another connection than the one that commits.
        query = InsertQuery(model)
        query.insert_values(fields, rows[start : start + size])
        query.get_compiler(connection=connection).execute_sql()


class Waiting(NamedTuple):
    """How many rows wait in the outbox, and since when the oldest does (None: none waits)."""

    depth: int
    since: datetime | None


class Outbox:
    """The outbox of one database. Methods raise `django.db.Error`, as any query does.

    A database that has not got the table yet holds nothing.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        #: Rows delivered through this object.
        self.delivered = 0
        self._has_table = False
        self._complaint = ""

    def deliver(self, tier: RedisTier, *, after_each: Callable[[], object] | None = None) -> int:
        """Tell Redis of all that waits, the oldest first, and remove what it has heard; return how many rows.

        `after_each` is called after each of the batches in which that is done. Raises `RedisUnavailable`; what was not
        delivered then stays. What cannot be removed was delivered all the same (a relay of another host may just be
        removing it, or the database may be a replica), and is delivered again.
        """
        before = self.delivered
        rows = self._waiting_behind(None)
        while rows:
            tier.execute([unmark(Told(row.kind, row.name), row.commit_id) for row in rows], probe=True)
            self.delivered += len(rows)
            self._remove(rows)
            if after_each is not None:
                after_each()
            # A batch with room left had all that could be seen; what has come since may go on coming for ever.
            rows = self._waiting_behind(rows[-1]) if len(rows) == _BATCH else []
        return self.delivered - before

    def has_much(self) -> bool:
        """Whether more waits than one batch."""
        return self._table_exists() and self._ours().order_by()[_BATCH : _BATCH + 1].exists()

    def holds(self, writer: str, region: str) -> bool:
        """Whether something of the region waits that this writer inserted, or one of all regions."""
        return self._table_exists() and self._ours().filter(writer=writer, region__in=("", region)).exists()

    def waiting(self) -> Waiting:
        """Return how much waits, and since when."""
        if not self._table_exists():
            return Waiting(0, None)
        found = self._ours().aggregate(depth=Count("pk"), since=Min("created"))
        return Waiting(found["depth"], found["since"])

    def _ours(self) -> QuerySet[PendingInvalidation]:
        # Another project in the same database has a relay of its own.
        return _model().objects.using(self.alias).filter(prefix=conf.PREFIX)

    def _waiting_behind(self, last: PendingInvalidation | None) -> Sequence[PendingInvalidation]:
        if not self._table_exists():
            return []
        rows = self._ours().order_by("created", "id")
        if last is not None:
            # Not from the start: what cannot be removed would be met again and again.
            rows = rows.filter(Q(created__gt=last.created) | Q(created=last.created, id__gt=last.id))
        return list(rows[:_BATCH])

    def _remove(self, rows: Sequence[PendingInvalidation]) -> None:
        complaint = ""
        try:
            self._ours().filter(pk__in=[row.pk for row in rows]).delete()
        except Error as error:
            complaint = described(error)
        if complaint and complaint != self._complaint:
            logger.warning(
                "Delivered rows of the outbox of %(database)s could not be removed: %(error)s",
                {"database": self.alias, "error": complaint},
                extra={"event": "outbox_not_emptied"},
            )
        self._complaint = complaint

    def _table_exists(self) -> bool:
        if not self._has_table:
            table = _model()._meta.db_table
            self._has_table = table in connections[self.alias].introspection.table_names()
        return self._has_table
