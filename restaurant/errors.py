"""The kinds of refusal every app raises; the API maps each kind to one status code, whatever app it comes from."""

from typing import ClassVar


class DomainError(Exception):
    """A request that the business rules refuse; the text says in plain words what to do and names no person."""

    code: ClassVar[str] = "refused"


class NotFoundError(DomainError):
    """The organisation has no such row (HTTP 404)."""

    code = "not_found"


class ConflictError(DomainError):
    """The request does not fit the present state of the row it is about (HTTP 409)."""

    code = "conflict"


class UnacceptableError(DomainError):
    """The request is well formed but breaks a rule of the business (HTTP 422)."""

    code = "unacceptable"
