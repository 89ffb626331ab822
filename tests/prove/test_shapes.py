"""The shapes of Redis that are proved: what each loses comes back, and no more is forgiven than is documented."""

from collections.abc import Iterator

import pytest
from redis.exceptions import ConnectionError

from tests.prove.shapes import SHAPES, Shape


@pytest.fixture
def shape(redis_shape: str) -> Iterator[Shape]:
    started = SHAPES[redis_shape]()
    yield started
    started.end()


def test_whatever_is_lost_comes_back(shape: Shape):
    primaries = len(shape.primaries)

    for loss in shape.losses:
        loss.lose()
        shape.regain()
        assert len(shape.primaries) == primaries, loss.name


def test_every_primary_has_the_keys_of_its_tag(shape: Shape):
    for each in shape.primaries:
        assert each.client.set(f"{shape.tag(each)}ballast", "1")
        assert each.client.dbsize() == 1


def test_a_flush_empties_all_of_it_and_a_disconnect_ends_connections(shape: Shape):
    other = shape.primaries[0].client.connection_pool.make_connection()
    other.send_command("PING")
    assert other.read_response() == b"PONG"

    shape.disconnect()
    for each in shape.primaries:
        each.client.set(f"{shape.tag(each)}ballast", "1")
    shape.flush()

    assert not any(each.client.dbsize() for each in shape.primaries)
    with pytest.raises(ConnectionError):
        other.read_response()
    other.disconnect()


def test_readers_on_other_hosts_may_be_behind_by_what_caveats_say_and_no_more():
    allowed = {name: shape.far_seconds for name, shape in SHAPES.items()}

    assert allowed == {"server": 0.3, "cluster": 0.3, "sentinel": 0.3, "rest": 2.0}
