"""The order of all commits, kept by the scratch database itself: no writer can forget it or get it wrong."""

from __future__ import annotations

from django.db import connection

from tests.prove.history import Commit, now

# Each loads what the other need not have.
if connection.vendor == "mongodb":
    from tests.prove import changes as log
else:
    from tests.prove import triggers as log

__all__ = ["commitlog_create", "commits_all", "commits_forget", "seq_known", "seq_last"]


def commitlog_create() -> None:
    """Begin the log: all that is written from now on is in it."""
    log.create()


def commits_all() -> list[Commit]:
    """Return the whole log, oldest first; to be asked for where it was begun."""
    return log.commits_all()


def commits_forget() -> None:
    """Drop from the log all but the newest commit of each value."""
    log.commits_forget()


def seq_last() -> int:
    """Return the number of the newest commit that this thread's connection can see."""
    return log.seq_last()


def seq_known(mark: str, at: float) -> tuple[int, float]:
    """Return the number of a commit that is done, for who wrote `mark` and was told so by `at`, and by when it was."""
    seq = log.seq_of(mark)
    if seq is not None:
        return seq, at
    # What has no room for a mark is known by what stands in the log afterwards.
    return seq_last(), now()
