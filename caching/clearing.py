"""What makes a region's values stale by hand, beside the writes that do so by themselves."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS

from caching.invalidation import clear, invalidate
from caching.keys import Key, Part, Scope
from caching.transactions import in_transaction, note

__all__ = ["Clearable"]


class Clearable:
    """The part of a region that forgets."""

    name: str

    def invalidate(self, org: str, *parts: Part, using: str = DEFAULT_DB_ALIAS) -> None:
        """Make one key stale on all hosts, now and again when the open transaction commits.

        What Redis does not hear waits in the outbox. Raises `MarkFailed` when that cannot be used either.
        """
        self._invalidate(Key(self.name, org, parts, using), using)

    def invalidate_org(self, org: str, *, using: str = DEFAULT_DB_ALIAS) -> None:
        """Make every key of the organisation in this region stale, as `invalidate` does for one."""
        self._invalidate(Scope(self.name, org), using)

    def _invalidate(self, item: Key | Scope, alias: str) -> None:
        invalidate([item], using=alias)
        if in_transaction(alias):
            note(alias, [item])

    def clear(self, org: str | None = None) -> None:
        """Forget the region, or an organisation in it, on all hosts: one small write, whatever it holds.

        What Redis does not hear waits in the outbox. Raises `MarkFailed` when that cannot be used either.
        """
        clear(self.name, org)
