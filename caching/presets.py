"""Settings that go together: a project names the preset that fits it, and changes only what it must."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["PRESETS", "WITH_REDIS"]

#: `CACHING["PRESET"]` and what it changes of the defaults. Regions add what they declare for it (`Region(presets=)`).
PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    # One restaurant, one server: local memory suffices.
    "small": {},
    # One server or more with many readers: values live longer, those that do not change much longer, and what will be
    # read next is there.
    "high_traffic": {"ADAPTIVE_TTL": True, "PREFETCH": True},
    # Many restaurants on several servers, each of which starts warm, and none of which pushes the others out.
    "multi_location": {"WARM_AT_START": True, "LOCAL_ORG_SHARE": 0.25},
}

#: Those that are made for a Redis which all servers share.
WITH_REDIS: Final = frozenset({"high_traffic", "multi_location"})
