"""Compares what Redis has with the database, for who wants to know now."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterable
from io import StringIO
from typing import Any, Final

import msgspec
from django.core.management.base import CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS
from rich.console import Console
from rich.table import Table

from caching.audit import Judge, Verdict
from caching.consistency import Consistency, consistency
from caching.errors import RedisUnavailable
from caching.keys import Key
from caching.management.operator import FELL_SHORT, OperatorCommand, add_json, add_targets, targets
from caching.regions import Region
from caching.registry import registry
from caching.runtime import runtime
from caching.scripts import command

_LIMIT: Final = 100

_NO_REDIS = (
    "Without Redis there is nothing that this command could see: each server process has its own memory. Those audit "
    "themselves (CACHING['AUDIT_RATE']); `manage.py cache_stats` shows what they have found."
)


class RegionAudit(msgspec.Struct, frozen=True, kw_only=True):
    """Of `keys` drawn from the region's hot ones, what Redis had and how that compared with the database.

    `absent` are those that a read would not have found in Redis, `undecided` those that others were writing or that
    could not be loaded. `keys` is None for a region that declares no hot keys.
    """

    name: str
    keys: int | None
    absent: int
    undecided: int
    consistency: Consistency


class Command(OperatorCommand):
    help = (
        "Compare hot values in Redis with the database. What differs is looked at again after "
        "CACHING['AUDIT_WINDOW_SECONDS'], and evicted if it is old still. Exit code 0: nothing was old; 3: something "
        "was; 1: nothing could be compared."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_targets(parser, "audit")
        parser.add_argument(
            "--limit",
            type=int,
            default=_LIMIT,
            metavar="N",
            help=f"compare at most so many values of each region, drawn at random (default {_LIMIT})",
        )
        add_json(parser, "a table")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["limit"] < 1:
            raise CommandError("--limit must be at least 1.")
        names, orgs = targets(options)
        regions = [registry.get(name) for name in sorted(names or registry.regions)]
        trips = _require_redis()
        audits = [_audited(region, orgs, options["limit"]) for region in regions]
        if _require_redis() != trips:
            # What was asked for meanwhile looks as if it were not there.
            raise CommandError("Not all was audited: Redis did not answer for a moment. Try again.")
        if options["json"]:
            self.write_json({"regions": audits})
        else:
            self.stdout.write(_as_table(audits))
        if any(each.consistency.violations for each in audits):
            sys.exit(FELL_SHORT)


def _require_redis() -> int:
    """Return how often Redis was given up so far; raises `CommandError` when it does not answer."""
    if runtime.redis is None:
        raise CommandError(_NO_REDIS)
    try:
        runtime.redis.execute([command("PING")])
    except RedisUnavailable as error:
        raise CommandError(f"Nothing was audited, or not all: {error}. Try again.") from error
    trips: int = runtime.breaker.describe()["trips"]
    return trips


def _audited(region: Region[Any], orgs: list[str], limit: int) -> RegionAudit:
    verdicts: Counter[Verdict] = Counter()
    keys = None if region.warm_keys is None else _drawn(region.warm_keys(orgs or None, DEFAULT_DB_ALIAS), limit)
    judge = Judge()
    for org, *parts in keys or ():
        verdicts[judge.look(Key(region.name, org, parts))] += 1
    while judge.due is not None:
        # All suspects share the wait.
        runtime.clock.sleep(max(0.0, judge.due - runtime.clock.now()))
        verdicts.update(verdict for _, verdict in judge.judge())
    audited = verdicts[Verdict.CONSISTENT] + verdicts[Verdict.VIOLATION]
    return RegionAudit(
        name=region.name,
        keys=None if keys is None else len(keys),
        absent=verdicts[Verdict.ABSENT],
        undecided=verdicts[Verdict.UNDECIDED],
        consistency=consistency({"audited": audited, "violations": verdicts[Verdict.VIOLATION]}),
    )


def _drawn(names: Iterable[tuple[Any, ...]], limit: int) -> list[tuple[Any, ...]]:
    """Return so many of the names, each with the same chance: Vitter's algorithm R (1985), which keeps no more."""
    drawn: list[tuple[Any, ...]] = []
    for number, name in enumerate(names):
        if number < limit:
            drawn.append(name)
        elif (place := random.randrange(number + 1)) < limit:  # noqa: S311 -- a sample, no secret
            drawn[place] = name
    return drawn


def _as_table(audits: list[RegionAudit]) -> str:
    table = Table(title="Redis beside the database", title_justify="left")
    table.add_column("Region", overflow="fold")
    for heading in ("Drawn", "Not in Redis", "Undecided", "Audited", "Old"):
        table.add_column(heading, justify="right")
    table.add_column("Consistency")
    for each in audits:
        if each.keys is None:
            table.add_row(each.name, "-", "-", "-", "-", "-", "declares no hot keys")
            continue
        found = each.consistency
        old = f"[red]{found.violations}[/red]" if found.violations else "0"
        table.add_row(
            each.name, f"{each.keys}", f"{each.absent}", f"{each.undecided}", f"{found.audited}", old, found.sentence
        )
    console = Console(file=StringIO(), width=140)
    console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined] # the StringIO given above
    return text.rstrip("\n")
