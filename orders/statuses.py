"""The life of an order: its statuses and, in one table, every move allowed between them."""

from types import MappingProxyType
from typing import Final

from django.db import models


class Status(models.TextChoices):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    PREPARING = "preparing"
    READY = "ready"
    SERVED = "served"
    PAID = "paid"
    CANCELLED = "cancelled"


MOVES: Final = MappingProxyType(
    {
        Status.PENDING: (Status.CONFIRMED, Status.CANCELLED),
        Status.CONFIRMED: (Status.PREPARING, Status.CANCELLED),
        Status.PREPARING: (Status.READY, Status.CANCELLED),
        # A takeaway is often paid over the counter, which is also when it is handed over.
        Status.READY: (Status.SERVED, Status.PAID, Status.CANCELLED),
        Status.SERVED: (Status.PAID,),
        Status.PAID: (),
        Status.CANCELLED: (),
    }
)
"""Every allowed move. The move to `paid` is made by paying the order in full, never by asking for it."""

ACTIVE: Final = tuple(status for status, moves in MOVES.items() if moves)
"""Statuses of orders the restaurant still has to do something about."""

PAYABLE: Final = tuple(status for status, moves in MOVES.items() if Status.PAID in moves)
"""Statuses in which an order can be billed and paid."""


def moves_by_hand(status: str) -> tuple[Status, ...]:
    """Return the statuses staff may move an order to from `status`: all allowed moves but the one to `paid`."""
    return tuple(move for move in MOVES[Status(status)] if move is not Status.PAID)
