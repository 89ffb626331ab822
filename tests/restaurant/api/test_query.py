"""A query string that means nothing is refused, not passed over."""

from datetime import date

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from restaurant.api.query import query_check, query_date, query_int


def _request(query: str) -> Request:
    return Request(APIRequestFactory().get(f"/?{query}"))


def test_known_parameters_pass() -> None:
    request = _request("page=2&format=json")
    query_check(request, ("page",))
    assert query_int(request, "page", default=1, most=9) == 2


@pytest.mark.parametrize(("allowed", "advice"), [(("page", "day"), "Use: day, page."), ((), "leave it out")])
def test_an_unknown_parameter_is_refused_with_the_known_ones(allowed: tuple[str, ...], advice: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        query_check(_request("pgae=2"), allowed)
    assert advice in str(refusal.value.detail["pgae"])


@pytest.mark.parametrize("text", ["0", "-1", "10", "1_0", " 1", "1.0", "٣", "", "9" * 5000])
def test_a_number_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="from 1 to 9"):
        query_int(_request(f"page={text}"), "page", default=1, most=9)


def test_what_is_left_out_has_its_default() -> None:
    assert query_int(_request(""), "page", default=7, most=9) == 7
    assert query_date(_request(""), "day") is None


def test_a_date_is_a_date() -> None:
    assert query_date(_request("day=2026-03-14"), "day") == date(2026, 3, 14)
    with pytest.raises(ValidationError, match="such as"):
        query_date(_request("day=today"), "day")
