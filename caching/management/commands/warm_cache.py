"""Loads hot keys before anybody asks for them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from caching.display import value_count
from caching.management.operator import OperatorCommand, add_targets
from caching.operations import cache_warm
from caching.registry import registry
from caching.runtime import runtime

_ONLY_HERE = (
    "Without Redis this warmed the command's own process, which ends now. "
    "Servers warm themselves when they start with CACHING['WARM_AT_START'] on."
)


class Command(OperatorCommand):
    help = "Load into the cache what each region declares as hot."

    def add_arguments(self, parser: CommandParser) -> None:
        add_targets(parser, "warm")

    def handle(self, *_: Any, **options: Any) -> None:
        loaded = self._warm(regions=options["region"], orgs=options["org"])
        for name, count in loaded.items():
            hot = registry.get(name).warm_keys is not None
            self.stdout.write(f"{name}: {count if hot else 'declares nothing to warm'}")
        self.stdout.write(self.style.SUCCESS(f"Loaded {value_count(sum(loaded.values()))}."))
        if runtime.redis is None:
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
