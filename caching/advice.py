"""What an operator would be told by somebody who knows the figures: what is wrong, why, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from caching.conf import conf
from caching.registry import registry
from caching.runtime import runtime
from caching.tallies import RegionUsage

__all__ = ["LOW_HIT_RATE", "MUCH_MEMORY", "Advice", "advice"]

About = Literal["hit rate", "misses", "memory", "violations", "stale"]

#: The specification's: below this hit rate, above so many bytes of local memory, something is to be done.
LOW_HIT_RATE: Final = 0.70
MUCH_MEMORY: Final = 100 * 1024 * 1024

# Of fewer reads a rate says nothing.
_ENOUGH: Final = 100
# What is read at least so often in a minute, on average, is read often.
_OFTEN: Final = 10


class Advice(msgspec.Struct, frozen=True):
    """A sentence or two on what was seen and why, and one or two on what to do about it."""

    region: str
    about: About
    cause: str
    remedy: str


def advice(usage: RegionUsage, *, minutes: int, hosts: int, org: str = "") -> list[Advice]:
    """Return what is to be said of a region's figures of so many minutes on so many servers; nothing when all is well.

    Of an organisation (`org`) less is known than of a region, and less is said.
    """
    said = [*_misses(usage, minutes, org)]
    if not org:
        said += [*_memory(usage, hosts), *_violations(usage), *_stale(usage)]
    return said


def _misses(usage: RegionUsage, minutes: int, org: str) -> Iterator[Advice]:
    if usage.hit_rate is None or usage.requests < _ENOUGH:
        return
    found = f"{usage.label}: {usage.hit_rate:.1%} of {usage.requests:,} reads were hits"
    per_minute = usage.requests / max(1, minutes)
    if usage.hit_rate < LOW_HIT_RATE:
        cause, remedy = _why_missed(usage, org)
        yield Advice(usage.region, "hit rate", f"{found}, fewer than {LOW_HIT_RATE:.0%}. {cause}", remedy)
    elif usage.meets_target is False and per_minute >= _OFTEN:
        cause, remedy = _why_missed(usage, org)
        often = f"{found}, though it is read {per_minute:,.0f} times a minute and {usage.target:.0%} are expected"
        yield Advice(usage.region, "misses", f"{often}. {cause}", remedy)


def _why_missed(usage: RegionUsage, org: str) -> tuple[str, str]:
    """Return the likeliest reason for the misses, and what helps; the rarer reasons are asked for first."""
    misses = usage.misses
    if usage.errors >= 0.3 * misses:
        return (
            f"Redis did not answer {usage.errors:,} times.",
            "Look at Redis and the way to it; `manage.py cache_stats` says how it is now.",
        )
    if usage.bypassed >= 0.5 * misses:
        return (
            f"{usage.bypassed:,} of {misses:,} misses went around the cache because a writer was at work on what was "
            "read, or the reader's own transaction had written.",
            "Keep transactions that write it short, write many rows in one transaction instead of many, and read after "
            "the commit.",
        )
    if usage.refused >= 0.5 * misses:
        return (
            f"{usage.refused:,} loads could not be kept: they were made inside a transaction, or what they read was "
            "changed meanwhile.",
            "Read outside of transactions: see check caching.W003, and `transaction.non_atomic_requests`.",
        )
    if usage.rejected >= 0.3 * misses:
        return (
            f"{usage.rejected:,} values in Redis were of no use: the cache was cleared, or another release wrote them.",
            "Clear one key or organisation instead of everything, and let no two releases run side by side for long.",
        )
    if usage.evictions >= 0.3 * misses:
        return (
            f"Memory is short: {usage.evictions:,} values were evicted to make room.",
            "Raise CACHING['LOCAL_MAX_BYTES'], LOCAL_MAX_ENTRIES or the region's quota, or shorten the time to live of "
            "what is seldom read.",
        )
    if usage.invalidations >= 0.5 * misses:
        return (
            f"It changes about as often as it is read anew: {usage.invalidations:,} invalidations for {misses:,} "
            "misses. A longer time to live would not help.",
            "See whether its fresh_on names rows or fields that it does not show, and cache smaller parts.",
        )
    if org:
        return (
            "Its copies run out before they are read again, or are read for the first time.",
            f"Load them before they are asked for: `manage.py warm_cache --org {org}`.",
        )
    return (_too_short(usage), _longer(usage))


def _too_short(usage: RegionUsage) -> str:
    region = registry.regions.get(usage.region)
    lives = ""
    if region is not None:
        seconds = region.local_ttl if runtime.redis is None else max(region.local_ttl, region.redis_ttl)
        lives = f" after {seconds:g} s"
    return f"Its copies run out{lives} before they are read again, or are read for the first time."


def _longer(usage: RegionUsage) -> str:
    option = "local_ttl" if runtime.redis is None else "redis_ttl"
    say = (
        f"Let them live longer (CACHING['REGIONS'] = {{'{usage.region}': {{'{option}': ...}}}}; commits keep them "
        f"fresh all the same), and load them before they are asked for: "
        f"`manage.py warm_cache --region {usage.region}`, CACHING['WARM_AT_START']."
    )
    if not conf.WITH_REDIS:
        say += " With Redis, what one process has loaded is a hit for all."
    return say


def _memory(usage: RegionUsage, hosts: int) -> Iterator[Advice]:
    each = usage.peak_bytes / max(1, hosts)
    if each > MUCH_MEMORY:
        held, much = (f"{size / 1024**2:,.0f} MB" for size in (each, MUCH_MEMORY))
        yield Advice(
            usage.region,
            "memory",
            f"{usage.label}: up to {held} of local memory on a server, more than {much}.",
            f"Shorten its time to live (CACHING['REGIONS'] = {{'{usage.region}': {{'local_ttl': ...}}}}), or give it a "
            "quota (local_max_bytes).",
        )


def _violations(usage: RegionUsage) -> Iterator[Advice]:
    if usage.violations:
        yield Advice(
            usage.region,
            "violations",
            f"{usage.label}: the auditor found old values, {usage.violations:,} of {usage.audited:,} hits that it "
            "compared with the database. Something writes past the framework (another program, SQL by hand), or its "
            "fresh_on lacks a model.",
            "`manage.py cache_audit` says what is old; complete fresh_on, or call invalidate() where that is written. "
            f"Until then clear it after such writes (`manage.py clear_cache --region {usage.region}`) and shorten its "
            "time to live.",
        )


def _stale(usage: RegionUsage) -> Iterator[Advice]:
    if usage.stale:
        yield Advice(
            usage.region,
            "stale",
            f"{usage.label}: {usage.stale:,} reads got an expired value because the database failed or was slow.",
            "Look at the database at that time. What may not be answered so needs stale_for 0, or a longer "
            "soft_timeout.",
        )
