"""System checks of how values lie in Redis: keys that cannot work, and regions left without the ones they demand."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from caching.conf import conf
from caching.encryption import decoded_keys
from caching.errors import CachingError
from caching.registry import registry

__all__ = ["check_encryption"]

_MAKE_ONE = "`manage.py cache_key` makes one; keep it in the environment, not in the settings file."


@register(Tags.caches)
def check_encryption(**_: Any) -> list[CheckMessage]:
    """Check `CACHING["ENCRYPTION_KEYS"]`, which regions demand them, and from which size on values are compressed."""
    return [*_keys(), *_sizes(), *_switches()]


def _keys() -> Iterator[CheckMessage]:
    try:
        keys = decoded_keys(conf.ENCRYPTION_KEYS)
    except CachingError as error:
        yield Error(f"CACHING['ENCRYPTION_KEYS']: {error}", hint=_MAKE_ONE, id="caching.E050")
        return
    if keys and importlib.util.find_spec("cryptography") is None:
        yield Error(
            "CACHING['ENCRYPTION_KEYS'] is set, but cryptography is not installed: nothing can be kept in Redis.",
            hint="pip install cryptography",
            id="caching.E052",
        )
    given = dict(_options())
    demanding = [
        name
        for name, region in sorted(registry.regions.items())
        if given.get(name, {}).get("encrypted", region.demands_encryption)
    ]
    if demanding and not keys:
        yield Error(
            f"Values of {', '.join(demanding)} must be encrypted, and CACHING['ENCRYPTION_KEYS'] holds no key.",
            hint=f"{_MAKE_ONE} Until then these values are kept in local memory alone.",
            id="caching.E051",
        )


def _options() -> Iterator[tuple[str, Mapping[str, Any]]]:
    # What else may be wrong with REGIONS is said by `caching.checks`.
    regions = conf.REGIONS if isinstance(conf.REGIONS, Mapping) else {}
    return ((name, options) for name, options in regions.items() if isinstance(options, Mapping))


def _is_size(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _sizes() -> Iterator[CheckMessage]:
    given = [("CACHING['COMPRESS_ABOVE']", conf.COMPRESS_ABOVE)]
    given += [
        (f"CACHING['REGIONS'][{name!r}]['compress_above']", options["compress_above"])
        for name, options in _options()
        if "compress_above" in options
    ]
    for where, value in given:
        if not _is_size(value):
            yield Error(
                f"{where} cannot be {value!r}.",
                hint="It is a size in bytes, at least 0; None: nothing is compressed.",
                id="caching.E053",
            )


def _switches() -> Iterator[CheckMessage]:
    for name, options in _options():
        encrypted = options.get("encrypted")
        if encrypted is not None and not isinstance(encrypted, bool):
            yield Error(
                f"CACHING['REGIONS'][{name!r}]['encrypted'] cannot be {encrypted!r}.",
                hint="True demands encryption, False does without, None encrypts when there are keys.",
                id="caching.E053",
            )
