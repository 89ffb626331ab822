"""Loads keys for nobody in particular: what a loader refuses of them is passed over, and keeps no other one away."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import InterfaceError, OperationalError

from caching.keys import Key
from caching.logs import logger
from caching.registry import registry
from caching.steps import drive

__all__ = ["load_keys"]


def load_keys(keys: Sequence[Key]) -> int:
    """Load keys of one region and database, as no requests in the statistics; return how many were not refused.

    Raises what a database raises that cannot be reached.
    """
    region = registry.get(keys[0].region)
    try:
        drive(region.read(keys, counted=False))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(keys) > 1:
            return sum(load_keys([key]) for key in keys)
        # An order whose bill cannot be made up, for instance; whoever asks for it is told why.
        logger.debug(
            "A key of region %(region)s was passed over: %(error)s",
            {"region": region.name, "error": error},
            extra={"event": "key_passed_over"},
        )
        return 0
    return len(keys)
