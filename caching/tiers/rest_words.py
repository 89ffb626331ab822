"""What is said to a Redis over REST, and heard: JSON has no bytes, and what is read must come from the primary."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Generator, Sequence
from typing import Any, Final, cast

from hiredis import Reader
from upstash_redis.errors import UpstashError

from caching.envelope import EPOCHS_SLICE
from caching.errors import RedisUnavailable
from caching.scripts import LEASE, Command, Script, lease_script
from caching.tiers.conversation import refused

__all__ = ["Lines", "conversation", "no_answer", "tells_error", "unpacked"]

#: Commands as the maker's client takes them.
Lines = list[list[str]]

#: Keys to read. Plain reads are answered by any of the service's replicas, which may not have heard of a write yet;
#: scripts, which may write, by the primary. In steps, because Lua takes a few thousand arguments at most.
_LOOK = Script(
    """
local found = {}
for first = 1, #KEYS, 1000 do
  local last = math.min(first + 999, #KEYS)
  local some = redis.call('MGET', unpack(KEYS, first, last))
  for i = 1, last - first + 1 do found[first + i - 1] = some[i] end
end
return found
"""
)

# --- text -------------------------------------------------------------------------------------------------------------

# Requests are JSON, which has no bytes: they travel, and are stored, as base64 behind this sign, which begins no other
# answer.
_SIGN: Final = "="

# Three bytes are four characters; the groups of which the epochs fill every byte tell them well enough: 15 of 16 bytes.
_FIRST_GROUP, _END_GROUP = -(-EPOCHS_SLICE[0] // 3), (EPOCHS_SLICE[1] + 1) // 3
_LEASE = lease_script(len(_SIGN) + 4 * _FIRST_GROUP, len(_SIGN) + 4 * _END_GROUP - 1)


def _text(word: bytes | str | float) -> str:
    if isinstance(word, bytes):
        return _SIGN + b64encode(word).decode() if word else ""
    return str(word)


def _bytes(answer: Any) -> Any:
    """Return an answer as a Redis gives it: what was stored as base64, and all other text, as bytes."""
    if isinstance(answer, list):
        return [_bytes(each) for each in answer]
    if not isinstance(answer, str):
        return answer
    if answer.startswith(_SIGN):
        try:
            return b64decode(answer[len(_SIGN) :], validate=True)
        except ValueError:
            # Somebody else's value, or a damaged one, of whatever letters; whoever asked sees that it is none of ours.
            pass
    return answer.encode(errors="replace")


def _translated(asked: Command) -> Command:
    words = asked.words
    if asked.script is LEASE:
        *others, epochs = words
        if epochs:
            first = EPOCHS_SLICE[0]
            epochs = b64encode(cast("bytes", epochs)[3 * _FIRST_GROUP - first : 3 * _END_GROUP - first]).decode()
        return Command((*others, epochs), _LEASE)
    if asked.script is None and words[0] == "MGET":
        return _LOOK([str(name) for name in words[1:]])
    if asked.script is None and words[0] == "WAIT":
        raise RedisUnavailable("Over REST nobody can wait for replicas (wait_replicas)")
    return asked


def _line(asked: Command, *, by_text: bool) -> list[str]:
    name, *words = asked.wire(by_text=by_text)
    # In small letters: the client gives the answers to some commands another shape, which it tells by their names.
    return [str(name).lower(), *map(_text, words)]


# --- what is said -----------------------------------------------------------------------------------------------------


def conversation(commands: Sequence[Command]) -> Generator[Lines, list[Any], list[Any]]:
    """Yield batches, take their answers, or the error of the first that was refused, and return those to `commands`.

    Raises `RedisUnavailable` when the service refuses one of them.
    """
    asked = [_translated(each) for each in commands]
    if not asked:
        return []
    try:
        try:
            answers = yield [_line(each, by_text=False) for each in asked]
        except UpstashError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            # All of them: the client keeps no answer beside an error, and every command may be sent twice.
            answers = yield [_line(each, by_text=True) for each in asked]
    except UpstashError as error:
        # Without the frames of the client, here and below: they hold the token.
        raise _refused(str(error)) from None
    if len(answers) != len(asked):
        raise no_answer("another number of them")
    return [_bytes(answer) for answer in answers]


def _refused(message: str) -> RedisUnavailable:
    if "limit exceeded" in message:
        return RedisUnavailable("The REST service's limit of requests is reached", outage=True)
    if message.startswith(("WRONGPASS", "Unauthorized")):
        return _wrong_token(message.partition(" ")[0])
    return refused(message)


def _wrong_token(why: object) -> RedisUnavailable:
    return RedisUnavailable(f"The REST service refuses the token ({why}); is it this database's?", outage=True)


def no_answer(what: str) -> RedisUnavailable:
    return RedisUnavailable(f"The REST service's answer is none: {what}", outage=True)


# --- what is heard ----------------------------------------------------------------------------------------------------


def tells_error(status: int) -> bool:
    """Return whether the body of an answer with that HTTP status tells an error.

    Raises `RedisUnavailable` for what is no answer of Redis at all.
    """
    if status in (401, 403):
        raise _wrong_token(f"HTTP {status}")
    if status not in (200, 400):
        # Redirects, too: they are not followed, for the token is for the one host.
        raise RedisUnavailable(f"The REST service does not serve: HTTP {status}", outage=True)
    return status == 400


def unpacked(request: bytes) -> Command:
    """Return the command that was packed for a Redis which speaks its own protocol."""
    reader = Reader()
    reader.feed(request)
    return Command(tuple(word.decode() for word in cast("list[bytes]", reader.gets())))
