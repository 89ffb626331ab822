"""Loads hot keys when a server process starts, behind its first requests."""

from __future__ import annotations

import os
import threading
from enum import StrEnum

from django.db import connections

from caching.conf import conf
from caching.errors import CachingError
from caching.logs import logger
from caching.runtime import runtime

__all__ = ["WarmUp", "WarmUpState", "is_ready", "warm_in_background", "warm_up"]


class WarmUpState(StrEnum):
    """How far a process has come with warming itself."""

    NOT_WANTED = "not wanted"
    WARMING = "warming"
    DONE = "done"
    FAILED = "failed"


class WarmUp:
    """What this process does at its start: once, in a thread of its own."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Know nothing of a start, as a process does that has just been forked."""
        self.state = WarmUpState.NOT_WANTED
        self._began = 0.0

    @property
    def ready(self) -> bool:
        """Whether requests should come: at once, or when warming ended or took `WARM_BOUND_SECONDS`.

        A process that is not ready yet serves nevertheless; its first answers take longer.
        """
        return self.state != WarmUpState.WARMING or runtime.clock.now() - self._began >= conf.WARM_BOUND_SECONDS

    def start(self) -> threading.Thread:
        """Begin; returns the thread, which ends by itself."""
        self._began = runtime.clock.now()
        self.state = WarmUpState.WARMING
        thread = threading.Thread(target=self._run, name="caching-warm", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        state = WarmUpState.FAILED
        try:
            _load()
            state = WarmUpState.DONE
        except CachingError as error:
            logger.warning("The cache was not warmed: %(error)s", {"error": error}, extra={"event": "not_warmed"})
        except Exception:
            # Warming is a help; a server that cannot warm, for want of a table for instance, still serves.
            logger.exception("The cache was not warmed.", extra={"event": "warming_failed"})
        finally:
            self.state = state
            connections.close_all()


warm_up = WarmUp()


def warm_in_background() -> threading.Thread | None:
    """Start loading all hot keys if `WARM_AT_START` is set; returns the thread, which ends by itself, or None.

    To be called in each server process: a parent that forks its workers would warm itself alone.
    """
    return warm_up.start() if conf.WARM_AT_START else None


def is_ready() -> bool:
    """Whether warming keeps requests away no longer, for readiness probes: see `WarmUp.ready`."""
    return warm_up.ready


def _load() -> None:
    # Imported here, where the models are ready whoever imported this module.
    from caching.hotkeys import hot_keys_load
    from caching.operations import cache_load

    loaded = cache_load()
    logger.info(
        "Warmed %(values)d values: %(regions)s",
        {"values": sum(loaded.values()), "regions": loaded},
        extra={"event": "warmed"},
    )
    again = hot_keys_load()
    if again:
        logger.info(
            "Warmed %(values)d hot keys of the last run: %(regions)s",
            {"values": sum(again.values()), "regions": again},
            extra={"event": "hot_keys_warmed"},
        )


# The thread stays in the parent, and so does what it loads.
os.register_at_fork(after_in_child=warm_up.reset)
