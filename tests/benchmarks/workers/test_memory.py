"""A cache is filled and read in full before its memory is believed, and what it loses is said."""

import sys
from types import ModuleType

import msgspec
import pytest

from benchmarks.results import OURS, Sample, Unable
from benchmarks.workers import memory
from benchmarks.workers.memory import CASHEWS, DICTIONARY, DOGPILE, LOCMEM, measured, prepared
from benchmarks.world import ORG
from billing.cached import customer_balance
from billing.models import Customer
from restaurant.profiles.cached import profile_lite
from tests.benchmarks.memory_stand_ins import Growing, cashews_module, dogpile_module

WHAT = {"lite": 3, "balances": 3, "active": 2}
WHO = (OURS, LOCMEM, DOGPILE, CASHEWS, DICTIONARY)


@pytest.fixture
def process(restaurant, settings, monkeypatch, own_regions):
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
    prepared(2)


@pytest.mark.parametrize("who", WHO)
def test_what_was_taken_is_shared_out_among_the_values(process, who):
    found = {what: measured(what, who, count) for what, count in WHAT.items()}

    assert found == {what: {who: Sample((900 / count,))} for what, count in WHAT.items()}


def test_what_is_made_is_what_our_loaders_return(process):
    kind = memory._KINDS["lite"]()
    names = list(kind.names(0, 2))

    assert kind.load(names) == profile_lite.load_rows(names, "default")
    (name,) = memory._KINDS["balances"]().names(0, 1)
    Customer.objects.create(org_id=ORG, phone=name[1])
    (made,) = memory._KINDS["balances"]().load([name]).values()
    (loaded,) = customer_balance.load_rows([name], "default").values()
    assert msgspec.structs.replace(made, customer_id=loaded.customer_id, balance=loaded.balance) == loaded


def test_names_and_values_share_no_strings(process):
    kind = memory._KINDS["balances"]()
    one, other = kind.load(list(kind.names(0, 2))).items()

    assert one[0][0] == other[0][0]
    assert one[0][0] is not other[0][0]
    assert one[1].currency == other[1].currency
    assert one[1].currency is not other[1].currency
    assert one[0][1] is not one[1].phone


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
