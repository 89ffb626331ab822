"""Clients get the media type that DRF would choose for them, most of them without its weighing."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import Http404
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from restaurant.api.negotiation import ContentNegotiation


def _chosen(negotiation: DefaultContentNegotiation, accept: str | None, query: str = "") -> Any:
    headers = {} if accept is None else {"Accept": accept}
    request = Request(APIRequestFactory().get(f"/?{query}", headers=headers))
    try:
        renderer, media_type = negotiation.select_renderer(request, [JSONRenderer(), BrowsableAPIRenderer()])
    except (NotAcceptable, Http404) as refusal:
        return type(refusal)
    return type(renderer), media_type


@pytest.mark.parametrize("query", ["", "page=2", "format=", "format=json", "format=api", "format=xml"])
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/json",
        "application/*",
        "application/json; indent=4",
        "text/html",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "image/png",
    ],
)
def test_it_is_what_drf_chooses(accept: str | None, query: str) -> None:
    assert _chosen(ContentNegotiation(), accept, query) == _chosen(DefaultContentNegotiation(), accept, query)


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_who_takes_anything_is_not_weighed(accept: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(DefaultContentNegotiation, "select_renderer")
    assert _chosen(ContentNegotiation(), accept) == (JSONRenderer, "application/json")
