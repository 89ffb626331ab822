"""What every test of a cached read repeats: it is a hit, a write comes between, and the next read is the new truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from caching import Region
from caching.snapshots import encode

Read = Callable[[], Any]
Write = Callable[[], object]


def assert_hit(read: Read) -> Any:
    """Read without a single query; return what was read."""
    with CaptureQueriesContext(connection) as queries:
        value = read()
    assert [query["sql"] for query in queries] == []
    return value


def assert_fresh_after(write: Write, region: Region[Any], *name: Any) -> tuple[Any, Any]:
    """Fill the region, write, and read what the database holds now; return the values before and after."""
    before = region.get(*name)
    assert assert_hit(lambda: region.get(*name)) == before
    write()
    after = region.get(*name)
    # Compared as JSON: 20.00 equals 20, but is sent otherwise.
    assert encode(after) != encode(before), "the write should have changed what is read"
    assert encode(after) == encode(region.get(*name, use_cache=False))
    assert assert_hit(lambda: region.get(*name)) == after
    return before, after


def assert_untouched_by(write: Write, region: Region[Any], *name: Any) -> None:
    """Fill the region, write, and read the same without a query: the write is none of the region's business."""
    before = region.get(*name)
    write()
    assert assert_hit(lambda: region.get(*name)) == before
