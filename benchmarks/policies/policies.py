"""The policies that are compared, each as what it changes of the cache's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from caching.conf import DEFAULTS

__all__ = ["FIXED", "POLICIES", "available"]

#: The one that the others are compared with.
FIXED: Final = "fixed"

POLICIES: Final[Mapping[str, Mapping[str, Any]]] = {
    FIXED: {"ADAPTIVE_TTL": False, "PREFETCH": False},
    "adaptive": {"ADAPTIVE_TTL": True, "PREFETCH": False},
    "predictive": {"ADAPTIVE_TTL": False, "PREFETCH": True},
    "both": {"ADAPTIVE_TTL": True, "PREFETCH": True},
}


def available() -> dict[str, dict[str, Any]]:
    """Return the policies that the cache has the settings for, without any that it does not know."""
    return {
        name: {option: value for option, value in options.items() if option in DEFAULTS}
        for name, options in POLICIES.items()
        if all(option in DEFAULTS for option, value in options.items() if value)
    }
