"""What Redis, the host and the outbox are told of each kind of thing that goes stale."""

from __future__ import annotations

from typing import Any

import pytest

from caching.epochs import clear_name, guard_names, wide_names
from caching.keys import Key, Scope
from caching.marks import Clear, Item, mark, regions_of, slots_to_bump, told, unmark
from caching.registry import registry
from caching.runtime import runtime
from caching.stamps import region_slot, scope_slot, slots_of

KEY = Key("shop", "corner")
SCOPE = Scope("shop", "corner")
ALL_REGIONS = list(registry.regions)


@pytest.mark.parametrize(
    ("item", "regions", "slots"),
    [
        (KEY, ["shop"], [slots_of(KEY).key]),
        (SCOPE, ["shop"], [scope_slot(SCOPE)]),
        (Clear("shop", None), ["shop"], [region_slot("shop")]),
        (Clear("shop", "corner"), ["shop"], [scope_slot(SCOPE)]),
        (Clear(None, None), ALL_REGIONS, [region_slot(each) for each in ALL_REGIONS]),
        (Clear(None, "corner"), ALL_REGIONS, [scope_slot(Scope(each, "corner")) for each in ALL_REGIONS]),
    ],
)
def test_an_item_is_of_its_regions_and_bumps_what_its_copies_stand_under(
    item: Item, regions: list[str], slots: list[int]
) -> None:
    assert regions_of(item) == regions
    assert slots_to_bump(item) == slots


@pytest.mark.parametrize("item", [KEY, Key("shop", "corner", ["+1 555", 7], alias="other"), SCOPE, Clear(None, "a b")])
def test_what_is_left_of_an_item_leads_to_the_same_names_in_redis_and_holds_no_user_s_text(
    redis: Any, item: Item
) -> None:
    assert runtime.redis is not None
    runtime.redis.execute([mark(item, "me")])
    after_mark = set(redis.keys())
    left = told(item)
    assert "555" not in left.name
    assert "a b" not in left.name

    runtime.redis.execute([unmark(left, "me")])

    # The pending writers' key is gone: its last member has left.
    assert set(redis.keys()) == {name for name in after_mark if not name.startswith(b"fa:p:")}


@pytest.mark.parametrize("region", ["shop", None])
@pytest.mark.parametrize("org", ["corner", None])
def test_a_clear_changes_its_epoch_when_it_is_told_and_when_it_is_delivered(
    redis: Any, region: str | None, org: str | None
) -> None:
    assert runtime.redis is not None
    clear, seen = Clear(region, org), []
    for command in (mark(clear, "me"), unmark(told(clear), "me")):
        runtime.redis.execute([command])
        seen.append(redis.get(clear_name(region, org)))
    assert None not in seen
    assert seen[0] != seen[1]


@pytest.mark.parametrize(
    ("item", "pending"), [(KEY, guard_names(KEY)[2]), (SCOPE, wide_names(SCOPE)[1])], ids=["key", "scope"]
)
def test_somebody_else_s_value_under_the_name_of_the_writers_cannot_keep_what_waits_from_being_delivered(
    redis: Any, item: Item, pending: str
) -> None:
    assert runtime.redis is not None
    redis.set(pending, "something else")
    runtime.redis.execute([unmark(told(item), "me")])
    assert not redis.exists(pending)
