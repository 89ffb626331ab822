"""Pages have limits, and tell where the others are."""

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from orders import cached
from restaurant.api.pagination import MAX_PAGE, MAX_PAGE_SIZE, PAGE_SIZE, page_links, page_wanted


def _request(query: str) -> Request:
    return Request(APIRequestFactory().get(f"/orders/?{query}"))


def test_the_limits_are_those_of_the_cached_pages() -> None:
    assert (PAGE_SIZE, MAX_PAGE_SIZE, MAX_PAGE) == (
        cached.DEFAULT_PAGE_SIZE,
        cached.MAX_PAGE_SIZE,
        cached.MAX_PAGE,
    )


def test_the_first_page_is_what_who_asks_for_none_gets() -> None:
    assert page_wanted(_request("")) == (1, PAGE_SIZE)


@pytest.mark.parametrize("query", ["page=0", f"page={MAX_PAGE + 1}", "page_size=0", f"page_size={MAX_PAGE_SIZE + 1}"])
def test_a_page_beyond_the_limits_is_refused(query: str) -> None:
    with pytest.raises(ValidationError):
        page_wanted(_request(query))


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (1, {"first": 1, "next": 2, "last": 3}),
        (2, {"first": 1, "prev": 1, "next": 3, "last": 3}),
        (3, {"first": 1, "prev": 2, "last": 3}),
        (9, {"first": 1, "prev": 3, "last": 3}),
    ],
)
def test_links_lead_to_the_pages_there_are(page: int, expected: dict[str, int]) -> None:
    link = page_links(_request(f"page={page}&page_size=2&status=paid"), count=5)["Link"]
    for relation in ("first", "prev", "next", "last"):
        address = f'page={expected.get(relation)}&page_size=2&status=paid>; rel="{relation}"'
        assert (address in link) == (relation in expected)


def test_an_empty_list_has_one_page() -> None:
    assert page_links(_request(""), count=0)["Link"].count("page=1>") == 2
