"""The worker tells a hit from a query, and its answers come without a process here."""

import django
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from benchmarks.results import Sample, Unable
from benchmarks.workers import queries
from benchmarks.workers.queries import Queries
from restaurant.profiles.models import BusinessProfile


class Cache:
    """A cache of one query, if it `works`."""

    def __init__(self, *, works):
        self.works = works
        self.kept = None

    def read(self):
        if self.kept is None or not self.works:
            self.kept = list(BusinessProfile.objects.values_list("pk"))
        return self.kept


@pytest.fixture
def asked(db):
    """Return the worker's reads of a cache, with every query counted."""
    wrappers = []

    def ask(read):
        counting = Queries({"profile": read})
        wrapper = connection.execute_wrapper(counting.count)
        wrapper.__enter__()
        wrappers.append(wrapper)
        return counting

    yield ask
    for wrapper in reversed(wrappers):
        wrapper.__exit__(None, None, None)


def test_what_is_kept_is_told_by_nothing(asked):
    assert asked(Cache(works=True).read).keep("profile") == {}


def test_a_read_that_sends_queries_is_no_hit(asked):
    answer = asked(Cache(works=False).read).keep("profile")

    assert answer == {"kept": Unable("Each read of it sends 1 queries to the database.")}


def test_a_hit_must_return_what_was_loaded(asked):
    answers = iter([1, 2, 3])

    assert asked(lambda: next(answers)).keep("profile") == {"kept": Unable("It does not return what was loaded.")}


def test_an_error_of_the_cache_is_told(asked):
    def broken():
        raise TypeError("not with this Django")

    why = f"It fails with Django {django.__version__}: TypeError: not with this Django"
    assert asked(broken).keep("profile") == {"kept": Unable(why)}


@pytest.mark.parametrize(("works", "sent"), [(True, 0), (False, 3)])
def test_timed_reads_tell_their_queries(asked, works, sent):
    cache = Cache(works=works)
    cache.read()

    answer = asked(cache.read).time("profile", 3)

    assert isinstance(answer["seconds"], Sample)
    assert answer["queries"] == Sample((sent,))


class TestMain:
    @pytest.fixture
    def questions(self, monkeypatch):
        """What the worker would answer, by question."""
        served = {}
        monkeypatch.setattr(queries, "serve", served.update)
        return served

    def test_without_a_cache_every_read_of_the_restaurant_sends_queries(self, questions, restaurant):
        queries.main()

        # Counted as they are while the worker serves, which has ended here.
        kept = questions["keep"].__self__
        with connection.execute_wrapper(kept.count):
            answers = {name: kept.keep(name)["kept"].why for name in ("profile", "active", "order", "bill", "balance")}

        sent = {name: int(why.removeprefix("Each read of it sends ").split()[0]) for name, why in answers.items()}
        assert sent == {"profile": 1, "active": 2, "order": 2, "bill": 4, "balance": 2}

    def test_a_cache_that_does_not_start_says_so_when_asked(self, questions, monkeypatch):
        def refuse():
            raise ImproperlyConfigured("no such thing")

        monkeypatch.setattr(django, "setup", refuse)

        queries.main()

        why = f"It fails with Django {django.__version__}: ImproperlyConfigured: no such thing"
        assert questions["keep"]("profile") == {"kept": Unable(why)}
