"""Packed records: found by their keys and no others, whatever is added, removed, split and merged meanwhile."""

from __future__ import annotations

import random
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

import pytest

from caching.tiers.packed import _BUCKET_BYTES, PackedRecords
from tests.caching.tiers.entries import check_table, records


def record_of(digest: bytes, payload: bytes = b"") -> bytes:
    return digest + struct.pack("<H", 18 + len(payload)) + payload


def digest_of(number: int, *, bucket: int | None = None) -> bytes:
    """Return a digest like those of a table; with `bucket`, one whose first bytes are that number."""
    raw = random.Random(number).randbytes(16)
    return raw if bucket is None else bucket.to_bytes(4, "little") + raw[4:]


def filled(count: int, payload: int = 100) -> tuple[PackedRecords, list[bytes]]:
    table = PackedRecords()
    added = [record_of(digest_of(number), bytes(payload)) for number in range(count)]
    for record in added:
        table.put(record)
    return table, added


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_record_is_found_until_it_is_removed() -> None:
    table, (first, second) = filled(2)
    assert table.get(first[:16]) == first

    assert table.remove(first)

    assert table.get(first[:16]) is None
    assert table.get(second[:16]) == second
    check_table(table)


def test_a_record_takes_the_place_of_the_one_with_its_digest() -> None:
    table, (first, second) = filled(2)
    longer = record_of(first[:16], b"longer" * 40)

    assert table.put(longer) == first

    assert table.get(first[:16]) == longer
    assert table.put(record_of(second[:16])) == second
    assert table.put(record_of(digest_of(2))) is None
    check_table(table)


def test_only_exactly_the_record_given_is_removed() -> None:
    table, (first, *_) = filled(2)
    newer = record_of(first[:16], b"newer")
    table.put(newer)

    assert not table.remove(first)
    assert not table.remove(record_of(digest_of(9)))

    assert table.get(first[:16]) == newer
    check_table(table)


def test_records_that_share_a_bucket_are_told_apart() -> None:
    table = PackedRecords()
    crowd = [record_of(digest_of(number, bucket=7), b"%d" % number) for number in range(200)]
    for record in crowd:
        table.put(record)

    assert all(table.get(record[:16]) == record for record in crowd)
    assert table.get(digest_of(200, bucket=7)) is None
    for record in crowd[::2]:
        assert table.remove(record)
    assert list(records(table)) == crowd[1::2]


def test_an_empty_table_has_nothing() -> None:
    table = PackedRecords()

    assert table.get(digest_of(1)) is None
    assert table.pop() is None
    assert not table.remove(record_of(digest_of(1)))


# --- growth -----------------------------------------------------------------------------------------------------------


def test_buckets_stay_as_long_as_they_should_while_it_grows_and_shrinks() -> None:
    table, added = filled(3000)
    check_table(table)
    assert max(map(len, table._buckets)) < 6 * _BUCKET_BYTES

    for number, record in enumerate(added, 1):
        assert table.remove(record)
        if number % 100 == 0:
            check_table(table)

    assert (table._buckets, table._mask, table.count, table.bytes) == ([b""], 0, 0, 0)


def test_buckets_are_merged_when_records_are_replaced_by_shorter_ones() -> None:
    table, added = filled(1000, payload=500)
    before = len(table._buckets)

    for record in added:
        table.put(record_of(record[:16]))
        check_table(table)

    assert len(table._buckets) < before / 5


def test_it_does_not_split_and_merge_again_with_every_change() -> None:
    table, added = filled(3000)
    size = len(table._buckets)

    for record in added[:100]:
        table.remove(record)
        table.put(record)
        table.remove(record)

    assert len(table._buckets) == size


@pytest.mark.parametrize("seed", range(5))
def test_it_holds_what_a_dictionary_would(seed: int) -> None:
    chance = random.Random(seed)
    table = PackedRecords()
    model: dict[bytes, bytes] = {}
    growing = True
    for step in range(6000):
        digest = digest_of(chance.randrange(1500))
        if step % 1500 == 0:
            growing = not growing or not model
        if chance.random() < (0.8 if growing else 0.2):
            record = record_of(digest, bytes(chance.randrange(300)))
            assert table.put(record) == model.get(digest)
            model[digest] = record
        elif chance.random() < 0.2 and model:
            popped = table.pop()
            assert popped == model.pop(popped[:16])  # type: ignore[index]
        else:
            assert table.remove(model.pop(digest, record_of(digest))) or digest not in model
        assert table.get(digest) == model.get(digest)
    check_table(table)
    assert {record[:16]: record for record in records(table)} == model


def test_all_is_popped_once_and_old_records_first_by_and_large() -> None:
    table, added = filled(2000)
    age = {record: number for number, record in enumerate(added)}

    popped = [age[record] for record in iter(table.pop, None)]

    assert sorted(popped) == list(range(2000))
    assert sum(popped[:500]) / 500 < 600
    assert (table.count, table._buckets) == (0, [b""])


def test_of_one_bucket_the_oldest_record_is_popped() -> None:
    table, added = filled(5)
    table.put(added[0])

    assert list(iter(table.pop, None)) == [*added[1:], added[0]]


# --- readers without a lock -------------------------------------------------------------------------------------------


class Watched(list[bytes]):
    """Buckets that call back after each change."""

    def __init__(self, buckets: list[bytes], changed: Callable[[], None]) -> None:
        super().__init__(buckets)
        self._changed = changed

    def __setitem__(self, index: Any, bucket: Any) -> None:
        super().__setitem__(index, bucket)
        self._changed()

    def append(self, bucket: bytes) -> None:
        super().append(bucket)
        self._changed()

    def pop(self, index: Any = -1) -> bytes:
        bucket = super().pop(index)
        self._changed()
        return bucket


def test_between_the_steps_of_a_split_and_a_merge_every_other_record_is_found() -> None:
    table, added = filled(300)
    changes = 0
    away: set[bytes] = set()

    def changed() -> None:
        nonlocal changes
        changes += 1
        missing = {record for record in added if table.get(record[:16]) != record}
        assert missing <= away

    table._buckets = Watched(table._buckets, changed)
    for number in range(300, 500):
        table.put(record_of(digest_of(number), bytes(100)))
    for record in added[:200]:
        away.add(record)
        table.remove(record)
    for record in list(records(table)):
        away.add(record)
        table.remove(record)
    assert changes > 500
    assert len(table._buckets) == 1


def test_a_bucket_that_is_merged_away_under_a_reader_is_a_miss() -> None:
    class Gone(list[bytes]):
        def __getitem__(self, index: Any) -> Any:
            raise IndexError

    table, added = filled(300)
    table._buckets = Gone(table._buckets)

    assert table.get(added[0][:16]) is None


def test_readers_get_a_record_or_none_while_a_writer_splits_and_merges(hasty_threads: None) -> None:
    table, added = filled(400)
    written, done = added[200:], threading.Event()

    def read(seed: int) -> int:
        chance, found = random.Random(seed), 0
        while not done.is_set():
            record = chance.choice(added)
            got = table.get(record[:16])
            assert got in (None, record)
            found += got is not None
        return found

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read, seed) for seed in range(3)]
        try:
            for _ in range(30):
                for record in written:
                    table.remove(record)
                for record in written:
                    table.put(record)
        finally:
            done.set()
    assert all(reader.result() > 100 for reader in readers)
    check_table(table)


# --- digests ----------------------------------------------------------------------------------------------------------


class Number(IntEnum):
    ONE = 1


class Text(StrEnum):
    ONE = "1"


class Shouting(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class Twin(UUID):
    __slots__ = ()


class Holiday(date):
    pass


ONE = UUID(int=1)

UNEQUAL: list[tuple[Any, ...]] = [
    ("r", "d", "o"), ("r", "d", "o", ""), ("r", "do"), ("rd", "o"), ("r", "d", "o", "1"), ("r", "d", "o", 1),
    ("r", "d", "o", True), ("r", "d", "o", 1.0), ("r", "d", "o", None), ("r", "d", "o", b"1"), ("r", "d", "o", (1,)),
    ("r", "d", "o", 2**70), ("r", "d", "o", -1), ("r", "d", "o", ONE), ("r", "d", "o", ONE.hex),
    ("r", "d", "o", ONE, 1), ("r", "d", "o", str(ONE)), ("r", "d", "o", ("uuid", 1)),
    (b"", "r", "d", "o", ("uuid", 1)), ("", "r", "d", ONE),
    ("r", "d", "o", date(2024, 1, 2)), ("r", "d", "o", "2024-01-02"), ("r", "d", "o", date(2024, 1, 2).toordinal()),
    ("r", "d", "o", date(2024, 2, 1)), ("r", "d", "o", "\ud800"), ("r", "d", "o", "\udfff"), ("r", "d", "o", "?"),
    ("r", "d", "o", UUID(int=date(2024, 1, 2).toordinal())), (("r", "d", "o"),), ("r", ("d", "o")),
]  # fmt: skip


def test_different_keys_have_different_digests() -> None:
    table = PackedRecords()
    digests = [table.digest(key) for key in UNEQUAL]

    assert None not in digests
    assert len(set(digests)) == len(UNEQUAL)


@pytest.mark.parametrize(
    "part", [Number.ONE, Text.ONE, Shouting("1"), Twin(int=1), Holiday(2024, 1, 2), datetime(2024, 1, 2, tzinfo=UTC)]
)
def test_types_that_may_call_themselves_equal_to_others_have_no_digest(part: Any) -> None:
    table = PackedRecords()

    assert table.digest(("r", "d", "o", part)) is None
    assert table.digest(("r", "d", "o", ONE, part)) is None
    assert table.find(("r", "d", "o", part)) is None


def exactly(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple((type(part), part) for part in key)


@pytest.mark.parametrize("seed", range(3))
def test_digests_are_equal_just_when_keys_are_in_types_and_values(seed: int) -> None:
    chance = random.Random(seed)
    table = PackedRecords()
    parts = ["", "1", "11", "uuid", 0, 1, -1, 11, True, False, ONE, UUID(int=11), date(1, 1, 1), date(1, 1, 11)]
    keys = [tuple(chance.choices(parts, k=chance.randrange(1, 4))) for _ in range(2000)]

    pairs = {(digest, exactly(key)) for key in keys if (digest := table.digest(key)) is not None}

    assert len(pairs) == len({digest for digest, _ in pairs}) == len({key for _, key in pairs})
    assert len(pairs) > 500


def test_a_digest_does_not_tell_who_else_has_the_same_objects() -> None:
    table = PackedRecords()
    phone = "+44" + str(len(UNEQUAL))
    key = ("region", "default", phone, phone)

    made_anew = tuple("".join(list(part)) for part in key)

    assert table.digest(key) == table.digest(made_anew)
    assert table.digest((*key, UUID(int=5))) == table.digest((*made_anew, UUID(int=5)))


def test_nobody_can_tell_the_digests_of_a_table_beforehand() -> None:
    key = ("region", "default", "osteria")

    assert PackedRecords().digest(key) != PackedRecords().digest(key)
