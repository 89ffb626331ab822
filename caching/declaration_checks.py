"""System checks of what `cached.py` modules declare: a wrong declaration would serve stale values without a word."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db.models import Model

from caching.dependencies import On, concrete, sees_writes_of
from caching.paths import Crossing, column_of, crossings
from caching.querysets import CachedQuerySet
from caching.regions import Region
from caching.registry import registry

__all__ = ["check_declarations"]


@register(Tags.caches)
def check_declarations(**_: Any) -> list[CheckMessage]:
    """Check every region: its loader's arguments, and that its `On`s lead from the changed model to the keys."""
    return [message for region in registry.regions.values() for message in _region(region)]


def _region(region: Region[Any]) -> Iterator[CheckMessage]:
    loader = region.loader
    arguments = inspect.signature(loader).parameters
    if "using" not in arguments and not any(each.kind is each.VAR_KEYWORD for each in arguments.values()):
        yield Error(
            f"Region {region.name!r}: its loader does not take `using`.",
            hint="Add `*, using: str`, the alias of the database to read.",
            obj=loader,
            id="caching.E007",
        )
    yield from _fail_safe(region)
    yield from _lengths(region)
    for on in region.fresh_on:
        wrong = list(_paths(region, on))
        yield from wrong or _crossings(region, on)
        yield from _inherited(region, on)
        yield from _writes(region, on.model)


def _fail_safe(region: Region[Any]) -> Iterator[CheckMessage]:
    stale_for, soft_timeout = region.option("stale_for"), region.option("soft_timeout")
    if region.money and (stale_for or soft_timeout is not None):
        yield Error(
            f"Region {region.name!r} is money, and money is never served stale.",
            hint="Leave out stale_for and soft_timeout, in the region and in CACHING['REGIONS'].",
            obj=region.loader,
            id="caching.E010",
        )
    elif soft_timeout is not None and not stale_for:
        yield Error(
            f"Region {region.name!r} has a soft_timeout, but no stale_for: there would be nothing to serve then.",
            hint="Say with stale_for for how many seconds an expired value may stand in.",
            obj=region.loader,
            id="caching.E010",
        )


def _lengths(region: Region[Any]) -> Iterator[CheckMessage]:
    expected = region.parts_of_loader()
    for on in region.fresh_on:
        if on.parts is None:
            continue
        if expected is None:
            expected = len(on.parts)
        if len(on.parts) != expected:
            yield Error(
                f"Region {region.name!r}: a change of {on.model.__name__} names a key of {len(on.parts)} parts, "
                f"but its keys have {expected}.",
                hint="Give `parts` a path for each argument of the loader behind the organisation, or leave it out to "
                "make every key of the organisation stale.",
                obj=region.loader,
                id="caching.E008",
            )


def _paths(region: Region[Any], on: On) -> Iterator[CheckMessage]:
    for path in on.paths:
        try:
            on.model._base_manager.order_by().values(path).query.sql_with_params()
            found = path == "pk" or "__" in path or on.model._meta.get_field(path).attname == path  # type: ignore[union-attr]
        except (FieldDoesNotExist, FieldError, AttributeError):
            found = False
        if not found:
            yield Error(
                f"Region {region.name!r}: {on.model.__name__} has no column {path!r}.",
                hint="Name a column (`shop_id`, not `shop`) or a path of fields (`order__placed_on`).",
                obj=region.loader,
                id="caching.E009",
            )


def _crossings(region: Region[Any], on: On) -> Iterator[CheckMessage]:
    for index, path in enumerate((on.org, *(on.parts or ()))):
        for crossing in crossings(on.model, path):
            if not any(_covers(other, crossing, index) for other in region.fresh_on):
                other, column = crossing.model.__name__, crossing.column
                yield Warning(
                    f"Region {region.name!r}: {path!r} of {on.model.__name__} is read from {other}.{column}, and "
                    f"nothing says what goes stale when that changes.",
                    hint=f"Add On({other}, ...), with paths to the same keys, or without `parts` for all. If "
                    f"the column never changes, silence this check.",
                    obj=region.loader,
                    id="caching.W005",
                )


def _inherited(region: Region[Any], on: On) -> Iterator[CheckMessage]:
    for parent in concrete(on.model)._meta.get_parent_list():
        if not any(sees_writes_of(other, parent) for other in region.fresh_on):
            yield Warning(
                f"Region {region.name!r} depends on {on.model.__name__}, whose rows lie in the table of "
                f"{parent.__name__}, too, and nothing says what goes stale when that is written.",
                hint=f"Add On({parent.__name__}, ...), with paths to the same keys, or without `parts` for all.",
                obj=region.loader,
                id="caching.W005",
            )


def _covers(on: On, crossing: Crossing, index: int) -> bool:
    if not sees_writes_of(on, crossing.model):
        return False
    if index and on.parts is None:
        return True
    paths = (on.org, *(on.parts or ()))
    try:
        return index < len(paths) and column_of(crossing.model, paths[index]) == crossing.rest
    except FieldError:
        return False


def _writes(region: Region[Any], model: type[Model]) -> Iterator[CheckMessage]:
    managers = (model._default_manager, model._base_manager)
    # The table of a many-to-many relation has no manager of its author's; its relation's methods tell of their writes.
    if model._meta.auto_created:
        return
    if not all(issubclass(manager.none().__class__, CachedQuerySet) for manager in managers):
        yield Warning(
            f"Region {region.name!r} depends on {model.__name__}, whose manager notes no update() and bulk writes.",
            hint="Inherit caching.models.CachedModel, Meta included, and base managers on CachedQuerySet.",
            obj=model,
            id="caching.W004",
        )
