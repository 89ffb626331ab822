"""What a replay of policies cannot do without."""

from __future__ import annotations

__all__ = ["NoOrders"]


class NoOrders(Exception):
    """There is no file of orders, or nothing in it of the days that were asked for; the text says what to do."""
