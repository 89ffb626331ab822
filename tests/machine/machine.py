"""The rules: whatever processes, writers and operators do, and whatever befalls Redis, no read is stale."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count
from typing import Any, Final, NamedTuple
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.db.models import QuerySet
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from caching.conf import conf
from caching.invalidation import clear as clear_cache
from caching.keys import Key
from caching.runtime import runtime
from caching.snapshots import encode
from caching.steps import Load
from tests.caching.stepping import Slow
from tests.conftest import MovableClock
from tests.machine import faults
from tests.machine.processes import Process, Writer
from tests.machine.truth import Truth, Value
from tests.shop.cached import dish, menu, shop, tally
from tests.shop.models import Dish, Review, Shop

__all__ = ["Machine", "Surroundings"]

_ORGS: Final = ("corner", "plaza")
_KINDS: Final = ("main", "sweet")
_DISHES: Final = tuple(UUID(int=number) for number in range(1, 4))
_VALUES: Final = (
    *(Value(shop, org) for org in _ORGS),
    *(Value(menu, org) for org in _ORGS),
    *(Value(dish, _ORGS[0], (pk,)) for pk in _DISHES),
    *(Value(tally, _ORGS[0], (kind,)) for kind in _KINDS),
)
# A writer that stands longer than its marks is what CAVEATS.md speaks of.
_WRITER_SECONDS: Final = 3.0

_numbers = count()

values = st.sampled_from(_VALUES)
processes = st.integers(0, 2)
orgs = st.sampled_from(_ORGS)
dishes = st.sampled_from(_DISHES)
choices = st.integers(0, 1_000_000)


def _name() -> str:
    return f"name {next(_numbers)}"


def _new_dish(org: str, pk: UUID) -> None:
    kind = random.choice(_KINDS)
    can_ignore = connection.features.supports_ignore_conflicts
    if can_ignore or not Dish.objects.filter(pk=pk).exists():
        Dish.objects.bulk_create([Dish(pk=pk, shop_id=org, name=_name(), kind=kind)], ignore_conflicts=can_ignore)


def _saved(org: str, pk: UUID) -> None:
    row = Dish.objects.filter(pk=pk).first() or Dish(pk=pk, shop_id=org)
    row.name, row.kind = _name(), random.choice(_KINDS)
    row.save()


def _bulk_updated(org: str, pk: UUID) -> None:
    rows = list(Dish.objects.filter(shop_id=org))
    for row in rows:
        row.name = _name()
    Dish.objects.bulk_update(rows, ["name"])


def _several(org: str, pk: UUID) -> None:
    with transaction.atomic():
        Shop.objects.filter(pk=org).update(name=_name())
        _saved(org, pk)


#: Every change takes an organisation and a dish; which of them it needs is its own business.
_CHANGES: Final[dict[str, Callable[[str, UUID], object]]] = {
    "rename shop": lambda org, pk: Shop.objects.filter(pk=org).update(name=_name()),
    "save shop": lambda org, pk: Shop(slug=org, name=_name(), rate=next(_numbers)).save(),
    "new dish": _new_dish,
    "save dish": _saved,
    "update dish": lambda org, pk: Dish.objects.filter(pk=pk).update(name=_name()),
    "update dishes": lambda org, pk: Dish.objects.filter(shop_id=org).update(kind=random.choice(_KINDS)),
    "bulk update": _bulk_updated,
    "delete dish": lambda org, pk: Dish.objects.filter(pk=pk).delete(),
    "move dish": lambda org, pk: Dish.objects.filter(pk=pk).update(shop_id=org),
    "review": lambda org, pk: Dish.objects.filter(pk=pk).exists() and Review.objects.create(dish_id=pk, stars=1),
    "several": _several,
}
changes = st.sampled_from(sorted(_CHANGES))


class _ChangedMind(Exception):
    """Makes a transaction roll back."""


def _until_its_load(value: Value) -> Slow | None:
    try:
        slow = Slow(value.region.read([Key(value.region.name, value.org, value.parts)]))
    except StopIteration:
        # Answered by local memory at once.
        return None
    while slow.step is not None and not isinstance(slow.step, Load):
        slow.proceed()
    return slow if slow.step is not None else None


class _Began(NamedTuple):
    """When a read began: the time, and after how many commits."""

    at: float
    commits: int


class Surroundings:
    """What all examples share: a clock, a client of the Redis server (None: there is none), and two stamps files."""

    def __init__(self, clock: MovableClock, redis: Any, stamps_dirs: tuple[str, str]) -> None:
        self.clock = clock
        self.redis = redis
        self.stamps_dirs = stamps_dirs


class Machine(RuleBasedStateMachine):
    """Two processes of one host and, with Redis, one of another. `surroundings` are set before it runs."""

    surroundings: Surroundings

    def __init__(self) -> None:
        super().__init__()
        here, there = self.surroundings.stamps_dirs
        self.clock, self.redis = self.surroundings.clock, self.surroundings.redis
        # What an earlier example left in the stamps file has run out.
        self.clock.advance(60)
        self.processes = [Process("first", "here", here), Process("second", "here", here)]
        if self.redis is not None:
            self.redis.flushall()
            self.processes.append(Process("far", "there", there))
        self.truth = Truth()
        self.writer: Writer | None = None
        self.written_at = 0.0
        # Since when a writer is under way whose mark Redis has lost.
        self.unmarked_since: float | None = None
        self.reads: list[tuple[Process, Value, _Began, Slow]] = []

    @initialize()
    def rows(self) -> None:
        # Unheard by the cache, which begins anew with every example.
        for model in (Review, Dish, Shop):
            QuerySet(model)._raw_delete("default")
        with self.processes[0].running():
            for org in _ORGS:
                Shop.objects.create(slug=org, name=_name())
            _saved(_ORGS[0], _DISHES[0])
        self._committed("here")

    def teardown(self) -> None:
        if self.writer is not None:
            self._finish_writer()
        for process in self.processes:
            for value in _VALUES if self.truth.known else ():
                self._read(process, value, "get_many")
            process.die()

    # --- reads --------------------------------------------------------------------------------------------------------

    @rule(number=processes, value=values, how=st.sampled_from(["get", "aget", "get_many", "entry", "get"]))
    def read(self, number: int, value: Value, how: str) -> None:
        self._hurry()
        self._read(self._process(number), value, how)

    @precondition(lambda self: len(self.reads) < 3)
    @rule(number=processes, value=values, has_loaded=st.booleans())
    def begin_to_read(self, number: int, value: Value, has_loaded: bool) -> None:
        """A read comes to its load, or to what follows it, and rests there."""
        process = self._process(number)
        with process.running():
            flights = vars(runtime).pop("flights", None)
            began = self._now()
            slow = _until_its_load(value)
            if slow is not None and has_loaded:
                slow.proceed()
            if slow is not None and slow.step is not None:
                self.reads.append((process, value, began, slow))
            # As if in another process of the host: it shares no flight with those that come.
            vars(runtime).pop("flights", None)
            if flights is not None:
                vars(runtime)["flights"] = flights

    @precondition(lambda self: self.reads)
    @rule(choice=choices)
    def go_on_reading(self, choice: int) -> None:
        process, value, began, slow = self.reads.pop(choice % len(self.reads))
        with process.running():
            while slow.step is not None:
                slow.proceed()
            (entry,) = slow.result.values()
            self._check(process, value, entry.body, began, "a read that had rested")

    @invariant()
    def nothing_stale_lies_in_local_memory(self) -> None:
        if not self.truth.known:
            return
        for process in self.processes:
            with process.running():
                for value in _VALUES:
                    entry = value.region.hit((value.region.name, "default", value.org, *value.parts))
                    if entry is not None:
                        self._check(process, value, entry.body, self._now(), "local memory")

    def _read(self, process: Process, value: Value, how: str) -> None:
        region, name = value.region, (value.org, *value.parts)
        began = self._now()
        with process.running():
            if how == "entry":
                body = region.entry(*name).body
            elif how == "get_many":
                body = encode(region.get_many([name])[name])
            else:
                get = region.get if how == "get" else async_to_sync(region.aget)
                body = encode(get(*name))
            self._check(process, value, body, began, how)

    def _check(self, process: Process, value: Value, body: bytes, began: _Began, how: str) -> None:
        # Other hosts' writes are told to nobody here: what is kept locally has its bound.
        since = began.at - conf.LOCAL_TTL_WITHOUT_TRACKING
        if process.host != "here" and self.unmarked_since is not None:
            since = min(since, self.unmarked_since)
        allowed = self.truth.allowed(value, process.host, commits=began.commits, since=since)
        assert body in allowed, f"stale: {how} of {value} in {process} got {body!r}, due was {allowed}"

    # --- writes -------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.writer is None)
    @rule(number=processes, change=changes, org=orgs, pk=dishes)
    def write(self, number: int, change: str, org: str, pk: UUID) -> None:
        process = self._process(number)
        with process.running():
            _CHANGES[change](org, pk)
        self._committed(process.host)

    @precondition(lambda self: self.writer is None)
    @rule(number=processes, change=changes, org=orgs, pk=dishes, value=values, inner=st.booleans(), kept=st.booleans())
    def write_in_transaction(
        self, number: int, change: str, org: str, pk: UUID, value: Value, inner: bool, kept: bool
    ) -> None:
        """A transaction reads its own writes; a savepoint, where there are any, or all of it, is rolled back."""
        process = self._process(number)
        with process.running():
            try:
                with transaction.atomic():
                    if inner and connection.features.uses_savepoints:
                        self._rolled_back(change, org, pk, value)
                        self._reads_its_own(value)
                    _CHANGES[change](org, pk)
                    self._reads_its_own(value)
                    if not kept:
                        raise _ChangedMind
            except _ChangedMind:
                pass
        self._committed(process.host)

    def _rolled_back(self, change: str, org: str, pk: UUID, value: Value) -> None:
        try:
            with transaction.atomic():
                _CHANGES[change](org, pk)
                self._reads_its_own(value)
                raise _ChangedMind
        except _ChangedMind:
            return

    def _reads_its_own(self, value: Value) -> None:
        body = encode(value.region.get(value.org, *value.parts))
        # What the transaction did not touch may come from the cache, and is then as the cache may be.
        since = self.clock.now() - conf.LOCAL_TTL_WITHOUT_TRACKING
        known = self.truth.allowed(value, "here", commits=self.truth.commits, since=since)
        stored = self.truth.stored(value)
        assert body == stored or (stored in known and body in known), f"not its own: {value}"

    @precondition(lambda self: self.writer is None)
    @rule(number=processes, change=changes, org=orgs, pk=dishes)
    def begin_to_write(self, number: int, change: str, org: str, pk: UUID) -> None:
        process = self._process(number)
        self.unmarked_since = None
        self.written_at = self.clock.now()
        self._stands(Writer(process, lambda: _CHANGES[change](org, pk)))

    @precondition(lambda self: self.writer is not None)
    @rule()
    def go_on_writing(self) -> None:
        self.writer.proceed()
        self._stands(self.writer)

    @precondition(lambda self: self.writer is not None and self.unmarked_since is None)
    @rule()
    def kill_the_writer(self) -> None:
        self.writer.kill()
        self._stands(self.writer)

    def _stands(self, writer: Writer) -> None:
        self.writer = None if writer.at == "ended" else writer
        if writer.error is not None:
            raise writer.error
        if writer.at in ("committed", "ended"):
            self._committed(writer.process.host)
        if self.writer is None:
            self.unmarked_since = None

    def _finish_writer(self) -> None:
        while self.writer is not None:
            self.go_on_writing()

    def _hurry(self) -> None:
        if self.writer is not None and self.clock.now() > self.written_at + _WRITER_SECONDS:
            self._finish_writer()

    def _now(self) -> _Began:
        return _Began(self.clock.now(), self.truth.commits)

    def _committed(self, host: str) -> None:
        self.truth.note(_VALUES, host, self.clock.now())

    # --- processes, operators, time -----------------------------------------------------------------------------------

    def _process(self, number: int) -> Process:
        return self.processes[number % len(self.processes)]

    @rule(number=processes)
    def restart_a_process(self, number: int) -> None:
        process = self._process(number)
        if self.writer is None or self.writer.process is not process:
            self.reads = [each for each in self.reads if each[0] is not process]
            process.die()

    @precondition(lambda self: self.writer is None)
    @rule(number=processes, value=values, what=st.sampled_from(["region", "org", "both", "all", "key", "scope"]))
    def clear(self, number: int, value: Value, what: str) -> None:
        region, org = value.region.name, value.org
        with self._process(number).running():
            if what == "key":
                value.region.invalidate(org, *value.parts)
            elif what == "scope":
                value.region.invalidate_org(org)
            else:
                clear_cache(region if what in ("region", "both") else None, org if what in ("org", "both") else None)

    @precondition(lambda self: self.writer is None)
    @rule(seconds=st.sampled_from([0.1, 1.5, 2.5, 6.0, 130.0, 4000.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)
        if self.redis is not None:
            faults.age(self.redis, seconds)

    # --- Redis --------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.redis is not None)
    @rule()
    def flush(self) -> None:
        faults.flush(self.redis)
        if self.writer is not None and self.writer.at != "written":
            self.unmarked_since = self.written_at

    @precondition(lambda self: self.redis is not None)
    @rule(choice=choices)
    def evict(self, choice: int) -> None:
        faults.evict(self.redis, choice)

    @precondition(lambda self: self.redis is not None)
    @rule(choice=choices)
    def corrupt(self, choice: int) -> None:
        faults.corrupt(self.redis, choice)
