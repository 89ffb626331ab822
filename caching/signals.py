"""Receivers that note what a saved or deleted row makes stale."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import Model
from django.db.models.signals import post_save, pre_delete, pre_save

from caching.cascades import connect_cascades, connect_relations
from caching.models import CachedModel
from caching.querysets import CachedQuerySet
from caching.registry import registry
from caching.rows import note_rows, row_of, rows_of, stored_rows
from caching.transactions import wrap_connection

__all__ = ["connect", "connect_models"]

_BEFORE = "_caching_before"


def connect() -> None:
    """Wrap every connection as it is made, and those that exist."""
    connection_created.connect(_on_connection, dispatch_uid="caching")
    for connection in connections.all(initialized_only=True):
        wrap_connection(connection)


def connect_models() -> None:
    """Listen to the models that regions depend on, and to no other: a listener makes Django's deletes slower."""
    for model in apps.get_models():
        if registry.dependencies.of(model):
            pre_save.connect(_before_save, sender=model, dispatch_uid="caching")
            post_save.connect(_after_save, sender=model, dispatch_uid="caching")
            pre_delete.connect(_before_delete, sender=model, dispatch_uid="caching")
    connect_cascades()
    connect_relations()


def _on_connection(connection: BaseDatabaseWrapper, **_: Any) -> None:
    wrap_connection(connection)


def _may_exist(instance: Model, *, raw: bool) -> bool:
    # Django inserts, without trying to update, what is new and has a default primary key, unless it comes from a
    # fixture or update is forced: a CachedModel sees to that.
    has_default = instance._state.adding and instance._meta.pk.has_default()
    is_new = has_default and not raw and isinstance(instance, CachedModel)
    return instance.pk is not None and not is_new


def _before_save(sender: type[Model], instance: Model, using: str, raw: bool, **_: Any) -> None:
    # A row that moves makes its old key stale, too, and only the database knows that one for certain.
    # Locked, where a transaction is open: another writer may not change it between this look and our UPDATE.
    lock = connections[using].in_atomic_block
    rows = stored_rows(sender, [instance.pk], using, lock=lock) if _may_exist(instance, raw=raw) else []
    instance.__dict__[_BEFORE] = rows


def _after_save(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    before = instance.__dict__.pop(_BEFORE, [])
    after = list(rows_of([instance], using))
    changed = None
    if before and after:
        changed = frozenset(path for path, value in after[0].items() if before[0][path] != value)
    note_rows(sender, [*before, *after], using, changed=changed)


def _before_delete(sender: type[Model], instance: Model, using: str, origin: Any, **_: Any) -> None:
    row = row_of(instance)
    if row is None or origin is instance or not _is_as_collected(origin, using):
        lock = connections[using].in_atomic_block
        note_rows(sender, stored_rows(sender, [instance.pk], using, lock=lock), using)
    if row is not None:
        note_rows(sender, [row], using)


def _is_as_collected(origin: Any, using: str) -> bool:
    # Django reads what a query set or a cascade deletes some moments before it does, and a row may move in between:
    # not where writers exclude each other, if the reading was part of the transaction.
    return connections[using].vendor == "sqlite" and isinstance(origin, CachedModel | CachedQuerySet)
