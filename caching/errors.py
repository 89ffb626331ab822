"""What the framework raises, so that callers can tell a wrong call from a server out of reach."""

from django.db import OperationalError

__all__ = [
    "AmbiguousOrganisation",
    "CachingError",
    "HostFileError",
    "HostFileForeign",
    "MarkFailed",
    "RedisUnavailable",
    "UnknownKey",
    "UnknownOrganisation",
    "UnknownRegion",
]

_MOST_SHOWN = 80


class CachingError(Exception):
    """A declaration or a call that cannot work; the message says what to do."""


class UnknownRegion(CachingError, LookupError):
    """No region of that name is declared."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"There is no cache region {_typed(name)}. Regions: {', '.join(sorted(known)) or 'none'}.")


class UnknownOrganisation(CachingError, LookupError):
    """None of these organisations exists; `alike` names some that may have been meant."""

    def __init__(self, orgs: list[str], *, alike: str = "") -> None:
        what_to_do = f"Did you mean {alike}?" if alike else "Check the spelling."
        super().__init__(f"There is no organisation {', '.join(map(_typed, sorted(orgs)))}. {what_to_do}")


class AmbiguousOrganisation(CachingError, LookupError):
    """Several organisations have this in their id or name; `alike` names them."""

    def __init__(self, text: str, alike: str) -> None:
        super().__init__(f"Several organisations are called like {_typed(text)}: {alike}. Give an id.")


class UnknownKey(CachingError, LookupError):
    """The region cannot load such a key: its parts are too few, too many, or of another type."""

    def __init__(self, region: str) -> None:
        super().__init__(f"Region {region!r} has no keys with such parts. Check their number, order and types.")


class HostFileError(CachingError):
    """The file that the processes of one host share cannot be used; the message says why."""


class HostFileForeign(HostFileError):
    """The file belongs to another user: writes of this process would not be seen by the processes that use it."""


class RedisUnavailable(CachingError):
    """Redis did not answer, or answered something that is no answer; `outage` when it cannot serve at all."""

    def __init__(self, message: str, *, outage: bool = False) -> None:
        super().__init__(message)
        self.outage = outage


class MarkFailed(OperationalError):
    """A write was rolled back because neither Redis, the outbox nor the host's other processes could be told of it.

    A `DatabaseError`, because Django rolls back for nothing else that is raised around COMMIT.
    """


def _typed(text: str) -> str:
    """Return what somebody typed in quotes, and not all of it if it is long."""
    return repr(text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "...")
