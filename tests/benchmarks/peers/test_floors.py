"""What no cache can be faster than does the whole work all the same."""

import socket
import threading
from types import SimpleNamespace

import pytest

from benchmarks.peers.floors import BareSocket, Dictionary, RedisPy, redis_name
from benchmarks.results import Unable
from caching.keys import Key

VALUE = SimpleNamespace(name="profile", key=Key("profile", "bench"), read=lambda: "what we return")


@pytest.fixture
def url(valkey):
    return f"redis://{valkey.host}:{valkey.port}/0"


@pytest.fixture(params=[BareSocket, RedisPy])
def floor(request, url, redis):
    """A floor of the emptied server."""
    floor = request.param(url)
    yield floor
    floor.close()


@pytest.mark.parametrize("size", [1, 1_600, 500_000])
def test_it_gets_the_bytes_that_we_keep(floor, redis, size):
    kept = b"\r\n" + b"x" * size
    redis.set(redis_name(VALUE), kept)

    assert floor.reading(VALUE)() == kept


def test_it_is_measured_with_nothing_but_what_is_kept(floor, redis):
    redis.set(redis_name(VALUE), b"first")
    get = floor.reading(VALUE)
    redis.set(redis_name(VALUE), b"second")

    assert get() == b"second"


def test_what_is_not_there_is_none(url, redis):
    bare = BareSocket(url)
    try:
        assert bare.get(b"*2\r\n$3\r\nGET\r\n$7\r\nnothing\r\n") is None
    finally:
        bare.close()


@pytest.fixture
def silent_server():
    """A server that answers in the pieces given, and hangs up; returns its address and how to answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads = []

        def answer(*pieces):
            def serve():
                accepted, _ = listening.accept()
                with accepted:
                    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    accepted.recv(100)
                    for piece in pieces:
                        accepted.sendall(piece)

            threads.append(threading.Thread(target=serve))
            threads[-1].start()

        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0", answer
        for thread in threads:
            thread.join()


@pytest.mark.parametrize(
    "pieces", [(b"$5\r\nhel", b"lo\r\n"), (b"$", b"5\r", b"\nhello\r", b"\n"), (b"$5\r\nhello\r\n",)]
)
def test_an_answer_in_pieces_is_put_together(silent_server, pieces):
    url, answer = silent_server
    answer(*pieces)
    bare = BareSocket(url)
    try:
        assert bare.get(b"GET") == b"hello"
    finally:
        bare.close()


def test_a_server_that_hangs_up_is_an_error_and_not_an_endless_wait(silent_server):
    url, answer = silent_server
    answer(b"$5\r\nhel")
    bare = BareSocket(url)
    try:
        with pytest.raises(ConnectionError):
            bare.get(b"GET")
    finally:
        bare.close()


def test_the_dictionary_has_the_object_itself():
    floor = Dictionary()

    assert floor.reading(VALUE)() is VALUE.read()
    floor.close()


def test_a_value_that_is_not_there_is_not_measured(floor, redis):
    get = floor.reading(VALUE)

    # Redis gives an empty text for a part of nothing.
    assert get == Unable("It did not return what was kept, but NoneType.")
