"""The framework's tables, and the base classes that cached models inherit."""

from __future__ import annotations

import secrets

from django.db import models


def fresh_version() -> int:
    """Return a random version of 53 bits, which every JSON reader can hold exactly."""
    return secrets.randbits(53)


class CachedModel(models.Model):
    class Meta:
        abstract = True


class VersionedModel(CachedModel):
    version = models.BigIntegerField(default=fresh_version, editable=False)

    class Meta(CachedModel.Meta):
        abstract = True
