"""What one value in local memory tells of itself."""

from __future__ import annotations

from caching.tiers.entry import Entry


def test_it_shows_none_of_the_data_that_it_holds() -> None:
    entry = Entry(b'{"phone":"+39 02 1234"}', {"phone": "+39 02 1234"})
    entry.older = Entry(b'"another"')

    assert repr(entry) == "<Entry of 23 bytes>"


def test_what_stands_in_for_a_better_one_is_a_copy_that_nobody_keeps() -> None:
    part = Entry(b"1")
    entry = Entry(b"[1]", [1], (part,), version=7, may_be_kept=True)
    entry.size = 700

    copy = entry.stand_in()

    assert (copy.body, copy.value, copy.parts, copy.version, copy.may_be_kept) == (b"[1]", [1], (part,), 7, True)
    assert (copy.stale, copy.size, entry.stale) == (True, 0, False)
