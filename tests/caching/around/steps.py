"""Follows by hand what a program has written, one message after the other, whatever database tells of it."""

from __future__ import annotations

from caching.around.follower import Follower

__all__ = ["follow_writes"]


def follow_writes(follower: Follower, writes: int) -> None:
    """Follow so many writes; fails when fewer are told within half a minute, or more."""
    followed = 0
    while followed < writes:
        found = follower.step(30)
        assert found, f"only {followed} of {writes} writes were told"
        followed += found
    assert followed == writes
