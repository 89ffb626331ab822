"""A cache is filled and read in full before its memory is believed, and what it loses is said."""

import sys
from types import ModuleType

import pytest

from benchmarks.results import OURS, Sample, Unable
from benchmarks.workers import memory
from benchmarks.workers.memory import CASHEWS, DICTIONARY, DOGPILE, LOCMEM, measured, prepared
from tests.benchmarks.memory_stand_ins import Growing, cashews_module, dogpile_module

WHAT = {"lite": 3, "balances": 3, "active": 2}
WHO = (OURS, LOCMEM, DOGPILE, CASHEWS, DICTIONARY)


@pytest.fixture
def process(restaurant, settings, monkeypatch):
    """A process that grows by 900 bytes between any two looks, and small batches of what it is filled with."""
    settings.CACHES = {
        **settings.CACHES,
        "locmem": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "of memory"},
    }
    monkeypatch.setattr(memory, "_BATCH", 2)
    monkeypatch.setattr("benchmarks.world.ACTIVE", 2)
    monkeypatch.setattr(memory, "import_module", lambda name: Growing(name, 900))
    monkeypatch.setitem(sys.modules, "dogpile", ModuleType("dogpile"))
    monkeypatch.setitem(sys.modules, "dogpile.cache", dogpile_module())
    monkeypatch.setitem(sys.modules, "cashews", cashews_module())
    prepared(3, 3, 2)


@pytest.mark.parametrize("who", WHO)
def test_what_was_taken_is_shared_out_among_the_values(process, who):
    found = {what: measured(what, who, count) for what, count in WHAT.items()}

    assert found == {what: {who: Sample((900 / count,))} for what, count in WHAT.items()}


def test_all_stores_keep_the_same_values_under_names_of_their_own(process):
    kind = memory._KINDS["balances"]()
    names = list(kind.names(0, 3))

    found = kind.load(names)

    assert list(found) == names
    assert found == kind.region.get_many(names)
    (one, _), (other, _), _ = names
    assert one == other
    assert one is not other


def test_what_is_evicted_is_not_taken_for_small(process, settings):
    settings.CACHING = {**settings.CACHING, "LOCAL_MAX_ENTRIES": 1}

    (answer,) = measured("lite", OURS, 3).values()

    assert isinstance(answer, Unable)
    assert answer.why.startswith("It kept ")
    assert answer.why.endswith("of 3 values only.")


@pytest.mark.parametrize(("who", "package"), [(DOGPILE, "dogpile"), (CASHEWS, "cashews")])
def test_a_peer_that_is_not_installed_is_missed(process, monkeypatch, who, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "dogpile.cache")

    (answer,) = measured("lite", who, 1).values()

    assert isinstance(answer, Unable)
    assert answer.why.startswith(package)
    assert answer.why.endswith(" is not installed; `make bench` installs it.")


def test_nothing_is_measured_without_what_measures(process, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(memory, "import_module", missing)

    assert measured("lite", OURS, 1) == {OURS: Unable("psutil is not installed; `make bench` installs it.")}
