"""The framework's logger: whatever is passed to it, lines stay whole, and no error's own words get into them."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from caching.errors import CachingError

__all__ = ["described", "escaped", "logger"]

# What comes from outside is cut off there.
_MOST_CHARACTERS: Final = 500

# How Redis begins an error: BUSY, NOAUTH, WRONGTYPE. What follows may be the words of the command.
_REDIS_CODE: Final = re.compile(r"[A-Z]{3,16}(?= )")

# Where the drivers of databases keep a code that says what was wrong, and nothing of the rows.
_CODES: Final = ("sqlstate", "pgcode", "sqlite_errorname")


class Failure(Exception):
    """Takes an error's place under its traceback: the error's own words may quote rows."""


def escaped(text: str) -> str:
    """Return the text with what is not printed (line ends, codes of terminals) as escapes, and of bounded length."""
    if not text.isprintable():
        text = "".join(
            each if each.isprintable() else each.encode("unicode_escape").decode() for each in text[:_MOST_CHARACTERS]
        )
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "..."


def described(error: BaseException) -> str:
    """Return what may be said of an error: the words of the framework's own, else its class and a code.

    A database quotes rows in what it says (`Key (phone)=(...) already exists`), and others what they were called with.
    """
    if isinstance(error, CachingError):
        return escaped(str(error))
    name = type(error).__name__
    codes = [getattr(each, code, None) for each in (error, error.__cause__) for code in _CODES]
    if isinstance(error, OSError):
        codes.append(errno.errorcode.get(error.errno or 0))
    if type(error).__module__.startswith("redis."):
        found = _REDIS_CODE.match(str(error))
        codes.append(found and found[0])
    code = next((each for each in codes if isinstance(each, str) and each), None)
    return f"{name} ({escaped(code)})" if code else name


def _safe(value: object) -> Any:
    if isinstance(value, BaseException):
        return described(value)
    if value is None or isinstance(value, int | float):
        return value
    return escaped(str(value))


class SafeRecords(logging.Filter):
    """Makes safe what a message is filled in with, and gives its named values to the record as fields.

    `logger.warning("No answer: %(error)s", {"error": error}, extra={"event": "no_answer"})` has the fields `event` and
    `error`.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = escaped(str(record.msg))
        if isinstance(record.args, Mapping):
            record.args = {name: _safe(value) for name, value in record.args.items()}
            # A name of the record's own keeps its meaning.
            vars(record).update({name: each for name, each in record.args.items() if name not in vars(record)})
        elif record.args:
            record.args = tuple(map(_safe, record.args))
        if record.exc_info and record.exc_info[1] is not None:
            _, error, trace = record.exc_info
            record.exc_info = (Failure, Failure(described(error)), trace)
        return True


logger = logging.getLogger("caching")
# At the logger, not at a handler: those are the project's.
logger.addFilter(SafeRecords())
