"""How long a region's values live: as declared, as its preset has it, as the settings say, or as its keys are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from caching.conf import REGION_OPTIONS, conf
from caching.errors import CachingError
from caching.presets import PRESETS
from caching.runtime import runtime
from caching.tiers.entry import LocalKey

__all__ = ["Bounds", "Options", "Tuned"]

#: Of `local_ttl`, `redis_ttl`, `stale_for`, `soft_timeout`: seconds.
Options = Mapping[str, float | None]

#: The least and the most that an adaptive time to live may become, in seconds.
Bounds = tuple[float, float]

# Without bounds of its own a region's times to live become so many times the declared ones, at least and at most.
_LEAST_SHARE: Final = 0.25
_MOST_TIMES: Final = 8.0


class Tuned:
    """The times of a region; each is read anew from the settings.

    `presets` has what is other under a preset; `ttl_bounds` are those of adaptive times (None: a quarter of what is
    declared, and eight times as much). Raises `CachingError` for what is no preset, or no option of one.
    """

    def __init__(
        self,
        name: str,
        options: Options,
        presets: Mapping[str, Options],
        *,
        money: bool,
        ttl_bounds: Bounds | None = None,
    ) -> None:
        for preset, changed in presets.items():
            if preset not in PRESETS or not REGION_OPTIONS.issuperset(changed):
                message = f"presets={{{preset!r}: {sorted(changed)}}} is no preset, or no option of one."
                raise CachingError(f"Region {name!r}: {message}")
        self.name = name
        self.money = money
        self._options = options
        self._presets = presets
        self._ttl_bounds = ttl_bounds
        # Which settings they were read from.
        self._spans_of: tuple[object, object] = (None, None)
        self._spans = (0.0, 0.0)

    @property
    def local_ttl(self) -> float:
        return float(self.option("local_ttl") or 0)

    @property
    def redis_ttl(self) -> float:
        return float(self.option("redis_ttl") or 0)

    @property
    def stale_for(self) -> float:
        """Seconds for which an expired value may stand in; 0 for money, whatever is configured."""
        return 0.0 if self.money else float(self.option("stale_for") or 0)

    @property
    def soft_timeout(self) -> float | None:
        return self.option("soft_timeout")

    @property
    def spans(self) -> tuple[float, float]:
        """`local_ttl` and `stale_for`, together, for those who need them for every hit."""
        regions, preset = conf.REGIONS, conf.PRESET
        of_regions, of_preset = self._spans_of
        if regions is not of_regions or preset != of_preset:
            # In this order: another thread that sees where they are from sees them.
            self._spans = self.local_ttl, self.stale_for
            self._spans_of = regions, preset
        return self._spans

    # --- adaptive times -----------------------------------------------------------------------------------------------

    @property
    def adapts(self) -> bool:
        """Whether each key has a time to live of its own; never for money, whatever is configured."""
        return bool(conf.ADAPTIVE_TTL) and not self.money

    @property
    def ttl_bounds(self) -> Bounds | None:
        """Seconds for both tiers, as the settings or the declaration say; None: they follow the declared times."""
        given: Mapping[str, Bounds | None] = conf.REGIONS.get(self.name) or {}
        return given.get("ttl_bounds", self._ttl_bounds)

    def bounds_of(self, declared: float) -> Bounds:
        """Return what may become of a time to live that is `declared`, in seconds."""
        return self.ttl_bounds or (declared * _LEAST_SHARE, declared * _MOST_TIMES)

    def local_life(self, key: LocalKey, body: bytes) -> float:
        """Return how many seconds a value may live in local memory that was just loaded, where there is no Redis."""
        declared = self.local_ttl
        return runtime.adaptive.loaded(self, key, body, declared) if self.adapts else declared

    def redis_life(self, key: LocalKey, body: bytes) -> float:
        """Return how many seconds a value may live in Redis that was just loaded."""
        declared = self.redis_ttl
        return runtime.adaptive.loaded(self, key, body, declared) if self.adapts else declared

    def copy_life(self, life: float) -> float:
        """Return how many seconds a local copy may live of a value that was given `life` seconds in Redis.

        Who loaded it had its reasons, which need not be known here: copies live longer in proportion.
        """
        declared = self.local_ttl
        if not self.adapts:
            return declared
        least, most = self.bounds_of(declared)
        return min(most, max(least, declared * max(1.0, life / self.redis_ttl)))

    def option(self, which: str) -> float | None:
        """Return what the project's settings say, else what is declared for their preset, else what is declared."""
        given: Options | None = conf.REGIONS.get(self.name)
        if given is not None and which in given:
            return given[which]
        preset, declared = conf.PRESET, self._options[which]
        return self._presets.get(preset, self._options).get(which, declared) if isinstance(preset, str) else declared
