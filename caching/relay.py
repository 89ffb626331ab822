"""Tries a Redis that was given up, brings it what it could not be told, and keeps marks standing that must."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from django.db import Error, connections
from django.utils import timezone

from caching.conf import conf
from caching.errors import HostFileError, RedisUnavailable
from caching.hostlock import HostLock
from caching.logs import described, logger
from caching.outbox import Outbox, Waiting, aliases
from caching.runtime import runtime
from caching.undelivered import Undelivered

if TYPE_CHECKING:
    from caching.invalidation import Invalidation
    from caching.tiers.redis import RedisTier

__all__ = ["Relay"]

# After this long without a sign of the relay of this host the others no longer leave the outbox to it.
_SILENCE_SECONDS: Final = 1.0
_RENEW_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 2.0


class Relay:
    """One for each process; `tick` does one round of everything, `start` has two threads go their rounds.

    A process trusts Redis, at first or again, only when it has delivered all that waits in the outbox. After that one
    process of the host delivers: whoever holds the lock. Marks and records are renewed by a thread of their own, which
    no database can hold up.
    """

    def __init__(self) -> None:
        self.undelivered = Undelivered(runtime.clock)
        self._commits: set[Invalidation] = set()
        self._lock = HostLock("relay", runtime.clock)
        self._outboxes: dict[str, Outbox] = {}
        self._complaints: dict[str, str] = {}
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def delivered(self) -> int:
        """How many rows this process has delivered."""
        return sum(outbox.delivered for outbox in tuple(self._outboxes.values()))

    # --- commits that are under way -----------------------------------------------------------------------------------

    def watch(self, commit: Invalidation) -> None:
        """Keep the marks of this commit standing until `unwatch`."""
        self._commits.add(commit)

    def unwatch(self, commit: Invalidation) -> None:
        self._commits.discard(commit)

    # --- rounds -------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Renew what would run out, then try or serve Redis."""
        self.renew()
        self.go_round()

    def renew(self) -> None:
        """Renew the marks of slow commits, and the records of what is not delivered."""
        try:
            if self.undelivered.regions:
                self.undelivered.renew(runtime.writers_stamps())
        except HostFileError as error:
            self._complain("records", described(error), event="stamps_unusable")
        else:
            self._complain("records", "")
        for commit in tuple(self._commits):
            commit.keep()

    def go_round(self) -> None:
        """Probe Redis if it was given up and a probe is due; else, if it falls to this process, deliver."""
        tier, breaker = runtime.redis, runtime.breaker
        if tier is None:
            return
        if not breaker.closed:
            # Who cannot reach Redis leaves the outbox to a process that can.
            self._lock.release()
            if breaker.probe_is_due:
                breaker.probing()
                self._probe(tier)
        elif self._falls_to_us():
            self._serve(tier)
        self._settle()

    def drain(self) -> int:
        """Deliver all that waits, in every database; return how many rows. Raises `RedisUnavailable` and `Error`."""
        tier = runtime.redis
        if tier is None:
            return 0
        return sum(outbox.deliver(tier, after_each=self._beat) for outbox in self._all_outboxes())

    def _probe(self, tier: RedisTier) -> None:
        why = ""
        try:
            tier.probe()
            self._catch_up()
        except RedisUnavailable as error:
            why = str(error)
        except Error as error:
            why = f"The outbox cannot be read: {described(error)}"
        if why:
            runtime.breaker.trip(why)
        else:
            runtime.breaker.close()

    def _catch_up(self) -> None:
        # Redis comes back for all processes of the host at once; a long backlog is the work of one.
        if any(outbox.has_much() for outbox in self._all_outboxes()) and not self._falls_to_us():
            raise RedisUnavailable("Another process is delivering what Redis was not told.")
        self.drain()

    def _falls_to_us(self) -> bool:
        try:
            # Or to nobody: its holder was stopped, hangs, or cannot read the outbox.
            falls = self._lock.take() or self._lock.silence() > max(_SILENCE_SECONDS, 5 * conf.RELAY_SECONDS)
        except HostFileError as error:
            self._complain("lock", described(error), event="relay_lock_unusable")
            return True
        self._complain("lock", "")
        return falls

    def _serve(self, tier: RedisTier) -> None:
        well = True
        for outbox in self._all_outboxes():
            try:
                outbox.deliver(tier, after_each=self._beat)
            except RedisUnavailable as error:
                # Whatever it refused: no process of ours is to trust a Redis that does not take what waits.
                runtime.breaker.trip(str(error))
                well = False
                break
            except Error as error:
                what = f"The outbox of {outbox.alias} cannot be read: {described(error)}"
                self._complain(outbox.alias, what, event="outbox_unreadable")
                connections[outbox.alias].close_if_unusable_or_obsolete()
                well = False
            else:
                self._complain(outbox.alias, "")
        if well:
            self._beat()
        else:
            self._lock.release()

    def _beat(self) -> None:
        if self._lock.held:
            self._lock.beat()

    def _settle(self) -> None:
        try:
            self.undelivered.settle(lambda alias, writer, region: self._outbox(alias).holds(writer, region))
        except Error as error:
            self._complain("settle", f"The outbox cannot be read: {described(error)}", event="outbox_unreadable")
        else:
            self._complain("settle", "")

    def _all_outboxes(self) -> list[Outbox]:
        return [self._outbox(alias) for alias in aliases()]

    def _outbox(self, alias: str) -> Outbox:
        return self._outboxes.setdefault(alias, Outbox(alias))

    def _complain(self, about: str, what: str, *, event: str = "") -> None:
        # Once for each change, not five times a second.
        if what != self._complaints.get(about, ""):
            self._complaints[about] = what
            if what:
                logger.warning("%(what)s", {"what": what}, extra={"event": event})

    # --- threads ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Go rounds in threads; until the first has found the outbox empty or emptied it, Redis is not trusted."""
        self._stopping.clear()
        self._looked.clear()
        self._threads = [
            threading.Thread(target=work, name=f"caching-{name}", daemon=True)
            for name, work in (("relay", self._relay_in_thread), ("renewal", self._renew_in_thread))
        ]
        for thread in self._threads:
            thread.start()
        if not self._looked.wait(conf.REDIS_BUDGET_SECONDS):
            runtime.breaker.trip("It is not known yet what it was not told.")

    def stop(self) -> None:
        """End the threads, and leave the lock to others; what waits is left to them, too."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS)
        self._threads = []
        self._lock.release()

    def run(self, stopping: threading.Event) -> None:
        """Go rounds in this thread until `stopping` is set."""
        self._look_first()
        while not stopping.wait(conf.RELAY_SECONDS):
            self._guarded(self.tick)
        self._lock.release()

    def _relay_in_thread(self) -> None:
        try:
            self._look_first()
            self._looked.set()
            while not self._stopping.wait(conf.RELAY_SECONDS):
                self._guarded(self.go_round)
                if not self._lock.held:
                    # One connection for each host, not for each process.
                    connections.close_all()
        finally:
            connections.close_all()

    def _renew_in_thread(self) -> None:
        while not self._stopping.wait(min(_RENEW_SECONDS, conf.MARK_SECONDS / 6)):
            self._guarded(self.renew)

    def _look_first(self) -> None:
        try:
            self._catch_up()
        except Exception as error:
            runtime.breaker.trip(f"It is not known what Redis was not told: {described(error)}")

    def _guarded(self, work: Callable[[], None]) -> None:
        # A thread that dies would leave Redis given up for ever.
        try:
            work()
        except Exception as error:
            self._complain(work.__name__, f"The relay failed and goes on: {described(error)}", event="relay_failed")
        else:
            self._complain(work.__name__, "")

    # --- for operators ------------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return `depth` and `oldest_seconds` of what waits, `delivered` and `is_relay` of this process.

        `depth` is None when an outbox cannot be read; `oldest_seconds` then, and when nothing waits.
        """
        waiting: list[Waiting] | None = None
        with suppress(Error):
            waiting = [outbox.waiting() for outbox in self._all_outboxes()]
        since = [each.since for each in waiting or [] if each.since is not None]
        return {
            "depth": None if waiting is None else sum(each.depth for each in waiting),
            "oldest_seconds": max(0.0, (timezone.now() - min(since)).total_seconds()) if since else None,
            "delivered": self.delivered,
            "is_relay": self._lock.held,
        }
