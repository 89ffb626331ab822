"""The judge of the proof, on histories made by hand."""

from pathlib import Path

from tests.prove.checker import lags, stale_reads
from tests.prove.history import Ack, Attempt, Commit, Event, Journal, ListRead, Read, events_read

PROFILE = [Commit(1, "profile/a", "v1"), Commit(2, "profile/a", "v2"), Commit(3, "profile/b", "w1")]


def read(token: str | None, *, began: float = 10.0, seen: int = 0, key: str = "profile/a") -> Read:
    return Read("reader", key, began, seen, token)


def whys(commits: list[Commit], *events: Event) -> list[str]:
    return [stale.why for stale in stale_reads(commits, events)]


def test_an_older_value_after_the_newer_one_was_acknowledged_is_stale():
    (stale,) = stale_reads(PROFILE, [Ack("writer", 9.0, 2), read("v1")])

    assert stale.got == 1
    assert stale.due == PROFILE[1]
    assert "known to writer" in stale.why


def test_an_older_value_is_accepted_while_the_newer_one_is_being_acknowledged():
    assert not whys(PROFILE, Ack("writer", 10.0, 2), read("v1"), Ack("writer", 11.0, 2))


def test_an_older_value_is_stale_when_the_reader_itself_had_seen_the_newer_one():
    (why,) = whys(PROFILE, read("v1", seen=2))

    assert "by the reader itself" in why


def test_a_newer_value_than_was_due_is_fresh():
    assert not whys(PROFILE, Ack("writer", 9.0, 1), read("v2", seen=1))


def test_a_later_commit_of_another_value_acknowledges_the_earlier_ones():
    assert len(whys(PROFILE, Ack("writer", 9.0, 3), read("v1"))) == 1


def test_an_old_acknowledgement_does_not_hide_a_newer_one():
    events = [Ack("quick", 5.0, 2), Ack("slow", 6.0, 1), read("v1")]

    assert len(whys(PROFILE, *events)) == 1


def test_what_one_reader_found_in_the_database_is_due_to_the_others():
    assert len(whys(PROFILE, read("v2", began=9.0, seen=2), read("v1", began=9.5))) == 1
    assert not whys(PROFILE, read("v1", began=9.0), read("v2", began=9.5, seen=2))


def test_a_reader_on_another_host_may_be_behind_by_its_allowance_and_no_more():
    events = [Ack("writer", 9.0, 2), read("v1", began=10.0)]

    assert not stale_reads(PROFILE, events, {"reader": 1.0})
    assert len(stale_reads(PROFILE, events, {"reader": 0.9})) == 1
    assert len(stale_reads(PROFILE, events, {"another": 1.0})) == 1


def test_how_far_a_reader_was_behind_counts_from_when_the_newer_value_was_known():
    events = [Ack("writer", 9.0, 2), read("v1", began=8.0), read("v1", began=9.25), read("v2", began=9.5)]

    assert lags(PROFILE, events, "reader") == [0.0, 0.25, 0.0]
    assert lags(PROFILE, events, "another") == []


def test_no_row_is_stale_once_the_row_was_committed():
    assert not whys(PROFILE, read(None, seen=0))
    assert len(whys(PROFILE, read(None, seen=1))) == 1


def test_what_never_was_committed_is_found():
    assert whys(PROFILE, read("rolled back")) == ["never committed"]


ORDERS = [
    Commit(1, "order/x", "x1", ("active/a",)),
    Commit(2, "order/y", "y1", ("active/a",)),
    Commit(3, "order/x", "x2", ("active/a",)),
    Commit(4, "order/y", "y2"),
]


def listed(seen: int, *, ended: float | None = None, **tokens: str) -> ListRead:
    items = {f"order/{name}": token for name, token in tokens.items()}
    return ListRead("reader", "active/a", 10.0, seen, items, ended)


def test_a_list_as_it_stood_at_any_commit_since_is_fresh():
    assert not whys(ORDERS, listed(2, x="x1", y="y1"), listed(2, x="x2", y="y1"), listed(2, x="x2"))


def test_a_list_with_an_older_item_is_stale():
    assert len(whys(ORDERS, listed(3, x="x1", y="y1"))) == 1


def test_a_list_that_lacks_an_item_is_stale():
    (why,) = whys(ORDERS, listed(3, y="y1"))

    assert why.startswith("missing from the list")


def test_an_item_that_left_the_list_only_after_the_read_must_stand_in_it():
    left = [*ORDERS[:3], Commit(4, "order/y", "y2", mark="later")]

    assert not whys(left, Attempt("writer", 10.5, "later"), listed(3, x="x2", ended=11.0))
    (why,) = whys(left, Attempt("writer", 11.5, "later"), listed(3, x="x2", ended=11.0))
    assert why.startswith("missing from the list")


def test_a_list_that_keeps_an_item_which_has_left_is_stale():
    assert len(whys(ORDERS, listed(4, x="x2", y="y1"))) == 1


def test_an_item_that_says_it_is_not_in_the_list_is_found_there():
    (why,) = whys(ORDERS, listed(2, x="x2", y="y2"))

    assert "says itself" in why


def test_a_list_with_an_item_nobody_committed_is_found():
    assert whys(ORDERS, listed(4, x="x2", z="z1")) == ["never committed"]


def test_journals_are_read_back_without_the_torn_line_of_a_killed_process(tmp_path: Path):
    events = [Ack("writer", 1.5, 2), read("v1"), listed(2, x="x1")]
    journal = Journal(tmp_path, "alpha")
    for event in events:
        journal.add(event)
    (path,) = tmp_path.glob("alpha-*.events")
    path.write_bytes(path.read_bytes() + b'{"type":"Re')

    assert list(events_read(tmp_path)) == events
