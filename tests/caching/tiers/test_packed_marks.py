"""Packed records are found by what they have at a place, and go one by one, by a hand that goes around."""

from __future__ import annotations

from caching.tiers.packed import PackedRecords
from tests.caching.tiers.entries import check_table, records
from tests.caching.tiers.test_packed import digest_of, record_of


def marked_table(count: int, marks: list[bytes]) -> tuple[PackedRecords, dict[bytes, list[bytes]]]:
    table, by_mark = PackedRecords(), {mark: list[bytes]() for mark in marks}
    for number in range(count):
        mark = marks[number % len(marks)]
        # The other marks stand in it, too, where they mean nothing.
        record = record_of(digest_of(number), b"%b%d" % (mark, number) + b"".join(marks) * 10)
        table.put(record)
        by_mark[mark].append(record)
    return table, by_mark


def test_records_with_a_mark_are_found_by_it_and_no_others() -> None:
    table, by_mark = marked_table(500, [b"aaa", b"bbb", b"ccc"])

    assert sorted(table.marked(18, b"bbb")) == sorted(by_mark[b"bbb"])
    assert list(table.marked(18, b"ddd")) == []


def test_records_with_a_mark_go_one_by_one_and_no_others() -> None:
    table, by_mark = marked_table(500, [b"aaa", b"bbb", b"ccc"])
    popped, hand = [], 0

    while True:
        record, hand = table.pop_marked(18, (b"aaa", b"ccc"), hand)
        if record is None:
            break
        popped.append(record)
        check_table(table)

    assert sorted(popped) == sorted(by_mark[b"aaa"] + by_mark[b"ccc"])
    assert sorted(records(table)) == sorted(by_mark[b"bbb"])


def test_of_records_with_a_mark_the_one_spared_stays() -> None:
    table, by_mark = marked_table(30, [b"aaa", b"bbb"])
    spared = by_mark[b"aaa"][3]
    hand = 0
    for _ in range(14):
        record, hand = table.pop_marked(18, (b"aaa",), hand, spared)
        assert record not in (None, spared)

    assert table.pop_marked(18, (b"aaa",), hand, spared) == (None, hand)
    assert table.get(spared[:16]) == spared


def test_the_search_for_marked_records_goes_on_behind_the_bucket_of_the_last() -> None:
    table, _ = marked_table(500, [b"aaa"])
    size, hand, hands = len(table._buckets), 0, []
    for _ in range(size // 4):
        _, hand = table.pop_marked(18, (b"aaa",), hand)
        hands.append(hand)
    assert hands == list(range(1, size // 4 + 1))
