"""System checks of predictive loading: switches and budgets that cannot work, and regions that follow none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from caching.conf import conf
from caching.registry import registry

__all__ = ["check_prefetch"]


@register(Tags.caches)
def check_prefetch(**_: Any) -> list[CheckMessage]:
    """Check `CACHING["PREFETCH"]`, its budget, every region's `prefetch` and what regions follow."""
    return [*_settings(), *_regions(), *_declarations()]


def _settings() -> Iterator[CheckMessage]:
    if not isinstance(conf.PREFETCH, bool):
        yield Error(
            f"CACHING['PREFETCH'] must be True or False, not {conf.PREFETCH!r}.",
            hint="How much is loaded says PREFETCH_PER_MINUTE.",
            id="caching.E043",
        )
    budget = conf.PREFETCH_PER_MINUTE
    if not isinstance(budget, int) or isinstance(budget, bool) or budget < 1:
        yield Error(
            f"CACHING['PREFETCH_PER_MINUTE'] must be a whole number above 0, not {budget!r}.",
            hint="To load nothing ahead, set PREFETCH to False.",
            id="caching.E044",
        )


def _regions() -> Iterator[CheckMessage]:
    if not isinstance(conf.REGIONS, Mapping):
        # An error of the other checks.
        return
    for name, options in conf.REGIONS.items():
        if isinstance(options, Mapping) and not isinstance(options.get("prefetch", True), bool):
            yield Error(
                f"CACHING['REGIONS'][{name!r}]['prefetch'] must be True or False, not {options['prefetch']!r}.",
                hint="True: its values may be loaded ahead if PREFETCH is on.",
                id="caching.E043",
            )


def _declarations() -> Iterator[CheckMessage]:
    for region in registry.regions.values():
        for each in region.follows:
            if each.region not in registry.regions:
                yield Error(
                    f"Region {region.name!r} follows {each.region!r}, which is no region.",
                    hint=f"Regions: {', '.join(sorted(registry.regions))}.",
                    obj=region.loader,
                    id="caching.E045",
                )
