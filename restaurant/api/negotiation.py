"""Who takes anything gets JSON without the media types being weighed, which takes as long as many a cached answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.settings import api_settings

__all__ = ["ContentNegotiation"]

_ANYTHING: Final = "*/*"


class ContentNegotiation(DefaultContentNegotiation):
    """DRF's own, which has the same answer: a client that takes anything, or the first renderer's type, gets that."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        if request.META.get("HTTP_ACCEPT", _ANYTHING) in (_ANYTHING, first.media_type) and not (
            format_suffix or request.query_params.get(api_settings.URL_FORMAT_OVERRIDE)
        ):
            return first, first.media_type
        chosen: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        return chosen
