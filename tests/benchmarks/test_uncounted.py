"""What is measured without statistics is the method itself, and says so when it no longer can be."""

from __future__ import annotations

import inspect

import pytest

from benchmarks import uncounted
from caching.regions import Region
from caching.stats import SAMPLE_EVERY
from tests.caching.operators import shop_of
from tests.shop.cached import shop

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_returns_what_the_method_returns_and_counts_no_hit() -> None:
    shop_of("tea")
    get = uncounted.get_uncounted()
    assert get(shop, "tea") == shop.get("tea")
    before = shop.counters.values()

    for _ in range(2 * SAMPLE_EVERY):
        assert get(shop, "tea").name == "old"

    assert shop.counters.values() == before


def test_the_other_one_counts_as_the_method_does() -> None:
    shop_of("tea")
    get = uncounted.get_counted()
    shop.get("tea")

    for _ in range(5):
        assert get(shop, "tea").name == "old"

    assert shop.counters.local_hits == 5


def test_a_method_that_counts_in_another_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = inspect.getsource(Region.get)
    monkeypatch.setattr(uncounted.inspect, "getsource", lambda _: source.replace("counters.left = left", "pass"))

    with pytest.raises(uncounted.ChangedError, match="other statistics"):
        uncounted.get_uncounted()
