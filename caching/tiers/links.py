"""A thread's kept connection: redis-py opens, signs in and closes it; in between the bytes go through hiredis alone."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from hiredis import Reader

from caching.errors import RedisUnavailable
from caching.scripts import Command
from caching.tiers.conversation import TIMEOUTS, TROUBLE, WHO, Batch, Replies, conversation, lost, packed, run_id_of

__all__ = ["Link"]

# As much as is read at once. More would be taken from the system anew each time.
_BUFFER_BYTES: Final = 128 * 1024
_NOT_YET: Final = object()

# The system's `timeval`: seconds and microseconds.
_TIMEVAL: Final = struct.Struct("ll")

# After an answer that a thread has looked out for in vain it sleeps through the next one; in vain again, through four,
# and so on up to this many: a server next door may be late now and then, one farther away always is.
_MOST_SPINS_SPARED: Final = 64
# On the only processor there is the server waits for whoever looks out.
_may_spin: Final = len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)) > 1
_give_way: Final[Callable[[], object]] = getattr(os, "sched_yield", partial(time.sleep, 0))

T = TypeVar("T")

# Changes with every fork: connections are the parent's.
_process: object = object()


def _after_fork_in_child() -> None:
    global _process
    _process = object()


os.register_at_fork(after_in_child=_after_fork_in_child)


class Link:
    """One blocking connection, of one thread.

    For `spin` seconds it looks out for the answer before it goes to sleep. Who sleeps must be woken, and on many a
    machine that takes longer than the server took. It gives its processor away between any two looks.
    """

    def __init__(self, connection: Any, reign: int, spin: float) -> None:
        self._connection = connection
        self._spin = spin
        # How many answers it sleeps through yet, and how many the next time that it looks out in vain.
        self._spins_spared = 0
        self._spins_to_spare = 1
        self._socket: Any = None
        self._may_spin = False
        # Waits, for so many milliseconds at most, until there is something to be read, and tells whether there is.
        self._look: Callable[[float], object] = bool
        self._patience = 0.0
        self._reader: Any = None
        self._buffer = bytearray(_BUFFER_BYTES)
        self._process = _process
        self.reign = reign
        self.run_id = b""
        #: Whether there are answers to come that nobody has read.
        self.under_way = False
        # With the thread: redis-py's connections stand in circles of references, and are else closed some time later.
        weakref.finalize(self, connection.disconnect).atexit = False  # type: ignore[misc]

    def serves(self, reign: int) -> bool:
        """Whether it was made in this process, and not before a fork, and the server may be asked in this reign."""
        return self._process is _process and self.reign == reign

    def execute(self, commands: Sequence[Command], patience: float = 0) -> Replies:
        """Send the commands in one round trip; the first answer may take `patience` seconds more than usual."""
        return self._kept(self._converse, commands, patience)

    def ask(self, request: bytes) -> Any:
        """Send one packed command and return its answer, which may be a `ReplyError`."""
        return self._kept(self._send, request, 1)[0]

    def begin(self, batch: Batch) -> None:
        """Send a batch for which `end` waits, so that other servers can be asked meanwhile."""
        try:
            if not self.run_id:
                self._open()
            self.under_way = True
            self._socket.sendall(packed(batch))
        except (BlockingIOError, *TIMEOUTS):
            self.close()
            raise lost(TimeoutError()) from None
        except TROUBLE:
            # Closed by the server, since an earlier request: `end` asks through another one, or finds nobody either.
            self.close()

    def end(self, batch: Batch, patience: float = 0) -> list[Any]:
        """Return the answers to the batch, errors among them; asks if `begin` has not."""
        return self._kept(self._finish, batch, patience)

    def _finish(self, batch: Batch, patience: float) -> list[Any]:
        if not self.under_way:
            return self._send(packed(batch), len(batch), patience)
        self.under_way = False
        return self._receive(len(batch), patience)

    def close(self) -> None:
        self.under_way = False
        self.run_id = b""
        self._socket = None
        self._connection.disconnect()

    def _kept(self, talk: Callable[..., T], *arguments: Any) -> T:
        try:
            if self.run_id:
                try:
                    return talk(*arguments)
                except TIMEOUTS:
                    raise
                except TROUBLE:
                    # The server closed a connection kept since an earlier request. Every command may be sent twice.
                    self.close()
            self._open()
            return talk(*arguments)
        except RedisUnavailable:
            # All answers were read.
            raise
        except TROUBLE as error:
            self.close()
            raise lost(error) from error
        except BaseException:
            # An interrupt leaves an answer unread that the next caller would take for its own.
            self.close()
            raise

    def _open(self) -> None:
        self._connection.connect()
        sock = self._socket = self._connection._sock
        self._patience = sock.gettimeout()
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        self._look = poll.poll
        # What TLS has decrypted already stays with its library, where nobody sees it.
        is_plain = type(sock) is socket.socket
        self._may_spin = is_plain and _may_spin and self._spin > 0
        if is_plain:
            _wait_in_the_system(sock)
        self._reader = Reader(notEnoughData=_NOT_YET)
        self.run_id = run_id_of(self._send(packed(list(WHO)), len(WHO)))

    def _converse(self, commands: Sequence[Command], patience: float) -> Replies:
        talk = conversation(commands)
        batch = next(talk)
        while True:
            try:
                batch = talk.send(self._send(packed(batch), len(batch), patience))
            except StopIteration as done:
                return Replies(done.value, self.run_id)

    def _send(self, request: bytes, count: int, patience: float = 0) -> list[Any]:
        try:
            self._socket.sendall(request)
        except BlockingIOError:
            # What the system says when the time is over.
            raise TimeoutError from None
        return self._receive(count, patience)

    def _receive(self, count: int, patience: float = 0) -> list[Any]:
        sock, reader, buffer = self._socket, self._reader, self._buffer
        answers: list[Any] = []
        try:
            if patience:
                # Before the ordinary time begins.
                self._look(patience * 1000)
            elif self._may_spin and count:
                self._look_out()
            until = time.perf_counter() + self._patience
            while len(answers) < count:
                received = sock.recv_into(buffer)
                if not received:
                    raise ConnectionError("The server closed the connection.")
                reader.feed(buffer, 0, received)
                while (answer := reader.gets()) is not _NOT_YET:
                    answers.append(answer)
                # A server that says a little now and then has no more time than one that says nothing.
                if len(answers) < count and time.perf_counter() >= until:
                    raise TimeoutError
        except BlockingIOError:
            raise TimeoutError from None
        if len(answers) > count:
            raise ConnectionError("The server said what nobody had asked.")
        return answers

    def _look_out(self) -> None:
        if self._spins_spared:
            self._spins_spared -= 1
            return
        look, clock = self._look, time.perf_counter
        until = clock() + min(self._spin, self._patience)
        while not look(0):
            if clock() >= until:
                self._spins_spared = self._spins_to_spare
                self._spins_to_spare = min(4 * self._spins_to_spare, _MOST_SPINS_SPARED)
                return
            _give_way()
        self._spins_to_spare = 1


def _wait_in_the_system(sock: socket.socket) -> None:
    """Have the system count a socket's time-out, which Python does with two calls of the system for each one."""
    microseconds = round((sock.gettimeout() or 0) * 1e6)
    time_out = _TIMEVAL.pack(*divmod(microseconds, 1_000_000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, time_out)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, time_out)
    sock.settimeout(None)
