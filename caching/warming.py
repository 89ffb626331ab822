"""Loads hot keys when a server process starts, behind its first requests."""

from __future__ import annotations

import logging
import threading

from django.db import connections

from caching.conf import conf
from caching.errors import CachingError

__all__ = ["warm_in_background"]

logger = logging.getLogger("caching")


def warm_in_background() -> threading.Thread | None:
    """Start loading all hot keys if `WARM_AT_START` is set; returns the thread, which ends by itself, or None.

    To be called in each server process: a parent that forks its workers would warm itself alone.
    """
    if not conf.WARM_AT_START:
        return None
    thread = threading.Thread(target=_warm, name="caching-warm", daemon=True)
    thread.start()
    return thread


def _warm() -> None:
    # Imported here, where the models are ready whoever imported this module.
    from caching.operations import cache_load

    try:
        loaded = cache_load()
        logger.info("Warmed %d values: %s", sum(loaded.values()), loaded)
    except CachingError as error:
        logger.warning("The cache was not warmed: %s", error)
    except Exception:
        # Warming is a help; a server that cannot warm, for want of a table for instance, still serves.
        logger.exception("The cache was not warmed.")
    finally:
        connections.close_all()
