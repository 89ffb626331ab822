"""Finds the stale reads in a history of commits."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from tests.prove.history import Ack, Commit, Event, ListRead, Read

__all__ = ["Stale", "stale_reads"]


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

    def may_be_unlisted_after(self, due: Commit) -> bool:
        """Whether the value was outside of its list at or after `due`."""
        return any(not commit.listed for commit in self.commits[bisect_left(self.seqs, due.seq) :])


def stale_reads(commits: Iterable[Commit], events: Iterable[Event]) -> list[Stale]:
    """Return the reads that did not see what was committed before they began.

    Commit `n` was, if somebody had been told so before the read began (A), or if the reader itself had found it in the
    database (C). The database commits one transaction after another, so with `n` all earlier commits were done.
    """
    history = list(events)
    acks = sorted((event for event in history if isinstance(event, Ack)), key=lambda ack: ack.at)
    check = _Checker(commits, acks)
    return [stale for event in history if not isinstance(event, Ack) for stale in check.read(event)]


class _Checker:
    def __init__(self, commits: Iterable[Commit], acks: list[Ack]) -> None:
        self._values: dict[str, _Value] = defaultdict(_Value)
        self._groups: dict[str, dict[str, _Value]] = defaultdict(dict)
        for commit in sorted(commits, key=lambda commit: commit.seq):
            self._values[commit.key].add(commit)
            if commit.group:
                self._groups[commit.group][commit.key] = self._values[commit.key]
        self._times = [ack.at for ack in acks]
        self._newest: list[Ack] = []
        for ack in acks:
            self._newest.append(ack if not self._newest or ack.seq > self._newest[-1].seq else self._newest[-1])

    def read(self, read: Read | ListRead) -> Iterator[Stale]:
        due, why = self._due(read)
        if isinstance(read, Read):
            yield from self._value(read, read.key, read.token, self._values[read.key], due, why)
            return
        items = self._groups[read.key]
        for key, token in read.tokens.items():
            yield from self._value(read, key, token, items.get(key, _Value()), due, why, listed=True)
        for key, value in items.items():
            expected = value.at(due)
            absent = key not in read.tokens
            if absent and expected and expected.listed and not value.may_be_unlisted_after(expected):
                yield Stale(read, key, None, 0, expected, f"missing from the list; {why}")

    def _due(self, read: Read | ListRead) -> tuple[int, str]:
        index = bisect_left(self._times, read.began)
        if index and self._newest[index - 1].seq > read.seen:
            ack = self._newest[index - 1]
            return ack.seq, f"acknowledged to {ack.writer} {1000 * (read.began - ack.at):.1f} ms or more before"
        return read.seen, "found in the database by the reader itself just before"

    def _value(
        self,
        read: Read | ListRead,
        key: str,
        token: str | None,
        value: _Value,
        due: int,
        why: str,
        *,
        listed: bool = False,
    ) -> Iterator[Stale]:
        expected = value.at(due)
        got = value.by_token.get(token) if token is not None else None
        if token is not None and got is None:
            yield Stale(read, key, token, None, expected, "never committed")
        elif expected is not None and (got is None or got.seq < expected.seq):
            yield Stale(read, key, token, got.seq if got else 0, expected, why)
        elif listed and got is not None and not got.listed:
            yield Stale(read, key, token, got.seq, expected, "in the list, though it says itself that it is not")
