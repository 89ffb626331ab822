"""Lists come in pages: `{"count": ..., "results": [...]}`, with links to the other pages in the Link header."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec
from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from restaurant.api.query import query_int

R = TypeVar("R")

PAGE_PARAMETERS: Final = ("page", "page_size")
PAGE_SIZE: Final = 20
MAX_PAGE_SIZE: Final = 100
MAX_PAGE: Final = 1_000_000


def page_wanted(request: Request) -> tuple[int, int]:
    """Return the page (from 1) and its size that the request asks for; raises ValidationError beyond the limits."""
    page = query_int(request, "page", default=1, most=MAX_PAGE)
    return page, query_int(request, "page_size", default=PAGE_SIZE, most=MAX_PAGE_SIZE)


def page_of(request: Request, rows: QuerySet[Any, R]) -> tuple[int, list[R]]:
    """Return how many rows there are, and those of the page that the request asks for; beyond the last it is empty."""
    page, size = page_wanted(request)
    return rows.count(), list(rows[(page - 1) * size : page * size])


def page_links(request: Request, count: int) -> dict[str, str]:
    """Return the Link header (RFC 8288) to the first, previous, next and last page of `count` rows."""
    page, size = page_wanted(request)
    last = max(1, -(-count // size))
    pages = {"first": 1, "prev": min(page - 1, last), "next": page + 1, "last": last}
    here = request.build_absolute_uri()
    links = [
        f'<{replace_query_param(here, "page", number)}>; rel="{relation}"'
        for relation, number in pages.items()
        if 1 <= number <= last
    ]
    return {"Link": ", ".join(links)}


def list_response(count: int, results: Sequence[Any], headers: dict[str, str] | None = None) -> Response:
    """Return a list that is not cached, of snapshots or plain values."""
    plain = msgspec.to_builtins({"count": count, "results": results})
    return Response(plain, headers=headers)
