"""Replays a day: makes the scratch organisation, lets the threads play, and compares everything at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from django.db import connections
from django.utils import timezone

from restaurant.profiles.selectors import profile_required
from restaurant.replay.cast import BILLING, KITCHEN, Part, Play, cast_make
from restaurant.replay.gauge import Gauge, Observation, WriteLog
from restaurant.replay.patience import Patience
from restaurant.replay.reads import Read, Reads
from restaurant.replay.scratch import scratch_make, scratch_org_id
from restaurant.replay.script import Script
from restaurant.replay.stage import Stage, StoppedError

PATIENCE_SECONDS: Final = 60.0
"""For how long a replay waits for a database that went away, unless told otherwise."""

_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What all threads saw.

    `compared`, `stale` and `undecided` name a read for each comparison with the database; `retried` a kind of event for
    each write that had to be made again, because Redis was too slow to take its mark; `waited` an error for each
    attempt that found the database away. `lost` are the numbers, in the script, of orders that are not in the database
    with the status that their last event gave them.
    """

    org_id: str
    seconds: float
    orders: int
    events: int
    observations: tuple[Observation, ...]
    compared: tuple[str, ...]
    stale: tuple[str, ...]
    undecided: tuple[str, ...]
    retried: tuple[str, ...]
    waited: tuple[str, ...]
    lost: tuple[int, ...]


def replay_run(
    *,
    org_id: str,
    script: Script,
    speed: float | None = None,
    advance: Callable[[int], object] | None = None,
    patience: float = PATIENCE_SECONDS,
) -> ReplayResult:
    """Play the script in the scratch organisation of `org_id`, as fast as possible or at so many times real time.

    `advance` is told, now and then, how many events have taken place. What a thread raises ends all of them and is
    raised here; a database that went away is waited for, `patience` seconds each time. KeyboardInterrupt ends them,
    too. Raises NotScratchError.
    """
    menu = scratch_make(org_id=org_id, script=script)
    scratch = scratch_org_id(org_id)
    today = profile_required(org_id=scratch).local_date(timezone.now())
    stage = Stage(script.events, followers=(KITCHEN, BILLING), speed=speed)
    play = Play(scratch, script, menu, stage, WriteLog(), Reads(scratch, today), Patience(patience, stage.pause))
    parts = cast_make(play)
    began = time.perf_counter()
    _play(parts, stage, advance)
    seconds = time.perf_counter() - began
    last = Gauge(play.writes, seed=len(parts))
    # The stage is over, and would let nobody wait.
    after = Patience(patience, time.sleep)
    _compare_everything(play, last, after)
    lost = after.persist(lambda _: _lost(play))
    gauges = [*(part.gauge for part in parts), last]
    return ReplayResult(
        org_id=scratch,
        seconds=seconds,
        orders=len(script.orders),
        events=len(script.events),
        # The comparison at the end is no part of the day.
        observations=tuple(each for part in parts for each in part.gauge.observations),
        compared=tuple(name for gauge in gauges for name in gauge.compared),
        stale=tuple(name for gauge in gauges for name in gauge.stale),
        undecided=tuple(name for gauge in gauges for name in gauge.undecided),
        retried=tuple(play.retried),
        waited=(*play.patience.waited, *after.waited),
        lost=lost,
    )


def _play(parts: list[Part], stage: Stage, advance: Callable[[int], object] | None) -> None:
    errors: list[Exception] = []

    def run(part: Part) -> None:
        try:
            part.run()
        except StoppedError:
            pass
        except Exception as error:
            errors.append(error)
            stage.stop()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(part,), name=part.name) for part in parts]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_LOOK_SECONDS)
                if advance is not None:
                    advance(stage.done_count)
    finally:
        # Of no effect when all of them have ended.
        stage.stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if errors:
        raise errors[0]


def _compare_everything(play: Play, gauge: Gauge, patience: Patience) -> None:
    """Compare every value the screens showed, now that nobody writes: what is stale now was left so."""
    reads = play.reads
    everything = [reads.profile(), reads.profile_lite(), reads.active_list(), reads.first_page(), reads.summary()]
    everything += [
        each for order_id in play.order_ids.values() for each in (reads.order(order_id), reads.bill(order_id))
    ]
    everything += [reads.balance(phone) for phone in play.script.phones]
    with gauge.counting():
        for read in everything:
            patience.persist(partial(_compare, gauge, read))


def _compare(gauge: Gauge, read: Read, again: bool) -> None:  # noqa: ARG001 -- comparing twice does no harm
    gauge.compare(read)


def _lost(play: Play) -> tuple[int, ...]:
    last = {event.order: event.kind for event in play.script.events if event.order is not None}
    return tuple(order for order, kind in last.items() if play.status_of(order) != kind)
