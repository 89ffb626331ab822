"""What CLUSTER NODES says, of every version: who has which slots, at which address, and who does not count."""

from __future__ import annotations

import pytest
from hiredis import ReplyError

from caching.errors import RedisUnavailable
from caching.tiers.slots import Map, redirection, reign_of, slot_of

ASKED = ("cache.example", 6379)


def parse(*lines: str) -> Map:
    return Map.parse("".join(f"{line}\n" for line in lines).encode(), ASKED)


def node(place: str, flags: str = "master", slots: str = "0-1") -> str:
    return f"aa {place} {flags} - 0 1426238317239 4 connected {slots}".rstrip()


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("10.0.0.1:7000", ("10.0.0.1", 7000)),
        ("10.0.0.1:7000@17000", ("10.0.0.1", 7000)),
        ("10.0.0.1:7000@17000,", ("10.0.0.1", 7000)),
        ("10.0.0.1:7000@17000,one.example", ("one.example", 7000)),
        ("10.0.0.1:7000@17000,,tls-port=0,shard-id=69bc", ("10.0.0.1", 7000)),
        ("fd00::1:7000@17000,one.example,shard-id=69bc", ("one.example", 7000)),
        ("fd00::1:7000@17000", ("fd00::1", 7000)),
        # Nobody has told it its address yet.
        (":7000@17000", ("cache.example", 7000)),
    ],
)
def test_addresses_are_read_as_each_version_writes_them(place: str, address: tuple[str, int]) -> None:
    found = parse(node(place))
    assert found.primaries == {"aa": address}
    assert list(found.slots[:3]) == [address, address, None]


def test_a_server_with_a_name_is_known_by_its_number_too() -> None:
    named = ("one.example", 7000)
    assert parse(node("10.0.0.1:7000@17000,one.example")).known == {named: named, ("10.0.0.1", 7000): named}


def test_slots_on_their_way_are_where_they_come_from() -> None:
    found = parse(node("10.0.0.1:1", "myself,master", "0-1 5 [7->-bb] [9-<-cc] 11-12"))
    assert [slot for slot, address in enumerate(found.slots) if address] == [0, 1, 5, 11, 12]


@pytest.mark.parametrize(
    ("flags", "slots", "counts"),
    [
        ("master", "", True),
        ("myself,master", "", True),
        ("master,fail?", "0-1", True),
        ("master,fail", "0-1", True),
        ("master,fail", "", False),
        ("slave", "", False),
        ("master,handshake", "", False),
        ("master,noaddr", "", False),
    ],
)
def test_primaries_are_those_that_may_be_written_to(flags: str, slots: str, counts: bool) -> None:
    assert (parse(node("10.0.0.1:1", flags, slots)).primaries == {"aa": ("10.0.0.1", 1)}) == counts


@pytest.mark.parametrize(
    "answer", [None, b"nonsense", 7, ReplyError("NOPERM secret"), b"aa nowhere master - 0 0 1 up 0"]
)
def test_another_answer_is_an_outage_that_is_not_repeated(answer: object) -> None:
    with pytest.raises(RedisUnavailable, match="CLUSTER NODES") as caught:
        Map.parse(answer, ASKED)
    assert caught.value.outage
    assert "secret" not in str(caught.value)


def test_the_hash_tag_decides() -> None:
    assert slot_of("fa:v:{org}:shop") == slot_of(b"{org}") == slot_of("org")
    assert slot_of("123456789") == 12_739


def test_a_reign_does_not_depend_on_the_order_and_changes_with_each_of_them() -> None:
    assert reign_of([b"1", b"2"]) == reign_of([b"2", b"1"])
    assert len({reign_of([b"1", b"2"]), reign_of([b"1", b"3"]), reign_of([b"1"])}) == 3


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("MOVED 5 10.0.0.1:7000", ("MOVED", ("10.0.0.1", 7000))),
        ("ASK 5 fd00::1:7000", ("ASK", ("fd00::1", 7000))),
        ("MOVED 5 :7000", ("MOVED", ("cache.example", 7000))),
        ("WRONGTYPE Operation against", None),
    ],
)
def test_redirections_are_read(answer: str, found: object) -> None:
    assert redirection(ReplyError(answer), ASKED) == found
