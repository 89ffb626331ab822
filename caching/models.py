"""The base classes that cached models inherit, and the framework's own tables."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import models, router
from django.utils import timezone

from caching.querysets import CachedQuerySet, random_version
from caching.retrying import run_atomic

__all__ = [
    "CacheEvent",
    "CacheRegion",
    "CacheUsage",
    "CachedModel",
    "FollowedPosition",
    "HotKey",
    "PendingInvalidation",
    "VersionedModel",
]


class CachedModel(models.Model):
    """A model whose rows are read through the cache: every write runs in a transaction that notes stale keys."""

    objects = CachedQuerySet.as_manager()

    class Meta:
        abstract = True
        # Related managers and cascades use the base manager, which must note writes, too.
        base_manager_name = "objects"

    def save(self, **kwargs: Any) -> None:
        # In autocommit the row would be committed before post_save tells anybody.
        if kwargs.get("force_update") or kwargs.get("update_fields"):
            # The row exists, even if this instance was made by hand: its old keys go stale, too.
            self._state.adding = False
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        save = super().save
        run_atomic(using, lambda: save(**{**kwargs, "using": using}))

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        using = using or router.db_for_write(type(self), instance=self)
        delete, key = super().delete, self.pk

        def delete_again() -> tuple[int, dict[str, int]]:
            # Django takes the key away before the commit.
            self.pk = key
            return delete(using=using, keep_parents=keep_parents)

        return run_atomic(using, delete_again)


class VersionedModel(CachedModel):
    """A cached model whose rows carry a version, renewed by every write, that lists remember beside the id."""

    renews_version = True

    version = models.BigIntegerField(default=random_version, editable=False)

    class Meta(CachedModel.Meta):
        abstract = True

    def save(self, **kwargs: Any) -> None:
        self.version = random_version()
        update_fields: Iterable[str] | None = kwargs.get("update_fields")
        if update_fields:
            kwargs["update_fields"] = {*update_fields, "version"}
        super().save(**kwargs)


class CacheRegion(models.Model):
    """No table: stands for the caches page in the admin, and carries its permissions."""

    name = models.CharField(max_length=64, primary_key=True)

    class Meta:
        managed = False
        default_permissions = ("view",)
        permissions = (("clear_cacheregion", "Can clear caches"), ("warm_cacheregion", "Can warm caches"))
        verbose_name = "cache"
        verbose_name_plural = "caches"

    def __str__(self) -> str:
        return "caches"


class CacheEvent(models.Model):
    """Who cleared or warmed what, or what the auditor found old, and when: written once, read in the admin."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Action(models.TextChoices):
        CLEAR = "clear", "cleared"
        WARM = "warm", "warmed"
        EVICT = "evict", "found old, evicted"

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    action = models.CharField(max_length=5, choices=Action)
    region = models.CharField(max_length=64, blank=True, help_text="Empty: all regions.")
    org_id = models.CharField("organisation", max_length=64, blank=True, help_text="Empty: all organisations.")
    key = models.CharField(max_length=200, blank=True, help_text="The key's name, if one key was meant.")
    loaded = models.PositiveIntegerField(
        null=True,  # clears load nothing, and older records do not tell
        blank=True,
        help_text="Warmed: how many values were loaded.",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,  # commands have no user, and a record outlives the user
        blank=True,
        related_name="+",
    )

    class Meta:
        ordering = ("-at",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.region or 'all regions'} {self.org_id}".strip()


class PendingInvalidation(models.Model):
    """What Redis could not be told: inserted in the transaction that makes it stale, removed when Redis has heard.

    Names are those of keys in Redis, in which what users wrote is digested. `writer` stands for the process.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created = models.DateTimeField(default=timezone.now)
    prefix = models.CharField(max_length=64)
    kind = models.CharField(max_length=5)
    name = models.TextField()
    region = models.CharField(max_length=64, blank=True)
    commit_id = models.CharField(max_length=16)
    writer = models.CharField(max_length=16)

    class Meta:
        ordering = ("created", "id")
        indexes = (models.Index(fields=("created", "id")), models.Index(fields=("writer", "region")))
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class CacheUsage(models.Model):
    """What one host did with one region, or one organisation in it, in one minute, hour or day.

    `start` counts minutes since 1970, so that no time zone, database or summer time moves a row. The columns behind are
    `caching.stats.COUNTERS` within that time; `entries` and `bytes` are what there was at its end, and `peak_bytes` the
    most at the end of a minute in it (0 in rows older than the column). `org` is empty in
    the rows of whole regions; those of organisations are estimated, and have local hits, Redis hits, misses and
    invalidations alone.
    """

    class Step(models.TextChoices):
        MINUTE = "minute"
        HOUR = "hour"
        DAY = "day"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    step = models.CharField(max_length=6, choices=Step)
    start = models.BigIntegerField()
    host = models.CharField(max_length=32)
    region = models.CharField(max_length=64)
    org = models.CharField("organisation", max_length=64, blank=True)

    local_hits = models.BigIntegerField(default=0)
    redis_hits = models.BigIntegerField(default=0)
    misses = models.BigIntegerField(default=0)
    joined = models.BigIntegerField(default=0)
    stale = models.BigIntegerField(default=0)
    refreshed = models.BigIntegerField(default=0)
    bypassed = models.BigIntegerField(default=0)
    loads = models.BigIntegerField(default=0)
    load_ns = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    undecryptable = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    invalidations = models.BigIntegerField(default=0)
    received = models.BigIntegerField(default=0)
    evictions = models.BigIntegerField(default=0)
    audited = models.BigIntegerField(default=0)
    violations = models.BigIntegerField(default=0)
    prefetched = models.BigIntegerField(default=0)
    prefetch_hits = models.BigIntegerField(default=0)
    local_ns = models.BigIntegerField(default=0)
    local_samples = models.BigIntegerField(default=0)
    redis_ns = models.BigIntegerField(default=0)
    redis_samples = models.BigIntegerField(default=0)
    miss_ns = models.BigIntegerField(default=0)
    miss_samples = models.BigIntegerField(default=0)
    entries = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    peak_bytes = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("step", "start", "host", "region", "org"), name="caching_usage_is_written_once"
            ),
        )
        indexes = (models.Index(fields=("step", "org", "start")),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.step} {self.start} {self.region} {self.org}".strip()


class HotKey(models.Model):
    """A key that one host read often in its last run: what a start loads anew. It has no value, and is no cached one.

    `parts` are those of the key behind the organisation, as JSON of `caching.keys.parts_text`; `weight` is in reads per
    second. Keys that tell of people are not written.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(max_length=32, db_index=True)
    region = models.CharField(max_length=64)
    org = models.CharField("organisation", max_length=64)
    parts = models.TextField()
    weight = models.FloatField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.region} {self.org}"


class FollowedPosition(models.Model):
    """How far one host has followed the writes in a MongoDB: what it has acted on. `token` is the server's, as JSON."""

    name = models.CharField(max_length=32, primary_key=True)
    token = models.TextField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
