"""What the framework raises, so that callers can tell a wrong call from a server out of reach."""

from django.db import OperationalError

__all__ = [
    "CachingError",
    "HostFileError",
    "HostFileForeign",
    "MarkFailed",
    "RedisUnavailable",
    "UnknownKey",
    "UnknownOrganisation",
    "UnknownRegion",
]


class CachingError(Exception):
    """A declaration or a call that cannot work; the message says what to do."""


class UnknownRegion(CachingError, LookupError):
    """No region of that name is declared."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"There is no cache region {name!r}. Regions: {', '.join(sorted(known)) or 'none'}.")


class UnknownOrganisation(CachingError, LookupError):
    """None of these organisations exists."""

    def __init__(self, orgs: list[str]) -> None:
        super().__init__(f"There is no organisation {', '.join(map(repr, sorted(orgs)))}. Check the spelling.")


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
