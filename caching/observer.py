"""One thread of the process that makes sense of what was read and written, so that no request has to."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Final, TypeVar

from django.db import connections

from caching.activity import Batch
from caching.conf import conf
from caching.errors import HostFileError
from caching.hostfile import databases, is_among
from caching.hostlock import HostLock
from caching.logs import logger
from caching.runtime import runtime

__all__ = ["Consumer", "Observer"]

C = TypeVar("C", bound="Consumer")

# How long a process that ends waits for what is under way.
_PATIENCE_SECONDS: Final = 2.0


class Consumer:
    """What wants to know what happens. What it raises is logged once, and keeps it from nothing later."""

    def observe(self, batch: Batch) -> None:
        """Take in what this process has read and written since the last call."""

    def lead(self) -> None:
        """Do what one process of the host has to do; called after `observe`, in that one alone."""

    def stop(self) -> None:
        """Put away what needs that; the process ends, or its settings change."""


class Observer:
    """One for each process; `tick` does one round, `start` has a thread go its rounds."""

    def __init__(self) -> None:
        self.consumers: list[Consumer] = self._make_consumers()
        #: Whether this process is the one of its host that leads.
        self.leads = False
        self._databases = databases()
        self._lock = HostLock(f"observer-{runtime.statistics.release}", runtime.clock)
        self._complaints: set[Consumer] = set()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._turn = threading.Lock()

    def _make_consumers(self) -> list[Consumer]:
        # Imported here: they need the runtime that makes this.
        from caching.audit import Auditor
        from caching.fleet import Fleet
        from caching.history import History
        from caching.hotkeys import HotKeys
        from caching.prefetch import Prefetcher
        from caching.schedule import BeforeOpening

        return [
            runtime.usage,
            runtime.adaptive,
            Fleet(),
            Auditor(),
            History(),
            BeforeOpening(),
            HotKeys(),
            Prefetcher(),
        ]

    def consumer(self, kind: type[C]) -> C:
        """Return the consumer of that class."""
        return next(each for each in self.consumers if isinstance(each, kind))

    def tick(self) -> None:
        """Hand what happened since the last time to all consumers; nothing while a test run has other databases."""
        if not is_among(self._databases):
            return
        with self._turn:
            batch = runtime.activity.take()
            self.leads = self._takes_lead()
            for consumer in self.consumers:
                self._guarded(consumer, batch)
            # Not `share_soon`, which would wake an observer once this one is stopped.
            runtime.statistics.share()

    def _guarded(self, consumer: Consumer, batch: Batch) -> None:
        try:
            consumer.observe(batch)
            if self.leads:
                consumer.lead()
        except Exception as error:
            # Once, not every second; and not what it says, which may quote rows.
            if consumer not in self._complaints:
                self._complaints.add(consumer)
                logger.warning(
                    "%(consumer)s failed and goes on: %(error)s",
                    {"consumer": type(consumer).__name__, "error": error},
                    extra={"event": "consumer_failed"},
                )
        else:
            self._complaints.discard(consumer)

    def _takes_lead(self) -> bool:
        try:
            return self._lock.take()
        except HostFileError:
            # Nobody can tell whether another one leads: two that do so do the same work twice.
            return True

    def start(self) -> None:
        """Go rounds in a thread, if there may be one more: it is a reader's request that needs one."""
        thread = threading.Thread(target=self._run, name="caching-observer", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            logger.warning(
                "Nobody watches what is read: %(error)s", {"error": error}, extra={"event": "observer_not_started"}
            )
        else:
            self._thread = thread

    def stop(self) -> None:
        """End the thread, and leave the lead to another process; waits no longer than two seconds."""
        self._stopping.set()
        if self._thread is None or self._thread is threading.current_thread():
            self._put_away()
        else:
            # The thread puts away: what hangs, at a database for instance, must not keep the process from its end.
            self._thread.join(_PATIENCE_SECONDS)
        self._lock.release()

    def _put_away(self) -> None:
        consumers, self.consumers = self.consumers, []
        for consumer in consumers:
            consumer.stop()

    def _run(self) -> None:
        failed = False
        while not self._stopping.wait(conf.OBSERVE_SECONDS):
            try:
                self.tick()
                failed = False
            except Exception as error:
                # It is the last one that would notice: no thread takes its place.
                if not failed:
                    logger.warning(
                        "A round was left out: %(error)s", {"error": error}, extra={"event": "observer_failed"}
                    )
                failed = True
            with suppress(Exception):
                connections.close_all()
        try:
            self._put_away()
        finally:
            connections.close_all()
