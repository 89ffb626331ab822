"""What stands beside the site's addresses sends what the site sends, to the same people."""

import json
import os

import pytest

from benchmarks import urls
from benchmarks.freshness import ADDRESSES
from benchmarks.world import ORG
from caching.registry import registry
from restaurant.profiles.models import BusinessProfile
from tests.api_clients import problem, token_member
from tests.factories import BusinessProfileFactory

HEADERS = ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Vary", "Content-Security-Policy")


@pytest.fixture(autouse=True)
def _benchmarks_urls(restaurant, settings):
    settings.ROOT_URLCONF = "benchmarks.urls"
    yield
    urls._fixed.cache_clear()


@pytest.fixture
def client():
    return token_member(BusinessProfile.objects.get(pk=ORG))


@pytest.fixture(params=ADDRESSES.values(), ids=ADDRESSES)
def address(request):
    return request.param


@pytest.mark.parametrize("below", ["fixed/", "uncached/"])
def test_body_and_headers_are_the_sites(client, address, below):
    ours, beside = client.get(address), client.get(address + below)

    assert (ours.status_code, beside.status_code) == (200, 200)
    assert beside.content == ours.content
    assert {name: beside.get(name) for name in HEADERS} == {name: ours.get(name) for name in HEADERS}


def test_model_serializers_say_the_same(client):
    address = ADDRESSES["active"]

    assert client.get(f"{address}serialized/").json() == client.get(address).json()


def test_fixed_bytes_cost_no_query_beyond_those_of_every_view(client, address, django_assert_num_queries):
    for each in ("", "fixed/"):
        client.get(address + each)
        with django_assert_num_queries(1):
            client.get(address + each)


@pytest.mark.parametrize("below", ["uncached/", "serialized/"])
def test_without_the_cache_everything_is_read_each_time(client, below):
    def asked():
        return sum(
            region.counters.local_hits + region.counters.redis_hits + region.counters.misses
            for region in registry.regions.values()
        )

    before = asked()
    assert client.get(ADDRESSES["active"] + below).status_code == 200
    BusinessProfile.objects.filter(pk=ORG).update(currency="EUR")

    (first, *_) = client.get(ADDRESSES["active"] + below).json()["results"]

    assert first["currency"] == "EUR"
    assert asked() == before


@pytest.mark.parametrize("below", ["fixed/", "uncached/"])
def test_strangers_learn_nothing(address, below):
    problem(token_member(BusinessProfileFactory()).get(address + below), 404)


@pytest.mark.parametrize("below", ["fixed/", "uncached/"])
def test_nobody_reads_who_has_not_signed_in(client, address, below):
    client.credentials()

    problem(client.get(address + below), 401)


def test_a_worker_says_which_it_is(client):
    client.credentials()

    assert json.loads(client.get("/api/v1/worker/").content) == {"process": os.getpid()}


def test_the_sites_own_addresses_are_there(client):
    assert client.get(f"/api/v1/orgs/{ORG}/settings/").status_code == 200
