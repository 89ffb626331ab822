"""What is said to a Redis Cluster: which server is asked what, and who is asked instead; for threads and loops."""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, Final

from hiredis import ReplyError

from caching.errors import RedisUnavailable
from caching.scripts import Argument, Command, command, one_by_one
from caching.tiers.conversation import WHO, Batch, Replies, is_unknown, refused, run_id_of
from caching.tiers.slots import Address, Map, View, redirection, reign_of, slot_of

__all__ = ["Answers", "Round", "Router", "Talk"]

#: What is asked at once, of each server.
Round = Mapping[Address, Batch]
#: What they answered, errors included, and the `run_id` of the connection.
Answers = Mapping[Address, tuple[list[Any], bytes]]
Talk = Generator[Round, Answers, Any]

# So often the same commands are asked again because the primaries have changed, or one command is sent on.
_ATTEMPTS: Final = 3
# A script has deleted a key of a slot on its way, which may not be made anew there. Asked again, it finds its way.
_LEFT_BEHIND: Final = "access a non local key"
# Without a key, and for every server.
_FOR_ALL: Final = frozenset({"PING"})


class _Changed(Exception):
    """The primaries are others than those that were asked first: what they answered is worth nothing any more."""


class _Part:
    """What one server is asked of a command: all of it, or the keys of an MGET that are in one slot."""

    __slots__ = ("address", "answer", "asking", "by_text", "command", "hops", "places", "slot")

    def __init__(self, each: Command, slot: int | None, places: Sequence[int] = (), address: Address | None = None):
        self.command = each
        self.slot = slot
        #: Of an MGET that was split: where its answers stand.
        self.places = places
        #: Where it is to be asked, whatever the map says.
        self.address = address
        self.asking = self.by_text = False
        self.hops = 0
        self.answer: Any = None


class Router:
    """Knows the servers of a cluster; its talks yield rounds of questions, get their answers and return what they say.

    `view` is the newest view of the cluster, None until one is made. `reign` goes up when connections are to be made
    anew. All raise `RedisUnavailable`.
    """

    def __init__(self, seeds: Sequence[Address]) -> None:
        self.view: View | None = None
        self.reign = 0
        self._seeds = tuple(seeds)
        #: Whom to ask for the map.
        self.candidates: tuple[Address, ...] = self._seeds

    def renew(self) -> None:
        """Have the view and every connection be made anew at their next use."""
        # In this order: a view made before is not kept then.
        self.reign += 1
        self.view = None

    def remember(self, primaries: Iterable[Address]) -> None:
        """Keep these beside the seeds, for the time when none of those is left."""
        self.candidates = tuple({*self._seeds, *primaries})

    def addresses(self, commands: Sequence[Command], view: View) -> set[Address]:
        """Return where these commands go in that view."""
        return {part.address or _owner(part, view) for each in commands for part in _parts(each, view)}

    def talk(self, commands: Sequence[Command], until: float) -> Generator[Round, Answers, Replies]:
        """Ask the commands; no server is asked after another one behind that moment of `time.perf_counter`.

        All that is answered was answered by the primaries of one view, whose `run_id` the replies have.
        """
        for _ in range(_ATTEMPTS):
            view = self.view or (yield from self.look(until))
            parts = [_parts(each, view) for each in commands]
            try:
                yield from self._ask_all([part for each in parts for part in each], view, until)
            except _Changed:
                _check(until)
                continue
            return Replies([_joined(*each) for each in zip(commands, parts, strict=True)], view.run_id)
        raise RedisUnavailable("The primaries of the Redis Cluster are changing", outage=True)

    def look(self, until: float, first: Address | None = None) -> Generator[Round, Answers, View]:
        """Make a view anew: ask one server for the map, `first` if it answers, then all primaries who they are."""
        reign = self.reign
        text, asked = yield from self._ask_for_map(until, first)
        found = Map.parse(text, asked)
        answered = yield {address: list(WHO) for address in found.primaries.values()}
        run_ids = {address: run_id_of(answers) for address, (answers, _) in answered.items()}
        for run_id in run_ids.values():
            if b"/master/" not in run_id:
                raise RedisUnavailable("What is said to be a primary of the Redis Cluster is none", outage=True)
        view = View(found, run_ids, reign_of(tuple(run_ids.values())))
        if reign == self.reign:
            self.view = view
            self.remember(run_ids)
        return view

    def _ask_for_map(self, until: float, first: Address | None) -> Generator[Round, Answers, tuple[Any, Address]]:
        # At random: one that does not answer, or is cut off from the others, must not stand before them for ever.
        candidates = random.sample(self.candidates, len(self.candidates))
        failure = RedisUnavailable("The Redis Cluster has no servers", outage=True)
        for address in [first, *candidates] if first is not None else candidates:
            try:
                answered = yield {address: [("CLUSTER", "NODES")]}
            except RedisUnavailable as error:
                failure = error
                if time.perf_counter() >= until:
                    break
                continue
            (answer,) = answered[address][0]
            if not isinstance(answer, ReplyError):
                return answer, address
            failure = _no_cluster(answer)
        raise failure

    def _ask_all(self, parts: Sequence[_Part], view: View, until: float) -> Generator[Round, Answers, None]:
        todo, current = list(parts), view
        while todo:
            batches: dict[Address, Batch] = {}
            asked: list[tuple[_Part, Address, int]] = []
            for part in todo:
                address = part.address or _owner(part, current)
                batch = batches.setdefault(address, [])
                if part.asking:
                    batch.append(("ASKING",))
                asked.append((part, address, len(batch)))
                batch.append(part.command.wire(by_text=part.by_text))
            answered = yield batches
            for address, (_, run_id) in answered.items():
                if current.run_ids.get(address) != run_id:
                    # Another process at that address, or a connection from before this view.
                    self.renew()
                    raise _Changed
            todo, moved_to = [], None
            for part, address, index in asked:
                part.answer = answered[address][0][index]
                if isinstance(part.answer, ReplyError):
                    found = redirection(part.answer, address)
                    if found is not None:
                        moved_to = self._send_on(part, *found, current) or moved_to
                        todo.append(part)
                    elif is_unknown(part.answer) and not part.by_text:
                        part.by_text = True
                        todo.append(part)
                    elif _LEFT_BEHIND in str(part.answer):
                        _count(part)
                        todo.append(part)
            if todo:
                _check(until)
            if moved_to is not None:
                # Perhaps another thread has made it already.
                newer = self.view if self.view is not current else None
                current = newer or (yield from self.look(until, moved_to))
                if current.run_id != view.run_id:
                    raise _Changed
        for part in parts:
            if isinstance(part.answer, ReplyError) and str(part.answer).startswith("TRYAGAIN"):
                yield from self._ask_one_by_one(part, current, until)

    def _send_on(self, part: _Part, kind: str, to: Address, view: View) -> Address | None:
        # An ASK holds for one command, and the map stays as it is; else whom to ask for another map.
        _count(part)
        part.asking = kind == "ASK"
        part.address = view.map.known.get(to) if part.asking else None
        if part.asking and part.address is None:
            # A primary that has joined since.
            self.renew()
            raise _Changed
        return None if part.asking else to

    def _ask_one_by_one(self, part: _Part, view: View, until: float) -> Generator[Round, Answers, None]:
        # The keys of its slot are on their way to another server, and not all are there.
        single = one_by_one(part.command)
        if not single:
            raise RedisUnavailable("Redis refused a command: TRYAGAIN")
        answers = []
        for each in single:
            _check(until)
            alone = _Part(each, part.slot)
            yield from self._ask_all([alone], view, until)
            answers.append(alone.answer)
        wrong = [each for each in answers if isinstance(each, ReplyError) and not _is_of_another_type(each)]
        # As MGET does with what is no text.
        answers = [None if isinstance(each, ReplyError) else each for each in answers]
        part.answer = wrong[0] if wrong else answers if part.command.words[0] == "MGET" else answers[-1]


def _count(part: _Part) -> None:
    part.hops += 1
    if part.hops > _ATTEMPTS:
        raise RedisUnavailable("The servers of the Redis Cluster send each other the question", outage=True)


def _check(until: float) -> None:
    if time.perf_counter() >= until:
        raise RedisUnavailable("Redis did not answer: the servers of the cluster sent it on for too long", outage=True)


def _no_cluster(answer: ReplyError) -> RedisUnavailable:
    if "cluster support disabled" in str(answer):
        return RedisUnavailable("The Redis server is not part of a cluster: configure it as one server", outage=True)
    refusal = refused(str(answer))
    return RedisUnavailable(str(refusal), outage=True)


def _parts(each: Command, view: View) -> list[_Part]:
    words = each.words
    if each.script is not None:
        return [_Part(each, slot_of(_text(words[1])))]
    if words[0] in _FOR_ALL:
        return [_Part(each, None, address=address) for address in view.run_ids]
    if words[0] != "MGET":
        return [_Part(each, slot_of(_text(words[1])))]
    places: dict[int, list[int]] = {}
    for place, name in enumerate(words[1:]):
        places.setdefault(slot_of(_text(name)), []).append(place)
    if len(places) == 1:
        return [_Part(each, slot) for slot in places]
    return [_Part(command("MGET", *(words[1 + i] for i in found)), slot, found) for slot, found in places.items()]


def _joined(each: Command, parts: Sequence[_Part]) -> Any:
    for part in parts:
        if isinstance(part.answer, ReplyError):
            raise refused(str(part.answer))
    if not parts[0].places:
        return parts[0].answer
    values: list[Any] = [None] * (len(each.words) - 1)
    for part in parts:
        for place, value in zip(part.places, part.answer, strict=True):
            values[place] = value
    return values


def _owner(part: _Part, view: View) -> Address:
    assert part.slot is not None  # noqa: S101 -- for the type checker; what is for all has its address
    address = view.map.slots[part.slot]
    if address is None:
        raise RedisUnavailable("No server of the Redis Cluster has the slot of that key", outage=True)
    return address


def _is_of_another_type(answer: ReplyError) -> bool:
    return str(answer).startswith("WRONGTYPE")


def _text(word: Argument) -> str | bytes:
    return word if isinstance(word, bytes) else str(word)
