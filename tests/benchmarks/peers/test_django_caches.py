"""Django's caches hold the serializers' data while they are measured."""

from types import SimpleNamespace

import pytest
from django.core.cache import caches

from benchmarks.peers.django_caches import DjangoCache
from benchmarks.results import Unable

VALUE = SimpleNamespace(name="profile", data={"org_id": "bench"})


@pytest.mark.parametrize("alias", ["locmem", "django-redis", "django-core-redis"])
def test_the_data_are_kept_until_it_is_closed(caches_of_peers, alias):
    cache = DjangoCache("peer", alias)
    get = cache.reading(VALUE)

    assert get() == VALUE.data
    assert caches[alias].get("profile") == VALUE.data
    cache.close()
    assert caches[alias].get("profile") is None


def test_a_cache_that_keeps_nothing_is_not_measured(settings):
    settings.CACHES = {"nothing": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

    assert isinstance(DjangoCache("peer", "nothing").reading(VALUE), Unable)
