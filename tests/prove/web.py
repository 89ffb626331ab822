"""The site as its clients use it: the REST API with a token, the admin pages with a session."""

from __future__ import annotations

import http.client
import random
from collections.abc import Callable
from html.parser import HTMLParser
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from tests.prove.history import now
from tests.prove.targets import Target

__all__ = ["PASSWORD", "TOKEN", "USER", "SiteClient", "SiteConflictError", "SiteRefusedError"]

USER: Final = "prover"
PASSWORD: Final = "only for the proof"
TOKEN: Final = "0123456789abcdef0123456789abcdef01234567"

_TIMEOUT = 30.0
# A kept connection stays with the worker process that accepted it; new ones reach them all.
_RECONNECT_SHARE = 0.2
# The server closes connections that it has not heard from for two seconds.
_KEPT_SECONDS = 1.0


class SiteRefusedError(Exception):
    """The site answered what it should not have."""


class SiteConflictError(SiteRefusedError):
    """Somebody else was quicker."""


class SiteClient:
    """One client, for one thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0
        self._cookies: SimpleCookie = SimpleCookie()

    def fetch(self, target: Target) -> Any:
        """Read through the API; returns what the JSON says."""
        return self._api("GET", self._path(target))

    def write(self, target: Target, mark: str) -> str:
        """Write through the API; returns what was done."""
        path = self._path(target)
        if target.kind == "profile":
            self._api("PATCH", path, {"legal_name": mark})
        elif target.kind == "order":
            self._api("PATCH", path, {"notes": mark})
        elif target.kind == "balance":
            path = path.replace("/balance/", "/transactions/")
            self._api("POST", path, {"kind": "adjustment", "amount": "1.00"}, {"Idempotency-Key": mark})
        else:
            (dish,) = self._api("GET", f"/api/v1/orgs/{target.org}/menu/")["results"]
            draft = {"service": "takeaway", "lines": [{"item_id": dish["id"]}], "notes": mark}
            placed = self._api("POST", f"/api/v1/orgs/{target.org}/orders/", draft)
            status = {"status": random.choice(["confirmed", "cancelled"])}
            self._api("POST", f"/api/v1/orgs/{target.org}/orders/{placed['id']}/status/", status)
        return f"api_{target.kind}"

    def write_by_form(self, target: Target, mark: str) -> str:
        """Write a profile's legal name or an order's notes on its admin page; returns what was done."""
        if not self._cookies:
            self._submit("/admin/login/", {"username": USER, "password": PASSWORD})
        if target.kind == "profile":
            self._submit(f"/admin/profiles/businessprofile/{target.org}/change/", {"legal_name": mark})
        else:
            self._submit(f"/admin/orders/order/{target.part}/change/", {"notes": mark})
        return f"admin_{target.kind}"

    @staticmethod
    def _path(target: Target) -> str:
        base = f"/api/v1/orgs/{target.org}/"
        return (
            base
            + {
                "profile": "profile/",
                "order": f"orders/{target.part}/",
                "active": "orders/active/",
                "status": f"orders/?status={target.part}",
                "balance": f"customers/{quote(target.part)}/balance/",
                "bill": f"orders/{target.part}/bill/",
                "summary": f"billing/summary/?day={target.part}",
            }[target.kind]
        )

    def _api(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        status, content, _ = self._send(
            method,
            path,
            None if body is None else msgspec.json.encode(body),
            {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json", **(headers or {})},
        )
        if status == HTTPStatus.CONFLICT:
            raise SiteConflictError(f"{method} {path}: {content[:500]!r}")
        if status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise SiteRefusedError(f"{method} {path}: {status} {content[:500]!r}")
        return msgspec.json.decode(content)

    def _submit(self, path: str, changes: dict[str, str]) -> None:
        status, page, _ = self._send("GET", path, None, self._session())
        if status != HTTPStatus.OK:
            raise SiteRefusedError(f"GET {path}: {status}")
        form = _Form()
        form.feed(page.decode())
        headers = {"Content-Type": "application/x-www-form-urlencoded", **self._session()}
        status, page, _ = self._send("POST", path, urlencode(form.fields | changes).encode(), headers)
        if status != HTTPStatus.FOUND:
            raise SiteRefusedError(f"POST {path}: {status} {_errors(page.decode())}")

    def _session(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in self._cookies.items())}

    def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        is_old = now() - self._used > _KEPT_SECONDS
        if self._connection is None or is_old or random.random() < _RECONNECT_SHARE:
            self._forget()
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT)
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            content = response.read()
            self._used = now()
        except (OSError, http.client.HTTPException):
            self._forget()
            raise
        for cookie in response.headers.get_all("Set-Cookie", []):
            self._cookies.load(cookie)
        return response.status, content, response.headers

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Form(HTMLParser):
    """The fields of the page's forms, as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._textarea = ""
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        start: dict[str, Callable[[dict[str, str]], None]] = {
            "input": self._input,
            "textarea": self._textarea_begun,
            "select": self._select_begun,
            "option": self._option,
        }
        if tag in start:
            start[tag](given)

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.fields[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            # A browser drops the line break that a text area begins with.
            self.fields[self._textarea] = self.fields[self._textarea].removeprefix("\r\n").removeprefix("\n")
            self._textarea = ""
        elif tag == "select":
            self._select = ""

    def _input(self, given: dict[str, str]) -> None:
        kind, name = given.get("type", "text"), given.get("name", "")
        is_button = kind in ("submit", "button", "image", "file")
        is_unset = kind in ("checkbox", "radio") and "checked" not in given
        if name and not is_button and not is_unset and "__prefix__" not in name:
            self.fields[name] = given.get("value", "on" if kind == "checkbox" else "")

    def _textarea_begun(self, given: dict[str, str]) -> None:
        self._textarea = given.get("name", "")
        self.fields[self._textarea] = ""

    def _select_begun(self, given: dict[str, str]) -> None:
        self._select = "" if "__prefix__" in given.get("name", "") else given.get("name", "")

    def _option(self, given: dict[str, str]) -> None:
        if self._select and (self._select not in self.fields or "selected" in given):
            self.fields[self._select] = given.get("value", "")


def _errors(page: str) -> str:
    start = page.find("errorlist")
    return page[start : start + 300] if start >= 0 else ""
