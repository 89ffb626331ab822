"""A cached read is the cached bytes, or 304, or 404; never anything made anew."""

from types import SimpleNamespace
from typing import Any

import pytest
from rest_framework.exceptions import NotFound
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from restaurant.api.conditional import ComposedBody, cached_response
from restaurant.profiles.api.serializers import TokenAnswer

_ENTRY = SimpleNamespace(body=b'{"a":"\xc3\xa9"}', etag='"abc"', stale=False)


def _request(method: str = "GET", renderer: Any = JSONRenderer, **headers: str) -> Request:
    request = Request(APIRequestFactory().generic(method, "/", headers=headers))
    request.accepted_renderer = renderer()
    return request


def test_the_bytes_are_sent_as_they_are() -> None:
    response = cached_response(_request(), _ENTRY, {"Link": "x"})
    assert (response.status_code, response.content) == (200, _ENTRY.body)
    assert response["Content-Type"] == "application/json"
    assert (response["ETag"], response["Cache-Control"]) == ('"abc"', "private, no-cache")
    assert (response["Vary"], response["Link"]) == ("Authorization, Cookie, Accept", "x")


@pytest.mark.parametrize("known", ['"abc"', 'W/"abc"', '"x", W/"abc"', "*"])
def test_a_client_that_has_them_is_told_so(known: str) -> None:
    response = cached_response(_request(**{"If-None-Match": known}), _ENTRY, {"Link": "x"})
    assert (response.status_code, response.content) == (304, b"")
    assert (response["ETag"], response["Link"]) == ('"abc"', "x")
    assert "Content-Type" not in response


@pytest.mark.parametrize("known", ['"abd"', "abc", ""])
def test_another_tag_is_no_match(known: str) -> None:
    assert cached_response(_request(**{"If-None-Match": known}), _ENTRY).status_code == 200


def test_a_value_that_only_stands_in_says_so() -> None:
    stale = SimpleNamespace(**{**vars(_ENTRY), "stale": True})
    response = cached_response(_request(), stale, {"Link": "x"})
    assert (response["Cache-Status"], response["Link"]) == ("fast-access; hit; detail=stale", "x")
    assert "Cache-Status" not in cached_response(_request(), _ENTRY)


def test_the_answer_to_a_write_is_never_left_out() -> None:
    assert cached_response(_request("PATCH", **{"If-None-Match": "*"}), _ENTRY).status_code == 200


def test_a_row_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        cached_response(_request(), SimpleNamespace(body=b"null", etag='"n"'))


def test_the_browsable_pages_get_the_value() -> None:
    assert cached_response(_request(renderer=BrowsableAPIRenderer), _ENTRY).data == {"a": "é"}


def test_a_composed_body_has_a_tag_of_its_content() -> None:
    first, again, other = (ComposedBody(TokenAnswer(token=token)) for token in ("a", "a", "b"))
    assert (first.body, first.etag) == (b'{"token":"a"}', again.etag)
    assert first.etag != other.etag
