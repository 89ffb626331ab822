"""A system check of the triggers by which writes around Django are followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import Error, connections

from caching.around.postgresql import states
from caching.errors import CachingError

__all__ = ["check_triggers"]


@register(Tags.database)
def check_triggers(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that triggers, where there are some, are those that this release needs."""
    return [
        Warning(
            f"The triggers in the database {alias!r} that tell of writes around Django are of other declarations: "
            "regions that have come since are not told of such writes.",
            hint=f"Run: manage.py follow_writes --database {alias} --install",
            id="caching.W070",
        )
        for alias in databases or ()
        if connections[alias].vendor == "postgresql" and _is_outdated(alias)
    ]


def _is_outdated(alias: str) -> bool:
    try:
        found = set(states(alias).values())
    except (CachingError, Error):
        # A driver without triggers has none; a server that cannot be reached is reported by whoever needs it.
        return False
    # Without any, nobody asked for them.
    return bool(found - {"installed", "missing"}) or found == {"installed", "missing"}
