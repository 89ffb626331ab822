"""Removes a whole organisation, the only case in which rows of the books are deleted."""

from billing.models import Bill, Customer, LedgerEntry, Payment
from orders.models import MenuItem, Order, OrderLine, OrderSequence
from restaurant.db import atomic, retry_when_busy
from restaurant.profiles.models import BusinessProfile, Membership


@retry_when_busy
def organisation_delete(*, org_id: str, using: str | None = None) -> int:
    """Delete the organisation and every row that belongs to it; return how many rows there were.

    Irreversible, and nothing is left of its books; meant for scratch and demo organisations. Users stay. An
    organisation that does not exist is none the less gone: 0.
    """
    removed = 0
    with atomic(using):
        # Children before what protects them.
        for model in (LedgerEntry, Payment, Bill, Customer, OrderLine, Order, OrderSequence, MenuItem, Membership):
            removed += model._default_manager.using(using).filter(org_id=org_id).delete()[0]
        removed += BusinessProfile.objects.using(using).filter(pk=org_id).delete()[0]
    return removed
