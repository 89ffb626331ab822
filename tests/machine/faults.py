"""What befalls a Redis server, on a client of its own."""

from __future__ import annotations

from typing import Any

__all__ = ["age", "corrupt", "evict", "flush"]

# The server's clock cannot be moved: what it keeps is moved towards its end instead.
_AGE = """
for _, name in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', name).ok == 'zset' then
    for _, member in ipairs(redis.call('ZRANGE', name, 0, -1)) do redis.call('ZINCRBY', name, -ARGV[1], member) end
  else
    local left = redis.call('PTTL', name)
    if left >= 0 then
      if left > tonumber(ARGV[1]) then redis.call('PEXPIRE', name, left - ARGV[1]) else redis.call('DEL', name) end
    end
  end
end
"""


def age(redis: Any, seconds: float) -> None:
    """Let so much time pass for everything that the server keeps."""
    redis.eval(_AGE, 0, int(seconds * 1000))


def flush(redis: Any) -> None:
    """Empty it."""
    redis.flushall()


def evict(redis: Any, choice: int) -> None:
    """Delete one key that may be evicted: any but marks, which have no time to live. Epochs may go, too."""
    names = sorted(name for name in redis.keys("*") if b"p:" not in name[:5])
    if names:
        redis.delete(names[choice % len(names)])


def corrupt(redis: Any, choice: int) -> None:
    """Flip a bit of one value."""
    names = sorted(redis.keys("*v:*"))
    if names:
        name = names[choice % len(names)]
        raw = bytearray(redis.get(name))
        raw[choice % len(raw)] ^= 1 << choice % 8
        redis.set(name, bytes(raw), keepttl=True)
