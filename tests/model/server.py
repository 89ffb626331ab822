"""Redis as the models see it: what `caching/scripts.py` does to one key, each script one atomic step.

`test_server.py` runs the real scripts on a real server and compares.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["EMPTY", "REJECTED", "Server", "Token", "Value", "fill", "lease", "live", "mark", "token", "unmark"]

#: The epochs under which a value was stored: the server's run, and the epoch of the scope.
Token = tuple[int, int]

#: A version (how many commits it contains) and the token it stands under.
Value = tuple[int, Token]

#: Instead of a token: the reader has seen the value and rejected it (the script's empty epochs).
REJECTED: Token = (-1, -1)


class Server(NamedTuple):
    """One key, and the epoch and pending writers of its scope."""

    value: Value | None = None
    #: Who holds the fill lease.
    lease: int | None = None
    pending: frozenset[int] = frozenset()
    wide: frozenset[int] = frozenset()
    epoch: int = 0
    run: int = 0

    @property
    def marked(self) -> bool:
        return bool(self.pending or self.wide)


EMPTY = Server()


def token(server: Server) -> Token:
    """`epochs.token`."""
    return server.run, server.epoch


def live(server: Server) -> int | None:
    """The version that a reader would accept (`unpack` rejects another epoch)."""
    value = server.value
    return value[0] if value is not None and value[1] == (server.run, server.epoch) else None


def lease(server: Server, holder: int, seen: Token) -> tuple[Server, str]:
    """`LEASE`."""
    if server.pending or server.wide:
        return server, "pending"
    if seen != REJECTED and server.value is not None and server.value[1] == seen:
        return server, "value"
    if server.lease is None:
        return server._replace(lease=holder), "taken"
    return server, "held"


def fill(server: Server, holder: int, value: Value | None) -> tuple[Server, bool]:
    """`FILL`; None gives the lease back."""
    if server.lease != holder:
        return server, False
    return server._replace(lease=None, value=server.value if value is None else value), True


def mark(server: Server, writer: int, *, epoch: int | None = None) -> Server:
    """`MARK`, or `WIDE_MARK` with a fresh epoch."""
    if epoch is None:
        return server._replace(value=None, lease=None, pending=server.pending | {writer})
    return server._replace(epoch=epoch, wide=server.wide | {writer})


def unmark(server: Server, writer: int, *, epoch: int | None = None) -> Server:
    """`UNMARK`, or `WIDE_UNMARK` with a fresh epoch."""
    if epoch is None:
        return server._replace(value=None, lease=None, pending=server.pending - {writer})
    return server._replace(epoch=epoch, wide=server.wide - {writer})
