"""The protocol's atomic steps as Lua scripts, and the commands the rest of the framework sends to Redis."""

from __future__ import annotations

from hashlib import sha1
from typing import Any

import msgspec

from caching.envelope import EPOCHS_SLICE

__all__ = [
    "CLEAR", "EPOCH", "FILL", "LEASE", "MARK", "TELL", "UNMARK", "WIDE_MARK", "WIDE_UNMARK", "Command", "Script",
    "lease_script", "one_by_one",
]  # fmt: skip

Argument = bytes | str | int | float


class Command(msgspec.Struct, frozen=True):
    """One command: its words, or a script with keys and arguments (sent by digest, by text when unknown)."""

    words: tuple[Argument, ...] = ()
    script: Script | None = None

    def wire(self, *, by_text: bool = False) -> tuple[Argument, ...]:
        if self.script is None:
            return self.words
        return ("EVAL", self.script.text, *self.words) if by_text else ("EVALSHA", self.script.digest, *self.words)


class Script:
    """A Lua script; call it with its keys and arguments to get the command."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: list[str], *arguments: Argument) -> Command:
        return Command((len(keys), *keys, *arguments), self)


def command(*words: Any) -> Command:
    """Return a plain command."""
    return Command(words)


_ONLY_WRITERS = """
-- Somebody else's value under the name of the pending writers would refuse every write for ever.
local function only_writers(name)
  local kind = redis.call('TYPE', name).ok
  if kind ~= 'zset' and kind ~= 'none' then redis.call('DEL', name) end
end
"""

_NOW = (
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
    + _ONLY_WRITERS
)

# Mixed with what stood there and with the moment: a command whose connection was lost is sent again and may be done
# twice, and an epoch that came back would bring back all that was cleared or written since. The limit of memory is
# looked at only before a script's first write.
_NEW_EPOCH = """
local function new_epoch(name, token)
  local before = redis.pcall('GET', name)
  local time = redis.call('TIME')
  redis.call('DEL', name)
  local mixed = token .. time[1] .. '.' .. time[2] .. (type(before) == 'string' and before or '')
  redis.call('SET', name, string.sub(redis.sha1hex(mixed), 1, 16))
end
"""

#: key epoch; argument a fresh token. Changes the epoch to one that never was.
CLEAR = Script(_NEW_EPOCH + "new_epoch(KEYS[1], ARGV[1])\n")

#: key epoch; argument a fresh token. Answers the epoch, made anew when there is none or the key is somebody else's.
EPOCH = Script(
    _NEW_EPOCH
    + """
if redis.call('TYPE', KEYS[1]).ok ~= 'string' then new_epoch(KEYS[1], ARGV[1]) end
return redis.call('GET', KEYS[1])
"""
)


def lease_script(first: int, last: int) -> Script:
    """Return the script that takes a lease, for values that have their epochs from the first to the last byte."""
    return Script(
        _NOW
        + f"""
for i = 2, 3 do
  only_writers(KEYS[i])
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now)
end
if redis.call('EXISTS', KEYS[2], KEYS[3]) > 0 then return 'pending' end
if ARGV[3] ~= '' then
  local epochs = redis.pcall('GETRANGE', KEYS[4], {first}, {last})
  if epochs == ARGV[3] then return 'value' end
  if type(epochs) == 'table' then redis.call('DEL', KEYS[4]) end
end
-- No lease of ours is without an end: somebody else's key would be held for ever.
if redis.call('PTTL', KEYS[1]) == -1 then redis.call('DEL', KEYS[1]) end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 'taken' end
return 'held'
"""
    )


#: keys lease, pending, wide pending, value; arguments token, lease in ms, epochs ("" when the value was seen and
#: rejected). Answers pending (a writer is under way), value (somebody filled meanwhile), taken or held.
LEASE = lease_script(*EPOCHS_SLICE)

#: keys lease, value; arguments token, envelope ("" to give the lease back), TTL in ms. Answers 1 if the lease was ours
#: and there was room; the lease ends either way, so that nobody waits for a value that cannot come.
FILL = Script(
    """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local filled = 1
if ARGV[2] ~= '' and redis.pcall('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]).err then filled = 0 end
redis.call('DEL', KEYS[1])
return filled
"""
)

#: keys value, lease, pending; arguments commit id, ms until the mark runs out. Deleting first lets the mark through
#: when Redis is out of memory: the limit is looked at only before a script's first write.
MARK = Script(
    _NOW
    + """
redis.call('DEL', KEYS[1], KEYS[2])
only_writers(KEYS[3])
redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[1])
"""
)

# Written even when the mark is gone, so that whoever watches the key hears that the commit is done.
_LEAVE = (
    _ONLY_WRITERS
    + """
only_writers(pending)
if redis.call('ZREM', pending, ARGV[1]) == 0 then
  redis.call('ZADD', pending, 0, ARGV[1])
  redis.call('ZREM', pending, ARGV[1])
end
"""
)

#: keys value, lease, pending; argument commit id.
UNMARK = Script("local pending = KEYS[3]\n" + _LEAVE + "redis.call('DEL', KEYS[1], KEYS[2])\n")

#: keys epoch of the scope, wide pending; arguments commit id, ms, fresh token.
WIDE_MARK = Script(
    _NOW
    + _NEW_EPOCH
    + """
new_epoch(KEYS[1], ARGV[3])
only_writers(KEYS[2])
redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
"""
)

#: keys epoch of the scope, wide pending; arguments commit id, fresh token.
WIDE_UNMARK = Script("local pending = KEYS[2]\n" + _LEAVE + _NEW_EPOCH + "new_epoch(KEYS[1], ARGV[2])\n")

#: key of all hosts' figures; arguments host, its figures.
TELL = Script(
    """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
"""
)

# --- the same, one key after the other --------------------------------------------------------------------------------

_MARK_PENDING = Script(_NOW + "only_writers(KEYS[1])\nredis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])\n")
_LEAVE_PENDING = Script("local pending = KEYS[1]\n" + _LEAVE)


def one_by_one(each: Command) -> list[Command]:
    """Return commands of one key each that, in this order, are as good as this one; none where no order is.

    For a Redis Cluster that refuses several keys while their slot is on its way to another server. The pending writer
    comes before what it guards and goes after it: no reader gets a lease in between, and one that had it before cannot
    fill any more, or its value is deleted.
    """
    words = each.words
    if each.script is MARK:
        _, value, lease, pending, commit_id, milliseconds = words
        mark = _MARK_PENDING([str(pending)], commit_id, milliseconds)
        return [mark, command("DEL", lease), command("DEL", value)]
    if each.script is UNMARK:
        _, value, lease, pending, commit_id = words
        return [command("DEL", lease), command("DEL", value), _LEAVE_PENDING([str(pending)], commit_id)]
    if each.script is WIDE_MARK:
        _, epoch, pending, commit_id, milliseconds, token = words
        return [_MARK_PENDING([str(pending)], commit_id, milliseconds), CLEAR([str(epoch)], token)]
    if each.script is WIDE_UNMARK:
        _, epoch, pending, commit_id, token = words
        return [CLEAR([str(epoch)], token), _LEAVE_PENDING([str(pending)], commit_id)]
    if each.script is None and words[0] == "MGET":
        return [command("GET", name) for name in words[1:]]
    return []
