"""Loads what each organisation declares as hot shortly before it opens, not all of them at the same moment."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Final, NamedTuple

from django.db import connections

from caching.activity import Batch
from caching.conf import conf
from caching.errors import CachingError
from caching.keys import digest
from caching.logs import logger
from caching.observer import Consumer
from caching.operations import cache_load
from caching.registry import registry
from caching.runtime import runtime
from caching.warming import WarmUpState, warm_up

__all__ = ["BeforeOpening"]

# How often it is asked who opens when: hours that change later than this before an opening come too late.
_LOOK_SECONDS: Final = 300.0
# The last part of its lead in which nothing is begun, so that it is done when the doors open.
_SPARED: Final = 0.1
# How long a process that ends waits for a load under way.
_PATIENCE_SECONDS: Final = 2.0


class _Load(NamedTuple):
    """What is to be loaded `at`, in seconds since 1970, for an organisation that opens at `opening`."""

    at: float
    opening: float
    org: str
    regions: tuple[str, ...]


class BeforeOpening(Consumer):
    """In every process: without Redis each must warm itself, and with it the later ones find what the first loaded.

    A region is loaded `WARM_BEFORE_OPENING` seconds before an organisation opens, or half its time to live before if
    that is less: what is loaded earlier would be gone by then. Organisations are spread over that time by their names,
    so that of a thousand that open at eleven a few are loaded in each second.
    """

    def __init__(self) -> None:
        self._began = runtime.clock.wall()
        self._look_again = runtime.clock.now()
        #: The next one is the last.
        self._plan: list[_Load] = []
        self._done: set[tuple[str, float, tuple[str, ...]]] = set()
        self._complained = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    def observe(self, batch: Batch) -> None:  # noqa: ARG002 -- it is the time that counts
        """Have a thread do what is due, if anything is: loading would keep the observer from its rounds."""
        # In this order: the plan is the thread's while it runs.
        if not conf.BACKGROUND or (self._thread is not None and self._thread.is_alive()) or not self._is_due():
            return
        self._thread = threading.Thread(target=self._run, name="caching-opening", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        if self._thread is not None:
            self._thread.join(_PATIENCE_SECONDS)

    def _is_due(self) -> bool:
        if not conf.WARM_BEFORE_OPENING or registry.openings is None:
            return False
        return runtime.clock.now() >= self._look_again or self._is_next_due()

    def _is_next_due(self) -> bool:
        return bool(self._plan) and self._plan[-1].at <= runtime.clock.wall()

    def _run(self) -> None:
        try:
            self.work()
        finally:
            connections.close_all()

    def work(self) -> None:
        """Look who opens, if that was long ago, and load what is due; errors are logged once."""
        try:
            if runtime.clock.now() >= self._look_again:
                # Before it is tried: what fails is not tried again every second.
                self._look_again = runtime.clock.now() + _LOOK_SECONDS
                self._look()
            while self._is_next_due() and not self._stopping:
                self._load_due()
        except CachingError as error:
            self._complain(str(error))
        except Exception as error:
            # Not what it says, which may quote rows.
            self._complain(type(error).__qualname__)

    def _complain(self, why: str) -> None:
        if not self._complained:
            self._complained = True
            logger.warning(
                "Caches were not warmed before an opening: %(why)s", {"why": why}, extra={"event": "opening_not_warmed"}
            )

    def _look(self) -> None:
        openings, leads = registry.openings, _leads()
        if openings is None or not leads:
            return
        now = runtime.clock.wall()
        until = now + max(leads) + _LOOK_SECONDS
        plan, planned = [], set()
        for org, moment in openings(datetime.fromtimestamp(now, UTC), datetime.fromtimestamp(until, UTC)):
            opening = moment.timestamp()
            for lead, regions in leads.items():
                load = _Load(opening - lead * _place(org), opening, org, regions)
                planned.add((org, opening, regions))
                if not self._is_done(load):
                    plan.append(load)
        # What has opened since is forgotten.
        self._done &= planned
        self._plan = sorted(plan, reverse=True)

    def _is_done(self, load: _Load) -> bool:
        if (load.org, load.opening, load.regions) in self._done:
            return True
        # A process that was started in between has warmed itself.
        return load.at < self._began and warm_up.state in (WarmUpState.WARMING, WarmUpState.DONE)

    def _load_due(self) -> None:
        due: dict[tuple[str, ...], list[_Load]] = {}
        while self._is_next_due():
            load = self._plan.pop()
            due.setdefault(load.regions, []).append(load)
        for regions, loads in due.items():
            # What fails here comes back with the next look, unless the place has opened by then.
            cache_load(regions=regions, orgs=sorted({load.org for load in loads}))
            self._done.update((load.org, load.opening, regions) for load in loads)
            self._complained = False


def _leads() -> dict[float, tuple[str, ...]]:
    """Return how long before an opening which regions are loaded."""
    leads: dict[float, list[str]] = {}
    for name, region in sorted(registry.regions.items()):
        if region.warm_keys is not None:
            ttl = region.local_ttl if runtime.redis is None else region.redis_ttl
            leads.setdefault(min(float(conf.WARM_BEFORE_OPENING), ttl / 2), []).append(name)
    return {lead: tuple(names) for lead, names in leads.items()}


def _place(org: str) -> float:
    """Return where in the lead the organisation has its place: 1 at its beginning, little at its end."""
    return 1.0 - (1.0 - _SPARED) * int(digest(org)[:8], 16) / 2**32
