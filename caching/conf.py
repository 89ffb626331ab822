"""Settings as live typed properties over `settings.CACHING`, so that `override_settings` works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from caching.presets import PRESETS

__all__ = ["DEFAULTS", "QUOTA_OPTIONS", "REGION_OPTIONS", "VALUE_OPTIONS", "Conf", "conf"]

#: Every key `settings.CACHING` may hold. Times are seconds, sizes bytes.
DEFAULTS: dict[str, Any] = {
    # A name of `caching.presets.PRESETS`: other defaults for what is not set here; or None.
    "PRESET": None,
    # Separates projects that share a Redis server or a host.
    "PREFIX": "fa:",
    # The alias in CACHES of a django-redis cache, or None for local memory and database only.
    "REDIS_ALIAS": None,
    # Instead of it, a serverless Redis over REST: its URL, its token, and how long an answer may take.
    "REST_URL": None,
    "REST_TOKEN": None,
    "REST_BUDGET_SECONDS": 0.5,
    # Where the file shared by the processes of a host lies; None: shared memory, else the temporary directory.
    "STAMPS_DIR": None,
    # Without a usable stamps file local memory is off, unless one process is all there is.
    "SINGLE_PROCESS": False,
    "LOCAL_MAX_ENTRIES": 100_000,
    "LOCAL_MAX_BYTES": 128 * 1024 * 1024,
    # The share of both that one organisation may hold, above 0 and at most 1, which is no quota.
    "LOCAL_ORG_SHARE": 1.0,
    # How long an answer of Redis may take; a request waits in vain once at most.
    "REDIS_BUDGET_SECONDS": 0.05,
    # How long a thread looks out for an answer of Redis before it goes to sleep; 0: not at all.
    "REDIS_SPIN_SECONDS": 0.0002,
    # With a Redis that cannot tell of changes (no tracking), other hosts' writes are seen after at most this long.
    "LOCAL_TTL_WITHOUT_TRACKING": 2.0,
    # Local copies are trusted for this long after the last answered ping to Redis was sent.
    "TRUST_SECONDS": 0.3,
    # How often what Redis did not hear is looked for in the outbox.
    "RELAY_SECONDS": 0.2,
    # Whether this process may have threads of its own: the listener, the relay, early refresh.
    "BACKGROUND": True,
    # How often what was read and written is looked at: for reports, the auditor, prediction; 0: never.
    "OBSERVE_SECONDS": 1.0,
    # How long figures are kept in the database, by minute, hour and day; None or {}: no history.
    "HISTORY": {"minute": 2 * 86_400, "hour": 30 * 86_400, "day": 400 * 86_400},
    # Of how many organisations, the busiest of each minute, hour and day, there is history besides that of the regions.
    "HISTORY_ORGS": 20,
    # Whether what will be read next is loaded before anybody asks; a region may have its own, `prefetch`.
    "PREFETCH": False,
    # How many values a process may load for that in a minute.
    "PREFETCH_PER_MINUTE": 300,
    # How long a writer's mark keeps readers from filling when the writer does not come back.
    "MARK_SECONDS": 5.0,
    "LEASE_SECONDS": 5.0,
    # How long the loser of a lease waits for the winner's value before it loads for itself.
    "LEASE_WAIT_SECONDS": 0.25,
    # Random share by which the TTL in Redis is shortened, so that keys filled together do not expire together.
    "TTL_JITTER": 0.1,
    # Whether each key gets times to live of its own, by how often it changes and is read; never of money.
    "ADAPTIVE_TTL": False,
    # How long "there is no such row" is remembered; creating the row invalidates it at once.
    "NEGATIVE_TTL": 10.0,
    # More keys than this of one region and organisation in one transaction become one wide mark.
    "WIDE_MARK_ABOVE": 200,
    # Load hot keys in the background when a server process starts.
    "WARM_AT_START": False,
    # How long after its start a process that warms itself says that it is not ready; it serves all the same.
    "WARM_BOUND_SECONDS": 10.0,
    # How long before an organisation opens its hot values are loaded, at most half their time to live; 0: not at all.
    "WARM_BEFORE_OPENING": 600.0,
    # How many of the keys that are read most are written down, and loaded again when a process warms itself; 0: none.
    "HOT_KEYS": 500,
    # The share of hits that is compared with the database; 0: none. A region may have its own, `audit_rate`.
    "AUDIT_RATE": 0.001,
    # How often a process may ask the database for that, in a minute.
    "AUDIT_PER_MINUTE": 60,
    # How long a hit that is not what the database has may be a change on its way.
    "AUDIT_WINDOW_SECONDS": 0.5,
    # Networks, such as "10.0.0.0/8", whose clients may read the metrics without signing in.
    "METRICS_NETWORKS": (),
    # Secret texts behind the digests in names of keys: writers mark under all, readers read under the first. None:
    # SECRET_KEY and SECRET_KEY_FALLBACKS.
    "KEY_SECRETS": None,
    # Values above this size are compressed in Redis if that pays; None: none. Encrypted regions only say it themselves.
    "COMPRESS_ABOVE": 16 * 1024,
    # Base64 of 32 random bytes each (`manage.py cache_key`): the first encrypts what lies in Redis, all decrypt.
    "ENCRYPTION_KEYS": (),
    # {"region": {"local_ttl": 10, "redis_ttl": 60}}: overrides of what `cached.py` declares; `ttl_bounds` (least, most)
    # are those of ADAPTIVE_TTL.
    "REGIONS": {},
}

#: What REGIONS may override, in seconds.
REGION_OPTIONS = frozenset({"local_ttl", "redis_ttl", "soft_timeout", "stale_for"})

#: What REGIONS may say besides: how much of local memory a region may hold; None: no quota.
QUOTA_OPTIONS = frozenset({"local_max_bytes", "local_max_entries"})

#: And how its values lie in Redis: compressed above so many bytes (None: never); encrypted or not.
VALUE_OPTIONS = frozenset({"compress_above", "encrypted"})


_NOTHING: Mapping[str, Any] = {}
_DEFAULTS_OF: Mapping[object, Mapping[str, Any]] = {name: {**DEFAULTS, **its} for name, its in PRESETS.items()}

# Where Django keeps the settings that were asked for until one of them changes: a dozen look-ups belong to one read of
# Redis, and asking `settings` itself takes ten times as long.
_asked: dict[str, Any] = object.__getattribute__(settings, "__dict__")


class Conf:
    """`conf.MARK_SECONDS` is the project's setting or its default, read anew each time."""

    def __getattribute__(self, name: str) -> Any:
        given: Mapping[str, Any] | None = _asked.get("CACHING")
        if given is None:
            given = getattr(settings, "CACHING", _NOTHING)
        if name in given and name in DEFAULTS:
            return given[name]
        preset = given.get("PRESET")
        # What is no name of a preset is an error of the checks, and must not be one of every read.
        defaults = _DEFAULTS_OF.get(preset, DEFAULTS) if isinstance(preset, str) else DEFAULTS
        try:
            return defaults[name]
        except KeyError:
            return object.__getattribute__(self, name)

    @property
    def WITH_REDIS(self) -> bool:  # noqa: N802 -- looks like the settings it is made of
        """Whether the servers are to share a Redis, reached in one way or the other."""
        return any(name is not None for name in (self.REDIS_ALIAS, self.REST_URL, self.REST_TOKEN))


conf = Conf()
