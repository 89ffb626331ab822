"""Loads hot keys before anybody asks for them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from caching.conf import conf
from caching.display import value_count
from caching.management.operator import OperatorCommand, add_json, add_targets, targets
from caching.operations import cache_warm, cache_warm_hot
from caching.registry import registry
from caching.runtime import runtime

_ONLY_HERE = (
    "Without Redis this warmed the command's own process, which ends now. "
    "Servers warm themselves when they start with CACHING['WARM_AT_START'] on."
)
_NONE_WRITTEN = "No hot keys are written down: servers do that every five minutes, of what is read."
_OFF = "No hot keys are written down: CACHING['HOT_KEYS'] is 0."


class Command(OperatorCommand):
    help = (
        "Load into the cache what each region declares as hot, or what was read most in the last run. "
        "Exit code 0: done; 1: a region or organisation that does not exist, or Redis does not answer."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_targets(parser, "warm")
        parser.add_argument(
            "--hot", action="store_true", help="load the keys that were read most in the last run, and nothing else"
        )
        add_json(
            parser,
            'lines: {"loaded": {region: values}, "total": values, "shared": whether servers find them}',
        )

    def handle(self, *_: Any, **options: Any) -> None:
        (regions, orgs), hot = targets(options), options["hot"]
        warm = cache_warm_hot if hot else self._warm
        loaded = warm(regions=regions, orgs=orgs)
        total, shared = sum(loaded.values()), runtime.redis is not None
        if options["json"]:
            self.write_json({"loaded": dict(sorted(loaded.items())), "total": total, "shared": shared})
            return
        for name, count in loaded.items():
            nothing_declared = not hot and registry.get(name).warm_keys is None
            self.stdout.write(f"{name}: {'declares nothing to warm' if nothing_declared else count}")
        self.stdout.write(self.style.SUCCESS(f"Loaded {value_count(total)}."))
        if hot and not loaded:
            self.stdout.write(_NONE_WRITTEN if conf.HOT_KEYS else _OFF)
        elif not shared:
            self.stdout.write(_ONLY_HERE)

    def _warm(self, *, regions: list[str], orgs: list[str]) -> dict[str, int]:
        names = regions or sorted(registry.regions)
        total = 0
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("regions, {task.fields[loaded]} values"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
            task = progress.add_task("Warming", total=len(names), loaded=0)

            def on_batch(region: str, count: int) -> None:
                nonlocal total
                total += count
                progress.update(task, description=f"Warming {region}", completed=names.index(region), loaded=total)

            return cache_warm(regions=regions, orgs=orgs, on_batch=on_batch)
