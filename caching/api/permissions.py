"""Each thing an operator can do with the caches has a permission of its own."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

__all__ = ["CachePermission"]

_VERB_OF_ACTION = {
    "list": "view",
    "retrieve": "view",
    "history": "view",
    "report": "view",
    "clear": "clear",
    "clear_region": "clear",
    "warm": "warm",
    "warm_region": "warm",
}


class CachePermission(BasePermission):
    """Asks for `caching.view_cacheregion`, `caching.clear_cacheregion` or `caching.warm_cacheregion`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        action: Any = getattr(view, "action", None)
        if action is None or action == "metadata":
            # A method the address does not have (405), or OPTIONS: tells nothing, but to those who may look.
            return request.user.has_perm("caching.view_cacheregion")
        return request.user.has_perm(f"caching.{_VERB_OF_ACTION[action]}_cacheregion")
