"""How long a region's values live: as declared, as its preset has it, or as the project's settings say."""

from __future__ import annotations

from collections.abc import Mapping

from caching.conf import REGION_OPTIONS, conf
from caching.errors import CachingError
from caching.presets import PRESETS

__all__ = ["Options", "Tuned"]

#: Of `local_ttl`, `redis_ttl`, `stale_for`, `soft_timeout`: seconds.
Options = Mapping[str, float | None]


class Tuned:
    """The times of a region; each is read anew from the settings.

    `presets` has what is other under a preset. Raises `CachingError` for what is no preset, or no option of one.
    """

    def __init__(self, name: str, options: Options, presets: Mapping[str, Options], *, money: bool) -> None:
        for preset, changed in presets.items():
            if preset not in PRESETS or not REGION_OPTIONS.issuperset(changed):
                message = f"presets={{{preset!r}: {sorted(changed)}}} is no preset, or no option of one."
                raise CachingError(f"Region {name!r}: {message}")
        self.name = name
        self.money = money
        self._options = options
        self._presets = presets
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

    def option(self, which: str) -> float | None:
        """Return what the project's settings say, else what is declared for their preset, else what is declared."""
        given: Options | None = conf.REGIONS.get(self.name)
        if given is not None and which in given:
            return given[which]
        preset, declared = conf.PRESET, self._options[which]
        return self._presets.get(preset, self._options).get(which, declared) if isinstance(preset, str) else declared
