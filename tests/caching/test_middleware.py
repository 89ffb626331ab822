"""A write or clear that Redis did not answer is 503 with a way on, in words a reader or a program understands."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, Client, RequestFactory
from pytest_django.fixtures import Settings

from caching import outbox
from caching.budget import is_spent, spend
from caching.errors import MarkFailed, RedisUnavailable
from caching.middleware import CacheUnavailableMiddleware, redis_budget_middleware
from restaurant.profiles.models import BusinessProfile
from tests.factories import BusinessProfileFactory, UserFactory


def answer(error: Exception, accept: str = "text/html") -> HttpResponse | None:
    request = RequestFactory().get("/", headers={"Accept": accept})
    return CacheUnavailableMiddleware(lambda _: HttpResponse()).process_exception(request, error)


@pytest.mark.parametrize("error", [MarkFailed("x"), RedisUnavailable("x")])
def test_a_browser_gets_a_page_that_says_what_to_do(error: Exception) -> None:
    response = answer(error)

    assert response is not None
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert b"Go back and try again" in response.content


def test_a_program_gets_plain_text() -> None:
    response = answer(MarkFailed("x"), accept="application/json")

    assert response is not None
    assert (response.status_code, response["Retry-After"], response["Content-Type"]) == (503, "5", "text/plain")
    assert b"try again" in response.content


def test_other_errors_are_left_to_django() -> None:
    assert answer(ValueError("x")) is None


async def test_it_stands_in_an_asynchronous_site_too() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("served")

    response = await CacheUnavailableMiddleware(view)(AsyncRequestFactory().get("/"))  # type: ignore[arg-type, misc]

    assert response.content == b"served"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("outbox_works", [True, False])
def test_saving_in_the_admin_without_redis_works_unless_the_outbox_does_not_either(
    client: Client, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, outbox_works: bool
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise OperationalError("no such table")

    profile = BusinessProfileFactory(name="Old name")
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    page = client.get(f"/admin/profiles/businessprofile/{profile.pk}/change/")
    form = page.context["adminform"].form
    fields = {name: value for name in form.fields if (value := form.get_initial_for_field(form.fields[name], name))}
    inline = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    request.getfixturevalue("redis_down")
    if not outbox_works:
        monkeypatch.setattr(outbox, "insert", broken)

    response = client.post(
        f"/admin/profiles/businessprofile/{profile.pk}/change/",
        {**fields, **inline, "opening_hours": "{}", "name": "New name"},
    )

    assert response.status_code == (302 if outbox_works else 503), response.content
    assert outbox_works or response["Retry-After"] == "5"
    assert BusinessProfile.objects.get(pk=profile.pk).name == ("New name" if outbox_works else "Old name")


def test_a_request_waits_for_redis_once_whatever_it_reads() -> None:
    waits: list[bool] = []

    def view(request: HttpRequest) -> HttpResponse:
        for _ in range(3):
            waits.append(not is_spent())
            spend()
        return HttpResponse()

    handle = redis_budget_middleware(view)
    for _ in range(2):
        handle(RequestFactory().get("/"))
    assert waits == [True, False, False] * 2
    assert not is_spent()


async def test_so_does_an_asynchronous_one_with_its_threads() -> None:
    waits: list[bool] = []

    async def view(request: HttpRequest) -> HttpResponse:
        for _ in range(3):
            waits.append(not is_spent())
            await sync_to_async(spend)()
        return HttpResponse()

    await redis_budget_middleware(view)(AsyncRequestFactory().get("/"))
    assert waits == [True, False, False]


def test_the_site_gives_each_request_its_budget_before_anything_else(settings: Settings) -> None:
    assert settings.MIDDLEWARE[0] == "caching.middleware.redis_budget_middleware"
