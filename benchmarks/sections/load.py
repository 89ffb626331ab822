"""The site over HTTP: the production server with two workers, driven by wrk, with and without writes in between."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from statistics import harmonic_mean, median
from typing import Final

import msgspec

from benchmarks.bench import Bench
from benchmarks.freshness import ADDRESSES, Tally, Write, writes, writing
from benchmarks.results import OURS, Row, Sample, Target, Unable
from benchmarks.webserver import WebServer
from benchmarks.world import ACTIVE
from benchmarks.wrk import CONNECTIONS, Shot, absence, shoot

__all__ = ["TITLE", "rows"]

TITLE: Final = "Over HTTP"

FIXED: Final = "fixed bytes"
UNCACHED: Final = "uncached"
SERIALIZED: Final = "uncached, DRF serializers"

# Below the site's own addresses.
_BELOW: Final = {OURS: "", FIXED: "fixed/", UNCACHED: "uncached/", SERIALIZED: "serialized/"}
_WHAT: Final = {
    "active": f"{ACTIVE} active orders",
    "profile": "Business profile",
    "balance": "Customer's balance",
    "mixed": "All three by turns, with 1 % writes",
}
_SHARE_OF_WRITES: Final = 0.01

_NOTE: Final = (
    f"gunicorn of `make run`, two workers of four threads; wrk with {CONNECTIONS} kept connections and a token. "
    "Fixed bytes: a DRF view that sends the same body and headers after the same query for token and role. "
    "Uncached: the same view, reading with use_cache=False, and one that renders the same rows by model "
    "serializers. Throttles are off for all."
)
_STALE_NOTE: Final = (
    "{writes} writes beside {requests} requests of wrk ({share:.1%}). Once a write was acknowledged, what it changed "
    "was read from both workers, on a connection kept to each: {reads} reads."
)

Found = Mapping[str, Sequence[Shot]]


def rows(bench: Bench) -> Iterator[Row]:
    """Yield requests per second and the time of an answer of three reads, of all three with writes, and what failed."""
    missing = absence()
    if missing is not None:
        yield from _unable(missing)
        return
    bench.say("the server starts")
    with WebServer(bench.place) as server:
        yield from _Load(bench, server).rows()


class _Load:
    """The rounds against one server, and all that failed in them."""

    def __init__(self, bench: Bench, server: WebServer) -> None:
        self._bench = bench
        self._server = server
        self._chance = random.Random(0)  # noqa: S311 -- an order, no secret
        self._errors = dict.fromkeys(_BELOW, 0)
        self._written: list[tuple[Tally, Shot]] = []

    def rows(self) -> Iterator[Row]:
        per_second: dict[str, list[float]] = {}
        for name in ADDRESSES:
            found = self._reads(name)
            yield from _rows_of(name, found)
            for variant, shots in found.items():
                per_second.setdefault(variant, []).append(median(shot.rate for shot in shots))
        # As many of each: what takes longest weighs most.
        yield from _rows_of("mixed", self._mixed({name: harmonic_mean(each) for name, each in per_second.items()}))
        yield from self._failures()

    def _reads(self, name: str) -> Found:
        self._bench.say(_WHAT[name])
        peers = [OURS, FIXED]
        if name == "active":
            peers += [UNCACHED, SERIALIZED]
        elif not self._bench.quick:
            peers.append(UNCACHED)
        addresses = {peer: ADDRESSES[name] + _BELOW[peer] for peer in peers}
        self._compare(list(addresses.values()))
        return self._interleaved(
            name, {peer: partial(self._shoot, peer, [address], name) for peer, address in addresses.items()}
        )

    def _mixed(self, per_second: Mapping[str, float]) -> Found:
        self._bench.say("with writes")
        upcoming = writes(self._server)
        peers = (OURS,) if self._bench.quick else (OURS, UNCACHED)
        shots = {peer: partial(self._with_writes, peer, upcoming, per_second[peer]) for peer in peers}
        return self._interleaved("mixed", shots)

    def _with_writes(self, peer: str, upcoming: Iterator[Write], reads_per_second: float) -> Shot:
        addresses = [address + _BELOW[peer] for address in ADDRESSES.values()]
        rate = reads_per_second * _SHARE_OF_WRITES / (1 - _SHARE_OF_WRITES)
        with writing(self._server, upcoming, per_second=rate, below=_BELOW[peer]) as tally:
            shot = self._shoot(peer, addresses, "mixed")
        self._errors[peer] += tally.errors
        if peer == OURS:
            self._written.append((tally, shot))
        return shot

    def _interleaved(self, name: str, shots: Mapping[str, Callable[[], Shot]]) -> Found:
        # Many short rounds, for what is side by side has the same neighbours; few of those that take long.
        often = {peer: self._bench.often(2, 1) if _is_slow(peer, name) else self._bench.often(6, 3) for peer in shots}
        found: dict[str, list[Shot]] = {peer: [] for peer in shots}
        order = list(shots)
        for turn in range(max(often.values())):
            self._chance.shuffle(order)
            for peer in order:
                if turn < often[peer]:
                    found[peer].append(shots[peer]())
        return found

    def _shoot(self, peer: str, addresses: Sequence[str], name: str) -> Shot:
        shot = shoot(self._server.base, self._server.token, addresses, seconds=self._seconds(peer, name))
        self._errors[peer] += shot.errors
        if _is_slow(peer, name):
            # What was under way when wrk ended is finished for nobody, and not to be paid for by who comes next.
            time.sleep(shot.mean)
        return shot

    def _seconds(self, peer: str, name: str) -> float:
        if _is_slow(peer, name):
            return 1.5 if self._bench.quick else 5
        return 0.25 if self._bench.quick else 1

    def _compare(self, addresses: Sequence[str]) -> None:
        """Have each worker answer once, by each way, before anything is measured; raises unless all say the same."""
        answers = []
        for worker in self._server.workers:
            client = self._server.client(worker)
            answers += [client.ask("GET", address) for address in addresses]
            client.close()
        said = [msgspec.json.decode(answer.body) for answer in answers if answer.status == HTTPStatus.OK]
        if len(said) < len(answers) or any(each != said[0] for each in said):
            raise RuntimeError(f"Not all of {', '.join(addresses)} answer the same.")

    def _failures(self) -> Iterator[Row]:
        tallies = [tally for tally, _ in self._written]
        written, requests = sum(each.writes for each in tallies), sum(shot.requests for _, shot in self._written)
        note = _STALE_NOTE.format(
            writes=written,
            requests=requests,
            share=written / (written + requests),
            reads=sum(each.reads for each in tallies),
        )
        troubles = "; ".join(trouble for each in tallies for trouble in each.troubles)
        yield _failure_row("errors", Sample((float(self._errors[OURS]),)), troubles)
        yield _failure_row("stale", Sample((float(sum(each.stale for each in tallies)),)), note)


def _is_slow(peer: str, name: str) -> bool:
    # The list, read from the database: in a second no connection would get more than an answer or two.
    return peer in (UNCACHED, SERIALIZED) and name in ("active", "mixed")


# --- the rows ---------------------------------------------------------------------------------------------------------

_TARGETS: Final = {
    "active": (Target("at least", 0.7, FIXED), Target("at least", 50, UNCACHED), Target("at least", 50, SERIALIZED)),
    "profile": (Target("at least", 0.7, FIXED),),
    "balance": (Target("at least", 0.7, FIXED),),
    "mixed": (),
}
_FAILURES: Final = {"errors": "Answers that failed, or did not come", "stale": "Reads older than an acknowledged write"}


def _rows_of(name: str, found: Found | Unable) -> Iterator[Row]:
    yield _row(name, "requests/s", found, lambda shot: shot.rate)
    yield _row(f"{name}-p50", "s", found, lambda shot: shot.p50)
    yield _row(f"{name}-p99", "s", found, lambda shot: shot.p99)


def _row(which: str, unit: str, found: Found | Unable, figure: Callable[[Shot], float]) -> Row:
    name, _, quantile = which.partition("-")
    samples: Mapping[str, Sample | Unable]
    if isinstance(found, Unable):
        samples = {OURS: found}
    else:
        samples = {peer: Sample(tuple(figure(shot) for shot in shots)) for peer, shots in found.items()}
    of_quantile = {"": "", "p50": ": half of the answers take at most", "p99": ": 99 in 100 take at most"}[quantile]
    return Row(
        id=f"load.{which}",
        what=_WHAT[name] + of_quantile,
        samples=samples,
        targets=() if quantile else _TARGETS[name],
        unit=unit,
        note=_NOTE,
    )


def _failure_row(name: str, sample: Sample | Unable, note: str) -> Row:
    return Row(
        id=f"load.{name}",
        what=_FAILURES[name],
        samples={OURS: sample},
        targets=[Target("limit", 0)],
        unit="x",
        note=note,
    )


def _unable(missing: Unable) -> Iterator[Row]:
    for name in _WHAT:
        yield from _rows_of(name, missing)
    for name in _FAILURES:
        yield _failure_row(name, missing, "")
