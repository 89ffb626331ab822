"""Cached reads are sent as the bytes that are cached, or as 304 when the client has them already."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from http import HTTPStatus
from typing import Protocol

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from caching import Snapshot
from caching.snapshots import encode

_ABSENT = b"null"


class CachedBody(Protocol):
    """What is cached: the JSON as it is sent, and its strong entity tag in quotes."""

    @property
    def body(self) -> bytes: ...

    @property
    def etag(self) -> str: ...

    @property
    def stale(self) -> bool: ...


class ComposedBody:
    """The same for a response that is put together from several cached values, some of them perhaps stale."""

    def __init__(self, value: Snapshot, *, stale: bool = False) -> None:
        self.stale = stale
        self.body = encode(value)
        self.etag = f'"{blake2b(self.body, digest_size=12).hexdigest()}"'


def cached_response(request: Request, entry: CachedBody, headers: Mapping[str, str] | None = None) -> HttpResponseBase:
    """Return the entry's bytes unchanged, or 304 to a client that named its entity tag in If-None-Match.

    The browsable pages get the decoded value. A value that has expired, and stands in because the database fails, says
    so in `Cache-Status` (RFC 9211). Raises NotFound when the row does not exist.
    """
    if entry.body == _ABSENT:
        raise NotFound("The organisation has no such row.")
    if entry.stale:
        headers = {**(headers or {}), "Cache-Status": "fast-access; hit; detail=stale"}
    if request.accepted_renderer.format != "json":
        return Response(json.loads(entry.body), headers=headers)
    if _is_known(request, entry.etag):
        response = HttpResponse(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        del response["Content-Type"]
    else:
        response = HttpResponse(entry.body, content_type="application/json", headers=headers)
    response["ETag"] = entry.etag
    # Clients may keep it, but ask each time: whether it is still fresh is known here only.
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Authorization, Cookie, Accept"
    return response


def _is_known(request: Request, etag: str) -> bool:
    # Weak comparison, as RFC 9110 asks for here: a proxy that compresses weakens the tag.
    if request.method not in {"GET", "HEAD"}:
        return False
    known = parse_etags(request.META.get("HTTP_IF_NONE_MATCH", ""))
    return known == ["*"] or any(tag.removeprefix("W/") == etag for tag in known)
