"""A sabotage must last for as long as the readers take to run into it."""

import pytest

from caching import marks
from caching.conf import conf
from caching.invalidation import Invalidation
from caching.runtime import runtime
from caching.stamps import Stamps, slots_of
from tests.caching.stepping import KEY
from tests.conftest import MovableClock
from tests.prove import sabotage

_CHANGED = [
    *((Invalidation, name) for name in ("begin", "finish", "keep", "refresh")),
    *((Stamps, name) for name in ("pend", "unpend")),
    *((marks, name) for name in ("MARK", "UNMARK", "WIDE_MARK", "WIDE_UNMARK")),
]


@pytest.fixture(autouse=True)
def put_right_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in _CHANGED:
        monkeypatch.setattr(owner, name, getattr(owner, name))


@pytest.mark.parametrize("part", ["mark", "unmark", "second-writer"])
def test_a_mark_that_is_missing_is_not_placed_anew_however_slow_the_machine(part: str, clock: MovableClock):
    sabotage.install(part)
    assert runtime.stamps is not None
    slots = slots_of(KEY)
    first, second = Invalidation([KEY]), Invalidation([KEY])
    first.begin()
    second.begin()
    first.finish()
    before = runtime.stamps.note(slots)

    # As the relay does, and the COMMIT itself.
    clock.advance(0.6 * conf.MARK_SECONDS)
    second.keep()
    second.refresh()

    assert runtime.stamps.note(slots) == before
    second.finish()
