"""What this engine can do that `django_mongodb_backend` cannot."""

from __future__ import annotations

from django_mongodb_backend import features

__all__ = ["DatabaseFeatures"]


class DatabaseFeatures(features.DatabaseFeatures):  # type: ignore[misc] # without types
    """Locks rows.

    `supports_transactions` stays False: to Django it says that a test may run inside one transaction, undone at its
    end, and that needs savepoints.
    """

    has_select_for_update = True
    has_select_for_update_of = True
