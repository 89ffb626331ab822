"""Which process of the host does what one of them must do: a lock that dies with its holder, and its heartbeat."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import stat
import struct
import weakref

from caching.clock import Clock
from caching.errors import HostFileError
from caching.hostfile import host_file_path

__all__ = ["HostLock"]

_BEAT = struct.Struct("=d")


class HostLock:
    """The lock of that kind among the processes of this project, host and user; nobody waits for it.

    Methods raise `HostFileError` when its file cannot be used.
    """

    def __init__(self, kind: str, clock: Clock) -> None:
        self._path = host_file_path(kind)
        self._clock = clock
        self._descriptor: int | None = None
        self.held = False
        _locks.add(self)

    def take(self) -> bool:
        """Hold the lock if nobody else does; return whether it is held."""
        if not self.held:
            try:
                fcntl.flock(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            except OSError as error:
                raise HostFileError(f"{self._path} cannot be locked ({error.strerror}).") from error
            self.held = True
        return True

    def beat(self) -> None:
        """Say that the holder is at work."""
        os.pwrite(self._open(), _BEAT.pack(self._clock.now()), 0)

    def silence(self) -> float:
        """For how many seconds no holder has said so; infinite when none ever has since the machine was started."""
        beat = os.pread(self._open(), _BEAT.size, 0)
        seconds = self._clock.now() - _BEAT.unpack(beat)[0] if len(beat) == _BEAT.size else math.inf
        # A beat from the future is one from before the machine was started anew.
        return seconds if seconds >= 0 else math.inf

    def release(self) -> None:
        """Let another process take the lock."""
        self.held = False
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise HostFileError(f"{self._path} cannot be opened ({error.strerror}).") from error
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                os.close(descriptor)
                raise HostFileError(f"{self._path} belongs to another user or is not a plain file.")
            self._descriptor = descriptor
        return self._descriptor


_locks: weakref.WeakSet[HostLock] = weakref.WeakSet()


def _leave_to_parent() -> None:
    # The lock belongs to the open file, which the child shares: it would outlive the parent.
    for lock in list(_locks):
        with contextlib.suppress(OSError):
            lock.release()


os.register_at_fork(after_in_child=_leave_to_parent)
