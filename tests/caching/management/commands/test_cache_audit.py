"""`cache_audit` compares what Redis has with the database, and says by its exit code how that went."""

from __future__ import annotations

import json
from collections import Counter
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from caching.audit import Judge, Verdict
from caching.keys import Key
from caching.management.commands.cache_audit import _drawn
from caching.runtime import runtime
from tests.caching.operators import rename_unnoticed, shop_of
from tests.caching.stepping import forget_here
from tests.conftest import MovableClock
from tests.shop import cached

pytestmark = pytest.mark.django_db(transaction=True)


def audit(*arguments: str) -> str:
    out = StringIO()
    call_command("cache_audit", *arguments, stdout=out)
    return out.getvalue()


def row(table: str, region: str) -> list[str]:
    line = next(line for line in table.splitlines() if line.startswith(f"│ {region} "))
    return [cell.strip() for cell in line.split("│")[1:-1]]


@pytest.fixture
def filled(redis: Any, clock: MovableClock, shops: None) -> None:
    """Three shops, two of them in Redis and none of them here."""
    for slug in ("tea", "cake", "bread"):
        shop_of(slug)
    for slug in ("tea", "cake"):
        cached.shop.get(slug)
    forget_here()


def test_what_is_consistent_is_said_in_a_table(filled: None) -> None:
    table = audit("--region", "shop")

    assert row(table, "shop")[:6] == ["shop", "3", "1", "0", "2", "0"]
    assert "none of 2 audited were old: too few to tell" in table


def test_a_value_found_old_ends_it_with_3_and_is_evicted(filled: None) -> None:
    rename_unnoticed("tea")
    with pytest.raises(SystemExit) as end:
        audit("--region", "shop")
    assert end.value.code == 3

    assert cached.shop.get("tea").name == "new"  # type: ignore[union-attr]
    assert "less than 1 nine" not in audit("--region", "shop")


def test_a_redis_that_does_not_answer_is_no_success(redis_down: None, shops: None) -> None:
    with pytest.raises(CommandError, match="Redis did not answer"):
        audit("--region", "shop")


def test_a_redis_that_was_away_for_a_moment_is_no_success(filled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    look = Judge.look

    def look_while_it_is_away(judge: Judge, key: Key) -> Verdict:
        runtime.breaker.trip("a test")
        seen = look(judge, key)
        runtime.breaker.close()
        return seen

    monkeypatch.setattr(Judge, "look", look_while_it_is_away)

    with pytest.raises(CommandError, match="for a moment"):
        audit("--region", "shop")


def test_json_is_for_programs(filled: None) -> None:
    (told,) = json.loads(audit("--region", "shop", "--json"))["regions"]

    assert (told["name"], told["keys"], told["absent"], told["undecided"]) == ("shop", 3, 1, 0)
    assert (told["consistency"]["audited"], told["consistency"]["violations"]) == (2, 0)


def test_organisations_and_a_limit_narrow_it(filled: None) -> None:
    assert row(audit("--region", "shop", "--org", "tea"), "shop")[1] == "1"
    assert row(audit("--region", "shop", "--limit", "2"), "shop")[1] == "2"


def test_a_region_without_hot_keys_says_so(filled: None) -> None:
    table = audit()

    assert row(table, "labels")[6] == "declares no hot keys"
    assert row(table, "shop")[4] == "2"


def test_without_redis_it_says_who_audits(clock: MovableClock) -> None:
    with pytest.raises(CommandError, match="cache_stats"):
        audit()


@pytest.mark.parametrize("arguments", [("--region", "shoop"), ("--org", "nobody"), ("--limit", "0")])
def test_a_wrong_call_is_an_error_of_one_line(filled: None, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        audit(*arguments)


def test_every_name_is_drawn_with_the_same_chance() -> None:
    names = [(f"{number}",) for number in range(10)]
    times = Counter(name for _ in range(2_000) for name in _drawn(iter(names), 3))

    assert times.total() == 6_000
    # 600 are expected of each; six standard deviations are 123.
    assert all(470 < times[name] < 730 for name in names)
