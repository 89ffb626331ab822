"""Finds the stale reads in a history of commits, and how far behind those who may be were."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from tests.prove.history import Ack, Attempt, Commit, Event, ListRead, Read

__all__ = ["Stale", "lags", "stale_reads"]


class Stale(msgspec.Struct, frozen=True):
    """A read that returned something older than `due`, or something that never was committed (`got` is None)."""

    read: Read | ListRead
    key: str
    token: str | None
    got: int | None
    due: Commit | None
    why: str


class _Value:
    """The commits of one value, oldest first."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.seqs: list[int] = []
        self.by_token: dict[str, Commit] = {}

    def add(self, commit: Commit) -> None:
        self.commits.append(commit)
        self.seqs.append(commit.seq)
        self.by_token[commit.token] = commit

    def at(self, seq: int) -> Commit | None:
        """Return the value's last commit up to `seq`."""
        index = bisect_right(self.seqs, seq)
        return self.commits[index - 1] if index else None

    def after(self, seq: int) -> Commit | None:
        """Return the value's first commit behind `seq`."""
        index = bisect_right(self.seqs, seq)
        return self.commits[index] if index < len(self.seqs) else None

    def is_listed_throughout(self, name: str, first: Commit, last: int) -> bool:
        """Whether the value stood in the list from its commit `first` to the commit `last` of anything."""
        since = self.commits[bisect_left(self.seqs, first.seq) : bisect_right(self.seqs, last)]
        return all(name in commit.lists for commit in since)


def stale_reads(
    commits: Iterable[Commit], events: Iterable[Event], allowances: Mapping[str, float] | None = None
) -> list[Stale]:
    """Return the reads that did not see what was committed before they began.

    Commit `n` was, if its writer had been told so before the read began, or if a reader had found it in the database by
    then. The database commits one transaction after another, so with `n` all earlier commits were done. `allowances`
    says by how many seconds the readers of some processes may be behind: those of other hosts.
    """
    judge = _Judge(commits, list(events))
    return [stale for read in judge.reads for stale in judge.judged(read, (allowances or {}).get(_process(read), 0.0))]


def lags(commits: Iterable[Commit], events: Iterable[Event], process: str) -> list[float]:
    """Return, for each read by `process`, the seconds for which a newer value than it got had been known by then."""
    judge = _Judge(commits, list(events))
    return [judge.lag(read) for read in judge.reads if _process(read) == process]


def _process(read: Read | ListRead) -> str:
    return read.reader.partition(".")[0]


class _Judge:
    def __init__(self, commits: Iterable[Commit], events: list[Event]) -> None:
        self.reads = [event for event in events if isinstance(event, Read | ListRead)]
        self._values: dict[str, _Value] = defaultdict(_Value)
        self._lists: dict[str, dict[str, _Value]] = defaultdict(dict)
        ordered = sorted(commits, key=lambda commit: commit.seq)
        for commit in ordered:
            self._values[commit.key].add(commit)
            for name in commit.lists:
                self._lists[name][commit.key] = self._values[commit.key]
        self._know(events)
        self._bound(ordered, {event.mark: event.at for event in events if isinstance(event, Attempt)})

    def _know(self, events: list[Event]) -> None:
        # Who has found a commit in the database knows of it as well as who was told that it is done.
        known = [event for event in events if isinstance(event, Ack)]
        known += [Ack(read.reader, read.began, read.seen) for read in self.reads if read.seen]
        self._times: list[float] = []
        self._newest: list[Ack] = []
        for ack in sorted(known, key=lambda ack: ack.at):
            if not self._newest or ack.seq > self._newest[-1].seq:
                self._times.append(ack.at)
                self._newest.append(ack)
        self._seqs = [ack.seq for ack in self._newest]

    def _bound(self, ordered: list[Commit], attempts: dict[str, float]) -> None:
        # A commit is later than its writer's beginning, and than every commit before it.
        self._order = [commit.seq for commit in ordered]
        self._earliest: list[float] = []
        latest = -math.inf
        for commit in ordered:
            latest = max(latest, attempts.get(commit.mark, -math.inf))
            self._earliest.append(latest)

    def judged(self, read: Read | ListRead, allowance: float) -> Iterator[Stale]:
        due, why = self._due(read, allowance)
        if isinstance(read, Read):
            yield from self._value(read, read.key, read.token, due, why)
            return
        for key, token in read.tokens.items():
            yield from self._value(read, key, token, due, why, listed=True)
        last = self._last_possible(read)
        for key, value in self._lists[read.key].items():
            if key in read.tokens:
                continue
            expected = value.at(due)
            if expected is not None and value.is_listed_throughout(read.key, expected, last):
                yield Stale(read, key, None, 0, expected, f"missing from the list; {why}")

    def _due(self, read: Read | ListRead, allowance: float) -> tuple[int, str]:
        index = bisect_left(self._times, read.began - allowance)
        known = self._newest[index - 1] if index else None
        if not allowance and read.seen >= (known.seq if known else 0):
            return read.seen, "found in the database by the reader itself just before"
        if known is None:
            return 0, ""
        return known.seq, f"known to {known.writer} {1000 * (read.began - known.at):.1f} ms or more before"

    def _last_possible(self, read: Read | ListRead) -> int:
        """Return the last commit that may have been done when the read ended."""
        if read.ended is None or not self._order:
            return self._order[-1] if self._order else 0
        index = bisect_right(self._earliest, read.ended)
        return self._order[index - 1] if index else 0

    def _value(
        self, read: Read | ListRead, key: str, token: str | None, due: int, why: str, *, listed: bool = False
    ) -> Iterator[Stale]:
        value = self._values[key]
        expected = value.at(due)
        got = value.by_token.get(token) if token is not None else None
        if token is not None and got is None:
            yield Stale(read, key, token, None, expected, "never committed")
        elif expected is not None and (got is None or got.seq < expected.seq):
            yield Stale(read, key, token, got.seq if got else 0, expected, why)
        elif listed and got is not None and read.key not in got.lists:
            yield Stale(read, key, token, got.seq, expected, "in the list, though it says itself that it is not")

    def lag(self, read: Read | ListRead) -> float:
        tokens = {read.key: read.token} if isinstance(read, Read) else read.tokens
        return max((self._lag(read, key, token) for key, token in tokens.items()), default=0.0)

    def _lag(self, read: Read | ListRead, key: str, token: str | None) -> float:
        got = self._values[key].by_token.get(token) if token is not None else None
        newer = self._values[key].after(got.seq if got else 0)
        index = bisect_left(self._seqs, newer.seq) if newer else len(self._seqs)
        return max(0.0, read.began - self._times[index]) if index < len(self._times) else 0.0
