"""Writes the orders of a file that are not yet there, all in one transaction."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from billing.importing.errors import BadRowsError, ImportFileError
from billing.importing.reader import FileContent
from billing.services.history import history_create
from orders.models import Order
from orders.services import order_numbers_take
from restaurant.db import atomic
from restaurant.profiles.selectors import profile_get
from restaurant.profiles.services import profile_create


class ImportResult(NamedTuple):
    """How many orders were written, how many were there before, and whether the organisation is new."""

    imported: int
    known: int
    is_new_org: bool


def content_import(
    *,
    org_id: str,
    content: FileContent,
    skip_bad: bool = False,
    advance: Callable[[int], object] | None = None,
    using: str | None = None,
) -> ImportResult:
    """Write the orders of `content`, oldest first, as paid history of the organisation, which is made if need be.

    Orders imported before, known by their number in the file, are left as they are. Without `skip_bad` nothing is
    written when there are problems. `advance` is told how many orders are done with. Raises BadRowsError,
    ImportFileError when there is no order to import, and ValidationError when `org_id` is no possible name.
    """
    if content.problems and not skip_bad:
        raise BadRowsError(content.problems)
    if not content.orders:
        raise ImportFileError("There is no usable order in the file; nothing was imported.")
    with atomic(using):
        is_new_org = profile_get(org_id=org_id, using=using) is None
        if is_new_org:
            profile_create(org_id=org_id, fields={"name": org_id}, using=using)
        # Taking no number at all still takes the lock, so that of two imports at once the later one sees the other's.
        order_numbers_take(org_id=org_id, count=0, using=using)
        refs = Order.objects.using(using).filter(org_id=org_id, external_ref__isnull=False).order_by()
        known = set(refs.values_list("external_ref", flat=True))
        orders = [order for order in content.orders if order.external_ref not in known]
        if advance is not None:
            advance(len(content.orders) - len(orders))
        orders.sort(key=lambda order: order.placed_at)
        with _frozen():
            imported = history_create(org_id=org_id, orders=orders, advance=advance, using=using)
    return ImportResult(imported, len(content.orders) - imported, is_new_org)


@contextmanager
def _frozen() -> Iterator[None]:
    """Spare the garbage collector what was read so far: walking through it over and over took a fifth of the time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
