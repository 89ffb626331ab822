"""System checks of quotas: one that cannot work, never counts or costs more than it saves is said at start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Tags, Warning, register

from caching.conf import QUOTA_OPTIONS, conf

__all__ = ["check_quotas"]

# Whoever holds less than this part looks at a thousand others' entries to find one of its own that can go.
_LEAST_PART: Final = 1000


@register(Tags.caches)
def check_quotas(**_: Any) -> list[CheckMessage]:
    """Check the quotas of regions and of organisations in `settings.CACHING`."""
    # What is no dictionary has an error of its own.
    regions = conf.REGIONS if isinstance(conf.REGIONS, Mapping) else {}
    return [
        *_share(),
        *(
            message
            for name, options in regions.items()
            if isinstance(options, Mapping)
            for option in sorted(QUOTA_OPTIONS.intersection(options))
            for message in _region(name, option, options[option])
        ),
    ]


def _share() -> Iterator[CheckMessage]:
    share = conf.LOCAL_ORG_SHARE
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 1:
        yield Error(
            f"CACHING['LOCAL_ORG_SHARE'] must be a number above 0 and at most 1, not {share!r}.",
            hint="0.25 lets one organisation hold a quarter of local memory; 1 is no quota.",
            id="caching.E021",
        )
    elif share * _LEAST_PART < 1:
        yield Warning(
            f"CACHING['LOCAL_ORG_SHARE'] is {share!r}: an organisation that has its share looks through much of local "
            "memory whenever it keeps one value more.",
            hint=f"Make it {1 / _LEAST_PART} or more.",
            id="caching.W021",
        )


def _region(name: str, option: str, value: object) -> Iterator[CheckMessage]:
    setting = f"CACHING['REGIONS'][{name!r}][{option!r}]"
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        yield Error(
            f"{setting} must be a whole number above 0, not {value!r}.",
            hint="Say how many bytes, or entries, of local memory the region may hold; None: no quota.",
            id="caching.E020",
        )
        return
    whole = "LOCAL_MAX_BYTES" if option == "local_max_bytes" else "LOCAL_MAX_ENTRIES"
    most = getattr(conf, whole)
    if not isinstance(most, int | float):
        return
    if value > most:
        yield Warning(
            f"{setting} is {value}, but all regions together may hold {most}: it is no quota.",
            hint=f"Make it less than CACHING[{whole!r}], or leave it out.",
            id="caching.W020",
        )
    elif value * _LEAST_PART < most:
        yield Warning(
            f"{setting} is {value}, less than a thousandth of CACHING[{whole!r}]: a region that has its quota looks "
            "through much of local memory whenever it keeps one value more.",
            hint=f"Make it {most // _LEAST_PART} or more, or {whole} less.",
            id="caching.W021",
        )
