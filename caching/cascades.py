"""Receivers for what Django changes without a signal of its own: children of deleted rows, many-to-many tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import permutations
from typing import Any

from django.apps import apps
from django.db.models import CASCADE, PROTECT, RESTRICT, ForeignKey, Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.db.models.signals import m2m_changed, post_delete, pre_delete

from caching.dependencies import DependencyMap, concrete
from caching.querysets import CachedQuerySet, is_versioned, random_version
from caching.registry import registry
from caching.rows import batches, note_rows, stored_rows
from caching.transactions import in_transaction

__all__ = ["connect_cascades", "connect_relations"]

_CHILDREN = "_caching_children"

#: A model that regions depend on, and a foreign key of its rows.
_Child = tuple[type[Model], "ForeignKey[Any, Any]"]


def connect_cascades() -> None:
    """Listen to the models whose deletion changes rows that regions depend on, and tells nobody."""
    parents = _silent_children(registry.dependencies)
    for model in apps.get_models():
        if concrete(model) in parents:
            pre_delete.connect(_before_delete, sender=model, dispatch_uid="caching.children")
            post_delete.connect(_after_delete, sender=model, dispatch_uid="caching.children")


def connect_relations() -> None:
    """Listen to the many-to-many tables that regions depend on, but for those whose query sets note their writes."""
    for model in apps.get_models(include_auto_created=True):
        if registry.dependencies.of(model) and not _notes_writes(model._default_manager):
            m2m_changed.connect(_on_relation, sender=model, dispatch_uid="caching")


def _notes_writes(manager: Any) -> bool:
    return isinstance(manager.none(), CachedQuerySet)


# --- deleted parents --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _silent_children(dependencies: DependencyMap) -> dict[type[Model], list[_Child]]:
    children: dict[type[Model], list[_Child]] = {}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.proxy or not dependencies.of(model):
            continue
        for field in _foreign_keys(model):
            if _is_silent(field):
                children.setdefault(concrete(field.remote_field.model), []).append((model, field))
    return children


def _foreign_keys(model: type[Model]) -> list[ForeignKey[Any, Any]]:
    # An inherited one lies in another table, on which a region depends by itself: check caching.W005 sees to that.
    return [field for field in model._meta.local_concrete_fields if isinstance(field, ForeignKey)]


def _is_silent(field: ForeignKey[Any, Any]) -> bool:
    on_delete = field.remote_field.on_delete
    if on_delete is CASCADE:
        # Django sends signals for each row that goes with its parent, but for tables of its own making.
        return bool(field.model._meta.auto_created)
    if on_delete in (PROTECT, RESTRICT):
        return False
    # Some of what is left, SET_NULL for one, is an update() by a query set of the base manager, which may note it.
    return not (getattr(on_delete, "lazy_sub_objs", False) and _notes_writes(field.model._base_manager))


def _before_delete(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    found = []
    for model, field in _silent_children(registry.dependencies).get(concrete(sender), ()):
        pks = _pks(model, using, **{field.attname: _value(field, instance)})
        _note(model, pks, using)
        found.append((model, pks))
    instance.__dict__[_CHILDREN] = found


def _after_delete(instance: Model, using: str, **_: Any) -> None:
    for model, pks in instance.__dict__.pop(_CHILDREN, ()):
        for some in batches(pks) if is_versioned(model) else ():
            # The plain query set: lists must see another version, and the next line notes more than an update would.
            QuerySet(model, using=using).filter(pk__in=some).update(version=random_version())
        _note(model, pks, using)


# --- many-to-many tables ----------------------------------------------------------------------------------------------


def _on_relation(
    sender: type[Model],
    instance: Model,
    action: str,
    model: type[Model],
    pk_set: set[Any] | None,
    using: str,
    **_: Any,
) -> None:
    # What goes is noted while it stands, what comes when it does: inside the transaction that Django opens for both.
    if action not in ("pre_remove", "pre_clear", "post_add"):
        return
    # Either way round: a symmetrical relation has two rows, and one signal.
    for near, far in permutations(_foreign_keys(sender), 2):
        if _points_at(near, type(instance)) and _points_at(far, model):
            here = _value(near, instance)
            for condition in _conditions(near, here, far, pk_set):
                pks = _pks(sender, using, **condition)
                _note(sender, pks, using)
                if action == "post_add" and _points_at(far, type(instance)):
                    _note_mirrored(sender, near, far, pks, using)


def _conditions(
    near: ForeignKey[Any, Any], here: Any, far: ForeignKey[Any, Any], pk_set: set[Any] | None
) -> Iterator[dict[str, Any]]:
    if pk_set is None:
        yield {near.attname: here}
    else:
        yield from ({near.attname: here, f"{far.attname}__in": some} for some in batches(list(pk_set)))


def _note_mirrored(
    through: type[Model], near: ForeignKey[Any, Any], far: ForeignKey[Any, Any], pks: list[Any], alias: str
) -> None:
    # The second row of a symmetrical relation is inserted after the signal: its keys are read from the first, as if
    # its two ends were exchanged.
    swapped = {near.name: far.name, near.attname: far.attname, far.name: near.name, far.attname: near.attname}
    paths = [path.partition(LOOKUP_SEP) for path in registry.dependencies.paths(through)]
    mirrored = ["".join((swapped.get(first, first), *rest)) for first, *rest in paths]
    rows = through._base_manager.using(alias).filter(pk__in=pks).order_by().values_list(*mirrored)
    names = ["".join(path) for path in paths]
    note_rows(through, (dict(zip(names, row, strict=True)) for row in rows), alias)


def _points_at(field: ForeignKey[Any, Any], model: type[Model]) -> bool:
    return issubclass(model, concrete(field.remote_field.model))


# ----------------------------------------------------------------------------------------------------------------------


def _value(field: ForeignKey[Any, Any], parent: Model) -> Any:
    # What the column holds when it points at this parent: not always the primary key.
    return getattr(parent, field.target_field.attname)


def _pks(model: type[Model], alias: str, **condition: Any) -> list[Any]:
    return list(model._base_manager.using(alias).filter(**condition).order_by().values_list("pk", flat=True))


def _note(model: type[Model], pks: list[Any], alias: str) -> None:
    for some in batches(pks):
        note_rows(model, stored_rows(model, some, alias, lock=in_transaction(alias)), alias)
