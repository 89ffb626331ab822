"""Writes the orders of a file that are not yet there, some hundred in each transaction."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from billing.importing.errors import BadRowsError, ImportFileError
from billing.importing.reader import FileContent
from billing.services.history import HistoricOrder, history_create
from orders.models import Order
from orders.services import order_numbers_take
from restaurant.db import atomic, retry_when_busy
from restaurant.profiles.selectors import profile_get
from restaurant.profiles.services import profile_create

# Orders of one transaction: MongoDB keeps what a transaction changes in memory, and ends it after a minute.
_AT_ONCE: Final = 500


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

    Orders imported before, known by their number in the file, are left as they are: an import that was interrupted has
    written whole orders, and the next one writes the rest. Without `skip_bad` nothing is written when there are
    problems. `advance` is told how many orders are done with. Raises BadRowsError,
    ImportFileError when there is no order to import, and ValidationError when `org_id` is no possible name.
    """
    if content.problems and not skip_bad:
        raise BadRowsError(content.problems)
    if not content.orders:
        raise ImportFileError("There is no usable order in the file; nothing was imported.")
    is_new_org = profile_get(org_id=org_id, using=using) is None
    if is_new_org:
        profile_create(org_id=org_id, fields={"name": org_id}, using=using)
    orders = sorted(_unknown(org_id, content.orders, using), key=lambda order: order.placed_at)
    if advance is not None:
        advance(len(content.orders) - len(orders))
    imported = 0
    with _frozen():
        for start in range(0, len(orders), _AT_ONCE):
            some = orders[start : start + _AT_ONCE]
            imported += _write(org_id, some, using=using)
            if advance is not None:
                advance(len(some))
    return ImportResult(imported, len(content.orders) - imported, is_new_org)


@retry_when_busy
def _write(org_id: str, orders: Sequence[HistoricOrder], *, using: str | None) -> int:
    with atomic(using):
        # Taking no number at all still takes the lock, so that of two imports at once the later one sees the other's.
        order_numbers_take(org_id=org_id, count=0, using=using)
        return history_create(org_id=org_id, orders=_unknown(org_id, orders, using), using=using)


def _unknown(org_id: str, orders: Sequence[HistoricOrder], using: str | None) -> list[HistoricOrder]:
    refs = [order.external_ref for order in orders]
    known = Order.objects.using(using).filter(org_id=org_id, external_ref__isnull=False).order_by()
    if len(refs) <= _AT_ONCE:
        known = known.filter(external_ref__in=refs)
    there = set(known.values_list("external_ref", flat=True))
    return [order for order in orders if order.external_ref not in there]


@contextmanager
def _frozen() -> Iterator[None]:
    """Spare the garbage collector what was read so far: walking through it over and over took a fifth of the time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
