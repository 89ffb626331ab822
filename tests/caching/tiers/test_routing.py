"""What the router says to a Redis Cluster, step by step, with answers that a test makes up."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import pytest
from hiredis import ReplyError

from caching.errors import RedisUnavailable
from caching.scripts import Command, command
from caching.tiers.conversation import WHO
from caching.tiers.routing import Round, Router
from caching.tiers.slots import Address, slot_of

A, B, C = (("10.0.0.1", 1), ("10.0.0.2", 2), ("10.0.0.3", 3))
NODES = b"""\
aa 10.0.0.1:1@10001 myself,master - 0 0 1 connected 0-8000
bb 10.0.0.2:2@10002 master - 0 0 2 connected 8001-16383
"""
MOVED = NODES.replace(b"0-8000", b"0-5460 5462-8000").replace(b"8001-", b"5461 8001-")
LATER = time.perf_counter() + 3600
# In slots 5461 (A until it moves) and 15495 (B).
X, Y = "8M", "a"


def info(run_id: str, role: str = "master") -> list[bytes]:
    return [f"run_id:{run_id}\r\n".encode(), f"role:{role}\r\nmaster_replid:r{run_id}\r\n".encode()]


class World:
    """Servers that answer with what they are told to: `run_ids` by address, `nodes` to whoever asks for the map."""

    def __init__(self) -> None:
        self.run_ids = {A: "1", B: "2"}
        self.nodes = NODES
        self.asked: list[tuple[Address, Any]] = []
        self.answer: Callable[[Address, Any], Any] = lambda address, words: b"value of " + words[1].encode()

    def says(self, batches: Round) -> Any:
        answers = {}
        for address, batch in batches.items():
            run_id = self.run_ids[address]
            found = []
            for words in batch:
                self.asked.append((address, words))
                if words[0] == "CLUSTER":
                    found.append(self.nodes)
                elif words in WHO:
                    found.append(info(run_id)[WHO.index(words)])
                elif words[0] == "ASKING":
                    found.append(b"OK")
                else:
                    found.append(self.answer(address, words))
            answers[address] = (found, f"{run_id}/master/r{run_id}".encode())
        return answers

    def drive(self, talk: Generator[Round, Any, Any], batches: Round | None = None) -> Any:
        """Answer until there is a result; `batches` is what was asked already."""
        try:
            batches = batches or next(talk)
            while True:
                batches = talk.send(self.says(batches))
        except StopIteration as done:
            return done.value

    def rounds(self, *names: str) -> list[Address]:
        """Where these keys were asked for, in this order."""
        return [address for address, words in self.asked if words[0] == "GET" and words[1] in names]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def router(world: World) -> Router:
    router = Router([A])
    world.drive(router.look(LATER))
    world.asked.clear()
    return router


def get(*names: str) -> list[Command]:
    return [command("GET", name) for name in names]


def once(answer: Callable[[Address, Any], Any], then: Callable[[Address, Any], Any]) -> Callable[[Address, Any], Any]:
    turns = iter((answer,))
    return lambda address, words: next(turns, then)(address, words)


def test_the_keys_are_where_this_test_believes_them() -> None:
    assert (slot_of(X), slot_of(Y)) == (5461, 15495)


def test_what_was_answered_before_the_primaries_changed_is_asked_again(world: World, router: Router) -> None:
    plain = world.answer

    def restarted_meanwhile(address: Address, words: Any) -> Any:
        world.run_ids[B] = "3"
        return ReplyError("MOVED 5461 10.0.0.2:2")

    world.answer = lambda address, words: plain(address, words) if words[1] == Y else move(address, words)
    move = once(restarted_meanwhile, plain)
    world.nodes = MOVED
    before = router.view
    assert before is not None
    replies = world.drive(router.talk(get(Y, X), LATER))
    assert replies.values == [b"value of a", b"value of 8M"]
    assert replies.run_id != before.run_id
    assert world.rounds(Y) == [B, B]


def test_after_a_move_alone_only_what_was_sent_on_is_asked_again(world: World, router: Router) -> None:
    plain = world.answer
    world.nodes = MOVED
    moved = ReplyError("MOVED 5461 10.0.0.2:2")
    world.answer = lambda address, words: moved if (address, words[1]) == (A, X) else plain(address, words)
    assert world.drive(router.talk(get(Y, X), LATER)).values == [b"value of a", b"value of 8M"]
    assert (world.rounds(X), world.rounds(Y)) == ([A, B], [B])


def test_servers_that_send_each_other_the_question_are_asked_so_often_and_no_more(world: World, router: Router) -> None:
    world.answer = lambda address, words: ReplyError("MOVED 5461 10.0.0.2:2")
    with pytest.raises(RedisUnavailable, match="send each other") as caught:
        world.drive(router.talk(get(X), LATER))
    assert caught.value.outage
    assert len(world.rounds(X)) == 4


def test_nobody_is_asked_another_time_when_the_time_is_over(world: World, router: Router) -> None:
    world.answer = lambda address, words: ReplyError("ASK 5461 10.0.0.2:2")
    with pytest.raises(RedisUnavailable, match="for too long"):
        world.drive(router.talk(get(X), time.perf_counter()))
    assert world.rounds(X) == [A]


def test_primaries_that_change_without_end_are_given_up(world: World, router: Router) -> None:
    numbers = iter(range(10, 1000))
    plain = world.says

    def restless(batches: Round) -> Any:
        world.run_ids[A] = str(next(numbers))
        return plain(batches)

    world.says = restless  # type: ignore[method-assign]
    with pytest.raises(RedisUnavailable, match="are changing"):
        world.drive(router.talk(get(X), LATER))


def test_an_answer_of_another_process_at_the_same_address_is_not_taken(world: World, router: Router) -> None:
    before = router.view
    world.run_ids[A] = "7"
    replies = world.drive(router.talk(get(X, Y), LATER))
    assert before is not None
    assert replies.run_id != before.run_id
    assert world.rounds(X) == [A, A]
    assert router.reign == 1, "the connections from before tell of another process"


def test_a_view_that_was_begun_before_all_was_to_be_made_anew_is_not_kept(world: World, router: Router) -> None:
    look = router.look(LATER)
    batches = next(look)
    router.renew()
    with pytest.raises(StopIteration):
        while True:
            batches = look.send(world.says(batches))
    assert router.view is None


def test_a_map_that_calls_a_replica_a_primary_is_not_believed(world: World, router: Router) -> None:
    said = world.says

    def demoted(batches: Round) -> Any:
        answers = said(batches)
        return {
            address: ([each.replace(b"role:master", b"role:slave") for each in found], run_id)
            for address, (found, run_id) in answers.items()
        }

    world.says = demoted  # type: ignore[method-assign]
    with pytest.raises(RedisUnavailable, match="is none"):
        world.drive(router.look(LATER))


def test_a_move_is_learnt_from_whom_it_was_made_to(world: World, router: Router) -> None:
    plain = world.answer
    world.nodes = MOVED
    moved = ReplyError("MOVED 5461 10.0.0.2:2")
    world.answer = lambda address, words: moved if address == A else plain(address, words)
    world.drive(router.talk(get(X), LATER))
    assert [address for address, words in world.asked if words[0] == "CLUSTER"] == [B]


def test_what_another_thread_has_learnt_is_not_asked_again(world: World, router: Router) -> None:
    talk = router.talk(get(X), LATER)
    batches = next(talk)
    world.nodes = MOVED
    world.drive(router.look(LATER))
    world.asked.clear()
    world.answer = once(lambda address, words: ReplyError("MOVED 5461 10.0.0.2:2"), world.answer)
    assert world.drive(talk, batches).values == [b"value of 8M"]
    assert [words[0] for _, words in world.asked] == ["GET", "GET"]


def test_a_slot_that_is_nobodys_is_an_outage(world: World, router: Router) -> None:
    world.nodes = NODES.replace(b"0-8000", b"0-100")
    world.drive(router.look(LATER))
    with pytest.raises(RedisUnavailable, match="No server") as caught:
        world.drive(router.talk(get(X), LATER))
    assert caught.value.outage
