"""What is said to a Redis server, whatever kind of connection it goes through: batches, their answers, refusals."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from ssl import SSLCertVerificationError, SSLError
from typing import Any, Final, NamedTuple

from hiredis import ProtocolError, ReplyError, pack_command
from redis import TimeoutError as RedisTimeoutError
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.sentinel import MasterNotFoundError

from caching.errors import RedisUnavailable
from caching.scripts import Command, command

__all__ = [
    "TIMEOUTS", "TROUBLE", "WHO", "Batch", "Replies", "conversation", "is_unknown", "lasting", "lost", "packed",
    "reason", "refused", "run_id_of",
]  # fmt: skip

# Answers that say: this server serves nobody now, or not us.
_NO_SERVICE: Final = (
    "READONLY", "CLUSTERDOWN", "NOPERM", "MISCONF", "BUSY", "NOREPLICAS", "NOAUTH", "LOADING", "MASTERDOWN",
)  # fmt: skip

#: What opening a connection and talking through it may raise; time-outs are among it.
TROUBLE: Final = (RedisError, OSError, ProtocolError)
TIMEOUTS: Final = (TimeoutError, RedisTimeoutError)

Batch = list[tuple[Any, ...]]


class Replies(NamedTuple):
    """The answers, in order, and the `run_id` of the server process in the role it then had."""

    values: list[Any]
    run_id: bytes


def conversation(commands: Sequence[Command]) -> Generator[Batch, list[Any], list[Any]]:
    """Yield batches of commands, take their answers (an error is an answer, too) and return those to `commands`.

    Raises `RedisUnavailable` when the server refuses one of them.
    """
    answers = yield [each.wire() for each in commands]
    unknown = [index for index, answer in enumerate(answers) if isinstance(answer, ReplyError) and is_unknown(answer)]
    if unknown:
        again = yield [commands[index].wire(by_text=True) for index in unknown]
        for index, answer in zip(unknown, again, strict=True):
            answers[index] = answer
    for answer in answers:
        if isinstance(answer, ReplyError):
            raise refused(str(answer))
    return answers


def is_unknown(answer: ReplyError) -> bool:
    """Whether the server does not know the script, which has to be sent as text."""
    return str(answer).startswith("NOSCRIPT")


def refused(answer: str) -> RedisUnavailable:
    """Return the error for an answer that says no: an outage when nobody is served."""
    # Its first word alone: the rest may hold what was asked for.
    word = answer.partition(" ")[0]
    hint = " (it is a Redis Cluster, and not configured as one)" if word == "MOVED" else ""
    return RedisUnavailable(f"Redis refused a command: {word}{hint}", outage=word in _NO_SERVICE)


def lost(error: Exception) -> RedisUnavailable:
    """Return the error for a server that did not answer."""
    return RedisUnavailable(f"Redis did not answer: {reason(error)}", outage=True)


def reason(error: BaseException) -> str:
    """Return what went wrong, in words that hold neither addresses nor passwords."""
    if isinstance(error, MasterNotFoundError):
        # Without a cause they are out of reach, or do not know the service.
        because = f": {reason(error.__cause__)}" if error.__cause__ else ""
        return f"no Sentinel that answers names a primary{because}"
    if isinstance(error, AuthenticationError):
        return "it refuses the user or the password"
    refused = _tls_error(error)
    if isinstance(refused, SSLCertVerificationError):
        return f"its certificate is not accepted ({refused.verify_message})"
    return f"TLS failed ({refused.reason or type(refused).__name__})" if refused else type(error).__name__


def lasting(error: BaseException) -> bool:
    """Whether it is the settings', so that no later attempt will do better."""
    refused = error.__cause__ if isinstance(error, MasterNotFoundError) else error
    return isinstance(refused, AuthenticationError | NoPermissionError) or _tls_error(error) is not None


def _tls_error(error: BaseException | None) -> SSLError | None:
    # Redis-py makes of it an error of its own, and tells nothing more.
    while error is not None and not isinstance(error, SSLError):
        error = error.__cause__ or error.__context__
    return error


def packed(batch: Batch) -> bytes:
    """Return the bytes that ask for all of the batch."""
    return b"".join(map(pack_command, batch))


def run_id_of(infos: Sequence[Any]) -> bytes:
    """Return what tells this server process, in its present reign, from every other: from INFO server and replication.

    Raises `RedisUnavailable` when the answers do not hold it, or when the server is a primary that no replica hears any
    more and must have one (`min-replicas-to-write`): another may be primary by now, and what it holds is stale.
    """
    found: dict[bytes, bytes] = {}
    for info in infos:
        for line in (info if isinstance(info, bytes) else b"").splitlines():
            name, _, value = line.partition(b":")
            found[name] = value.strip()
    if found.get(b"min_slaves_good_slaves") == b"0":
        raise RedisUnavailable("Redis has lost its replicas, one of which may be the primary by now", outage=True)
    try:
        # A primary that is demoted and promoted again keeps its run id, and not its replication id: what it holds then
        # are values that another primary may have failed to delete. While demoted it keeps both for a while.
        return b"/".join(found[name] for name in (b"run_id", b"role", b"master_replid"))
    except KeyError:
        message = "Redis does not tell its run id (INFO server, INFO replication); is the user allowed to run INFO?"
        raise RedisUnavailable(message, outage=True) from None


#: What every connection asks first.
WHO = (command("INFO", "server").wire(), command("INFO", "replication").wire())
