"""A small memory-mapped file shared by the processes of one host, in which each owns a block that a death frees."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import stat
import struct
import tempfile
import time
import weakref
from hashlib import blake2b
from pathlib import Path
from typing import Final

from django.conf import settings

from caching.conf import conf
from caching.errors import HostFileError, HostFileForeign

__all__ = ["BLOCKS", "HEADER_BYTES", "HostFile", "boot_id", "databases", "host_file_path", "is_among"]

HEADER_BYTES: Final = 4096
BLOCKS: Final = 1024

_MAGIC: Final = b"fasthost"
# magic, layout (what the rest holds), boot id
_HEADER: Final = struct.Struct("=8s8s16s")
#: Where the header has a byte for each block that was ever claimed, so that a scan stops at the last. Bytes, not their
#: number: two processes that claim at once would overwrite each other's.
_CLAIMED: Final = slice(64, 64 + BLOCKS)
#: Where it has what tells it from every other file: two containers may give theirs the same place and the same inode.
_TOKEN: Final = slice(32, 48)
#: And when it was made, in seconds since 1970.
_MADE: Final = struct.Struct("=d")


def databases() -> list[tuple[str, str, str, str, str]]:
    """Return alias, engine, host, port and name of each database, as they are now: a test run has others meanwhile."""
    return sorted(
        (alias, str(db.get("ENGINE")), str(db.get("HOST", "")), str(db.get("PORT", "")), str(db.get("NAME")))
        for alias, db in settings.DATABASES.items()
    )


def is_among(earlier: list[tuple[str, str, str, str, str]]) -> bool:
    """Whether all these databases are still the ones of their aliases; others may have come."""
    return set(earlier) <= set(databases())


def host_file_path(kind: str) -> Path:
    """Return where the host's file of that kind lies: one for each set of databases and prefix."""
    which = blake2b(repr((databases(), conf.PREFIX)).encode(), digest_size=10).hexdigest()
    shared_memory = Path("/dev/shm")  # noqa: S108 -- opened with O_NOFOLLOW, mode 0600, and its owner checked
    folder = conf.STAMPS_DIR or (shared_memory if os.access(shared_memory, os.W_OK) else tempfile.gettempdir())
    return Path(folder) / f"fast-access-{which}.{kind}"


def boot_id() -> bytes:
    """Return 16 bytes that change when the machine is started; zeros where nobody knows."""
    try:
        return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


class HostFile:
    """The mapped file: `view` is its content as bytes.

    `layout` (at most 8 bytes) names what stands behind the header; a file of another layout, size or boot is replaced,
    never truncated or rewritten, for others may have it mapped (they would die of SIGBUS). The block and the descriptor
    go with the object.

    Raises `HostFileError` when the file belongs to another user or cannot be made.
    """

    def __init__(self, path: Path, *, layout: bytes, size: int, fill: bytes = b"") -> None:
        self.path = path
        self._layout = layout.ljust(8, b"\0")
        self._size = HEADER_BYTES + size
        self._descriptor = self._open(fill)
        weakref.finalize(self, os.close, self._descriptor)
        self._map = mmap.mmap(self._descriptor, self._size)
        self.view = memoryview(self._map)
        self.inode = os.fstat(self._descriptor).st_ino
        self._own: set[int] = set()

    def _open(self, fill: bytes) -> int:
        for _ in range(10):
            descriptor = self._open_existing()
            if descriptor is not None:
                return descriptor
            self._make(fill)
        raise HostFileError(f"{self.path} keeps changing under us; is another release of this project starting?")

    def _open_existing(self) -> int | None:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HostFileForeign(
                f"{self.path} cannot be opened ({error.strerror}). It belongs to another user or is not a plain file: "
                f"run all processes of the project as one user, set CACHING['STAMPS_DIR'], or remove the file."
            ) from error
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o600:
            os.close(descriptor)
            raise HostFileForeign(
                f"{self.path} belongs to another user or may be written by others. Run all processes of the project "
                f"as one user, or set CACHING['STAMPS_DIR'] to a folder of this user."
            )
        header = os.pread(descriptor, _HEADER.size, 0)
        if found.st_size != self._size or header != _HEADER.pack(_MAGIC, self._layout, boot_id()):
            self._remove(found.st_ino)
            os.close(descriptor)
            return None
        return descriptor

    def _remove(self, inode: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.path.lstat().st_ino == inode:
                self.path.unlink()

    def _make(self, fill: bytes) -> None:
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        header = _HEADER.pack(_MAGIC, self._layout, boot_id()).ljust(_TOKEN.start, b"\0")
        header += secrets.token_bytes(16) + _MADE.pack(time.time())
        header = header.ljust(HEADER_BYTES, b"\0")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write((header + fill).ljust(self._size, b"\0"))
                # link, unlike rename, never replaces the file that another process has just made.
                with contextlib.suppress(FileExistsError):
                    os.link(temporary, self.path)
            finally:
                temporary.unlink()
        except OSError as error:
            raise HostFileError(
                f"{self.path.parent} cannot be written ({error.strerror}). Set CACHING['STAMPS_DIR'] to a folder "
                f"that this user may write, or CACHING['SINGLE_PROCESS'] if there is one process only."
            ) from error

    def is_current(self) -> bool:
        """Whether the path still leads to this file (somebody may have removed it)."""
        try:
            return self.path.stat().st_ino == self.inode
        except OSError:
            return False

    # --- blocks -------------------------------------------------------------------------------------------------------

    def claim_block(self) -> int:
        """Return the number of one more block that nobody holds; it is this object's until the process ends.

        Raises `HostFileError` when all blocks are held.
        """
        for block in range(BLOCKS):
            # The kernel grants a lock once more to the one that holds it.
            if block not in self._own and self._lock(block):
                self._own.add(block)
                self.view[_CLAIMED.start + block] = 1
                return block
        raise HostFileError(f"All {BLOCKS} blocks of {self.path} are held: too many processes, or keys being written.")

    @property
    def token(self) -> str:
        """What this file and no other one has, as long as there is one."""
        return self.view[_TOKEN].hex()

    @property
    def made(self) -> float | None:
        """When this file was made, in seconds since 1970; None of one that an earlier release has made."""
        return _MADE.unpack_from(self.view, _TOKEN.stop)[0] or None

    @property
    def claims(self) -> memoryview:
        """A byte for each block: 1 if it was ever held. Blocks are claimed from the first on."""
        return self.view[_CLAIMED]

    def claimed_blocks(self) -> int:
        """How many blocks, from the first, were ever held."""
        return self.claims.tobytes().rfind(b"\1") + 1

    def _lock(self, block: int) -> bool:
        try:
            if hasattr(fcntl, "F_OFD_SETLK"):
                # Held by the open file, not by the process: closing another descriptor of the same file keeps it.
                request = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, block, 1, 0)
                fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, request)
            else:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, block)
        except OSError:
            return False
        return True

    def is_held(self, block: int) -> bool:
        """Whether somebody else, in a living process, holds the block."""
        if not hasattr(fcntl, "F_OFD_GETLK"):
            return True
        request = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, block, 1, 0)
        answer = fcntl.fcntl(self._descriptor, fcntl.F_OFD_GETLK, request)
        return bool(struct.unpack("hhqqi", answer)[0] != fcntl.F_UNLCK)
