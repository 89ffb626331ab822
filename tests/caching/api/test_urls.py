"""The short addresses stand beside the admin site, and the documents describe every address once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import resolve
from drf_spectacular.drainage import GENERATOR_STATS, reset_generator_stats
from drf_spectacular.generators import SchemaGenerator

from caching.api.urls import api_urlpatterns, urlpatterns
from caching.api.views import CacheStatsViewSet


@pytest.fixture
def warnings() -> Iterator[object]:
    reset_generator_stats()
    yield GENERATOR_STATS
    reset_generator_stats()


@pytest.mark.parametrize("address", ["cache-stats", "cache-stats/", "cache-clear", "cache-clear/"])
def test_the_admin_site_does_not_swallow_the_short_addresses(address: str) -> None:
    assert issubclass(resolve(f"/admin/{address}").func.cls, CacheStatsViewSet)


@pytest.mark.django_db
def test_a_stranger_is_told_to_authenticate_not_redirected_to_a_form(client: Client) -> None:
    for method, address in (("get", "/admin/cache-stats"), ("post", "/admin/cache-clear")):
        response = getattr(client, method)(address)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Token"


def test_the_documents_describe_the_caches_without_a_warning(warnings: object) -> None:
    schema = SchemaGenerator(patterns=[*api_urlpatterns, *urlpatterns]).get_schema(request=None, public=True)

    assert not warnings, GENERATOR_STATS.emit_summary()
    assert set(schema["paths"]) == {
        "/cache-clear",
        "/cache-stats",
        "/caches/",
        "/caches/clear/",
        "/caches/history/",
        "/caches/report/",
        "/caches/warm/",
        "/caches/{name}/",
        "/caches/{name}/clear/",
        "/caches/{name}/warm/",
    }
    assert schema["components"]["schemas"]["Target"]["properties"]["key"]["items"]["oneOf"]
