"""Times as exact as every database keeps them, so that a row just written is equal to the same one read again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models

__all__ = ["MomentField", "to_the_millisecond"]


def to_the_millisecond(moment: datetime) -> datetime:
    """Cut off what MongoDB cannot store."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class MomentField(models.DateTimeField):  # type: ignore[type-arg] # generic in the stubs, not subscriptable in Django 5.2
    """A DateTimeField that stores milliseconds, and leaves the instance with what it stored."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        if isinstance(value, datetime):
            value = to_the_millisecond(value)
            setattr(model_instance, self.attname, value)
        return value

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        # The column is that of any DateTimeField, and migrations say so.
        return name, "django.db.models.DateTimeField", args, kwargs
