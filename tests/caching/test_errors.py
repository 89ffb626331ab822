"""What callers may catch, and what the messages say."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, OperationalError

from caching.errors import (
    CachingError,
    HostFileError,
    HostFileForeign,
    MarkFailed,
    RedisUnavailable,
    UnknownKey,
    UnknownOrganisation,
    UnknownRegion,
)


def test_an_unknown_region_is_named_beside_the_known_ones() -> None:
    assert str(UnknownRegion("oders", ["profile", "orders"])) == (
        "There is no cache region 'oders'. Regions: orders, profile."
    )
    assert str(UnknownRegion("oders", [])) == "There is no cache region 'oders'. Regions: none."


def test_unknown_organisations_are_named_and_an_unknown_key_is_not() -> None:
    assert str(UnknownOrganisation(["osteria", "cafe"])) == (
        "There is no organisation 'cafe', 'osteria'. Check the spelling."
    )
    assert str(UnknownKey("balance")) == (
        "Region 'balance' has no keys with such parts. Check their number, order and types."
    )


@pytest.mark.parametrize(
    ("error", "ancestor"),
    [
        (UnknownRegion, CachingError),
        (UnknownRegion, LookupError),
        (UnknownOrganisation, CachingError),
        (UnknownOrganisation, LookupError),
        (UnknownKey, CachingError),
        (UnknownKey, LookupError),
        (HostFileForeign, HostFileError),
        (HostFileError, CachingError),
        (RedisUnavailable, CachingError),
        # Django rolls back, around COMMIT, for nothing but these.
        (MarkFailed, DatabaseError),
        (MarkFailed, OperationalError),
    ],
)
def test_errors_are_caught_by_their_wider_names(error: type[Exception], ancestor: type[Exception]) -> None:
    assert issubclass(error, ancestor)
