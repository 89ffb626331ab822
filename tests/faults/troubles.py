"""What goes wrong between the cache and its server, and in the server: how it begins, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import redis

from tests.faults.proxy import (
    Answerless,
    BlackHole,
    CutAnswer,
    Delay,
    Fault,
    Garbage,
    LostAnswer,
    Proxy,
    Refusal,
    Reset,
)
from tests.faults.servers import Server
from tests.faults.waiting import eventually

__all__ = ["TROUBLES", "Trouble"]


def _nothing(server: Server, proxy: Proxy) -> None:
    pass


class Trouble(NamedTuple):
    """`opens`: Redis cannot be used for reads and writes, so that the breaker opens; `waits`: after a time-out."""

    begin: Callable[[Server, Proxy], object]
    end: Callable[[Server, Proxy], object] = _nothing
    opens: bool = True
    waits: bool = False


def _between(fault: Fault, *, opens: bool = True, waits: bool = False) -> Trouble:
    return Trouble(lambda _, proxy: proxy.suffer(fault), lambda _, proxy: proxy.heal(), opens=opens, waits=waits)


def _cut_all_connections(server: Server, _: Proxy) -> None:
    server.client.client_kill_filter(_type="normal", skipme=True)


def _fill_up(server: Server, _: Proxy) -> None:
    server.client.config_set("maxmemory", 1)


def _evict(server: Server, _: Proxy) -> None:
    """Take away whatever there is, as a server does that others fill."""
    server.client.config_set("maxmemory-policy", "allkeys-random")
    server.client.config_set("maxmemory", server.client.info("memory")["used_memory"] + 100_000)
    for number in range(200):
        server.client.set(f"somebody's {number}", bytes(10_000))
    assert server.client.info("stats")["evicted_keys"]


def _make_room(server: Server, _: Proxy) -> None:
    server.client.config_set("maxmemory", 0)


def _demote(server: Server, *options: tuple[str, str]) -> None:
    for name, value in options:
        server.client.config_set(name, value)
    # Nobody listens on the first port.
    server.client.replicaof("127.0.0.1", "1")


def _promote(server: Server, _: Proxy) -> None:
    server.client.replicaof("NO", "ONE")


def _demand_a_password(server: Server, proxy: Proxy) -> None:
    server.client.config_set("requirepass", "secret")
    _cut_all_connections(server, proxy)


def _let_nobody_in(server: Server, proxy: Proxy) -> None:
    server.client.config_set("maxclients", 1)
    _cut_all_connections(server, proxy)


def _run_for_ever(server: Server, _: Proxy) -> None:
    server.client.config_set("busy-reply-threshold", 1)

    def run() -> None:
        with redis.Redis(port=server.port, socket_timeout=60) as client, suppress(redis.ResponseError):
            client.eval("while true do end", 0)

    threading.Thread(target=run, name="busy script").start()

    def busy() -> bool:
        try:
            server.client.ping()
        except redis.ResponseError:
            return True
        return False

    eventually(busy)


def _end_the_script(server: Server, _: Proxy) -> None:
    server.client.script_kill()
    _join("busy script")


def _join(name: str) -> None:
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(60)


TROUBLES = {
    # On the way.
    "refused": _between(Refusal()),
    "black hole": _between(BlackHole(), waits=True),
    "answers never come": _between(Answerless(), waits=True),
    "reset": _between(Reset()),
    "answers are lost by a reset": _between(LostAnswer()),
    "answers late beyond patience": _between(Delay(60.0), waits=True),
    "answers a little late": _between(Delay(0.002), opens=False),
    "a byte of the answer, then silence": _between(CutAnswer(1, closes=False), waits=True),
    "half an answer, then silence": _between(CutAnswer(40, closes=False), waits=True),
    "half an answer, then the end": _between(CutAnswer(40, closes=True)),
    "no protocol": _between(Garbage()),
    # In the server.
    "killed, and empty when it starts again": Trouble(
        lambda server, _: server.kill(), lambda server, _: server.start()
    ),
    "stopped and continued": Trouble(lambda server, _: server.freeze(), lambda server, _: server.thaw(), waits=True),
    "connections killed": Trouble(_cut_all_connections, opens=False),
    "writes paused": Trouble(
        lambda server, _: server.client.client_pause(600_000, all=False),
        lambda server, _: server.client.client_unpause(),
        waits=True,
    ),
    "all paused": Trouble(lambda server, _: server.client.client_pause(1500), waits=True),
    "out of memory": Trouble(_fill_up, _make_room, opens=False),
    "evicting": Trouble(_evict, _make_room, opens=False),
    "flushed": Trouble(lambda server, _: server.client.flushall(), opens=False),
    "scripts flushed": Trouble(lambda server, _: server.client.script_flush(), opens=False),
    "a read-only replica": Trouble(lambda server, _: _demote(server), _promote),
    "a replica without its primary": Trouble(
        lambda server, _: _demote(server, ("replica-serve-stale-data", "no")), _promote
    ),
    "scripts forbidden": Trouble(
        lambda server, _: server.client.execute_command("ACL SETUSER default -@scripting"),
        lambda server, _: server.client.execute_command("ACL SETUSER default +@scripting"),
    ),
    "a password demanded": Trouble(_demand_a_password, lambda server, _: server.client.config_set("requirepass", "")),
    "no room for clients": Trouble(_let_nobody_in, lambda server, _: server.client.config_set("maxclients", 1000)),
    "busy with a script": Trouble(_run_for_ever, _end_the_script),
}
