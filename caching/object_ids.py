"""The ids that MongoDB gives its rows, for projects that have them and without its driver where nobody has it."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from importlib import import_module
from typing import Protocol, TypeGuard

__all__ = ["ObjectIdLike", "is_object_id", "object_id"]

_DIGITS = re.compile(r"[0-9a-f]{24}", re.IGNORECASE)


class ObjectIdLike(Protocol):
    """A `bson.ObjectId`."""

    @property
    def binary(self) -> bytes: ...

    @property
    def generation_time(self) -> datetime: ...


def is_object_id(value: object) -> TypeGuard[ObjectIdLike]:
    """Tell whether the value is a `bson.ObjectId`."""
    # Where nobody has imported the driver, nobody has one.
    module = sys.modules.get("bson.objectid")
    return module is not None and isinstance(value, module.ObjectId)


def object_id(text: str) -> ObjectIdLike:
    """Return the `bson.ObjectId` of 24 hexadecimal digits; raises ValueError for other text, or without the driver."""
    if not _DIGITS.fullmatch(text):
        raise ValueError(f"{text!r} is no ObjectId.")
    try:
        made: ObjectIdLike = import_module("bson.objectid").ObjectId(text)
    except ImportError as error:
        raise ValueError("There are no ObjectIds without pymongo.") from error
    return made
