"""The scripts do on a real server what the models take them to do, in every state of a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from caching.envelope import EPOCHS_SLICE, Envelope, pack
from caching.scripts import FILL, LEASE, MARK, UNMARK, WIDE_MARK, WIDE_UNMARK, Command
from tests.model.server import EMPTY, REJECTED, Server, Token, Value, fill, lease, mark, token, unmark

VALUE, LEASED, PENDING, WIDE, EPOCH = NAMES = "v:k", "l:k", "p:k", "p:*", "e:s:"

#: Of another actor's fresh epoch nothing is known but that it is another.
FRESH = 7

ME, OTHER = 0, 1


def _token(seen: Token) -> bytes:
    return b"" if seen == REJECTED else f"{seen[0]}/{seen[1]}".encode().rjust(16)


def _envelope(value: Value) -> bytes:
    version, seen = value
    return pack(Envelope("k", b"schema..", _token(seen), 0.0, 0.0, 0.0, 0.0, 0, str(version).encode()))


def _states() -> Iterator[Server]:
    nobody, me, other = frozenset[int](), frozenset({ME}), frozenset({OTHER})
    for value, holder, pending, wide in product(
        (None, (1, token(EMPTY)), (1, (0, 9))), (None, ME, OTHER), (nobody, me, other), (nobody, me, other)
    ):
        yield Server(value, holder, pending, wide)


def _put(client: Any, server: Server) -> None:
    pipe = client.pipeline(transaction=False)
    pipe.flushall()
    pipe.set(EPOCH, server.epoch)
    if server.value is not None:
        pipe.set(VALUE, _envelope(server.value))
    if server.lease is not None:
        pipe.set(LEASED, server.lease, px=60_000)
    for name, writers in ((PENDING, server.pending), (WIDE, server.wide)):
        for writer in writers:
            pipe.zadd(name, {str(writer): 10**15})
    pipe.execute()


def _found(client: Any, before: Server) -> Server:
    pipe = client.pipeline(transaction=False)
    pipe.get(VALUE).get(LEASED).zrange(PENDING, 0, -1).zrange(WIDE, 0, -1).get(EPOCH)
    raw, holder, pending, wide, epoch = pipe.execute()
    value = None
    if raw is not None:
        run, seen = map(int, raw[EPOCHS_SLICE[0] : EPOCHS_SLICE[1] + 1].split(b"/"))
        value = int(raw[-1:]), (run, seen)
    changed = epoch != str(before.epoch).encode()
    return before._replace(
        value=value,
        lease=None if holder is None else int(holder),
        pending=frozenset(map(int, pending)),
        wide=frozenset(map(int, wide)),
        epoch=FRESH if changed else before.epoch,
    )


def _lease(seen: Token) -> tuple[Command, Callable[[Server], tuple[Server, Any]]]:
    def expected(server: Server) -> tuple[Server, Any]:
        left, verdict = lease(server, ME, seen)
        return left, verdict.encode()

    return LEASE([LEASED, PENDING, WIDE, VALUE], ME, 5000, _token(seen)), expected


def _fill(value: Value | None) -> tuple[Command, Callable[[Server], tuple[Server, Any]]]:
    def expected(server: Server) -> tuple[Server, Any]:
        left, accepted = fill(server, ME, value)
        return left, int(accepted)

    return FILL([LEASED, VALUE], ME, b"" if value is None else _envelope(value), 5000), expected


def _writes(
    script: Command, step: Callable[[Server], Server]
) -> tuple[Command, Callable[[Server], tuple[Server, Any]]]:
    return script, lambda server: (step(server), None)


SCRIPTS = {
    "lease": _lease(token(EMPTY)),
    "lease under another epoch": _lease((0, 9)),
    "lease of one who rejected the value": _lease(REJECTED),
    "fill": _fill((2, token(EMPTY))),
    "fill with nothing": _fill(None),
    "mark": _writes(MARK([VALUE, LEASED, PENDING], ME, 5000), lambda server: mark(server, ME)),
    "unmark": _writes(UNMARK([VALUE, LEASED, PENDING], ME), lambda server: unmark(server, ME)),
    "wide mark": _writes(WIDE_MARK([EPOCH, WIDE], ME, 5000, "fresh"), lambda server: mark(server, ME, epoch=FRESH)),
    "wide unmark": _writes(WIDE_UNMARK([EPOCH, WIDE], ME, "fresh"), lambda server: unmark(server, ME, epoch=FRESH)),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_does_what_the_models_say(redis: Any, name: str) -> None:
    script, expected = SCRIPTS[name]
    for server in _states():
        _put(redis, server)
        answer = redis.execute_command(*script.wire(by_text=True))
        assert (_found(redis, server), answer) == expected(server), f"{name} in {server}"
