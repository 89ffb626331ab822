"""PostgreSQL, whatever the tests run on: pools, isolation, conflicts, restarts, and what goes around Django."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from django.db import OperationalError, connections, transaction
from environ import Env

from benchmarks.postgres import PostgresServer
from caching.transactions import open_notes
from restaurant.db import is_busy, retry_when_busy
from restaurant.postgresql import with_pool
from tests.databases import opened
from tests.elsewhere import elsewhere as in_another_thread
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")

PG = "postgresql"
REPEATABLE_READ, SERIALIZABLE = 3, 4


def _database(server: PostgresServer, most: int = 4, **options: Any) -> dict[str, Any]:
    database: dict[str, Any] = {**Env.db_url_config(server.url), "CONN_HEALTH_CHECKS": True}
    with_pool(database, most)
    database["OPTIONS"].update(options)
    return database


@pytest.fixture
def open_(transactional_db: None, postgresql_server: PostgresServer) -> Iterator[Callable[..., None]]:
    """Return a function that opens the database, as the site does but for what it is told, with two shops in it."""
    contexts = []

    def opening(**different: Any) -> None:
        context = opened(PG, _database(postgresql_server, **different))
        context.__enter__()
        contexts.append(context)
        with connections[PG].schema_editor() as editor:
            editor.create_model(Shop)
        for slug in ("corner", "rival"):
            Shop.objects.using(PG).create(slug=slug, name="old")

    yield opening
    for context in contexts:
        with connections[PG].schema_editor() as editor:
            editor.delete_model(Shop)
        context.__exit__(None, None, None)


def elsewhere(work: Callable[[], T]) -> T:
    """Return what `work` returns in another thread, which ends its request."""

    def run() -> T:
        try:
            return work()
        finally:
            connections[PG].close()

    return in_another_thread(run)


def _name(slug: str = "corner") -> str:
    copy = shop.get(slug, using=PG)
    assert copy is not None
    return copy.name


def _rename(name: str, slug: str = "corner") -> None:
    Shop.objects.using(PG).filter(pk=slug).update(name=name)


def _is_kept(slug: str = "corner") -> bool:
    """Whether the next read is answered from memory."""
    hits = shop.counters.local_hits
    _name(slug)
    return shop.counters.local_hits == hits + 1


@pytest.mark.parametrize("most", [4, 0], ids=["a pool", "kept connections"])
def test_a_commit_is_seen_by_all_through_connections_that_come_and_go(
    tiers: str, open_: Callable[..., None], most: int
) -> None:
    open_(most=most)
    for name in ("first", "second"):
        assert _name() == _name() != name
        with transaction.atomic(using=PG):
            _rename(name)
            assert elsewhere(_name) != name
        assert _name() == elsewhere(_name) == name
        # The end of a request: a pool takes its connection back, and the next one gets another.
        connections[PG].close()


def test_one_transaction_begun_around_django_fills_nothing(tiers: str, open_: Callable[..., None]) -> None:
    open_()
    with connections[PG].cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE shop_shop SET name = 'mine'")
        assert _name() == "mine"
        cursor.execute("ROLLBACK")
    assert _name() == elsewhere(_name) == "old"
    assert _is_kept()


@pytest.mark.parametrize("level", [REPEATABLE_READ, SERIALIZABLE])
def test_an_old_snapshot_fills_nothing_and_reads_outside_of_one_do(
    tiers: str, open_: Callable[..., None], level: int
) -> None:
    open_(isolation_level=level)
    with transaction.atomic(using=PG):
        assert Shop.objects.using(PG).get(pk="corner").name == "old"
        elsewhere(lambda: _rename("new"))
        assert Shop.objects.using(PG).get(pk="corner").name == "old", "the snapshot stays"
        assert _name() == "old"
        assert elsewhere(_name) == "new"
    assert _name() == "new"
    assert _is_kept()


def test_a_query_that_is_read_through_a_cursor_of_the_server_keeps_no_old_snapshot_for_others(
    tiers: str, open_: Callable[..., None]
) -> None:
    open_()
    Shop.objects.using(PG).bulk_create(Shop(slug=f"shop-{number}", name="old") for number in range(50))
    unfinished = Shop.objects.using(PG).iterator(chunk_size=1)
    next(unfinished)
    elsewhere(lambda: _rename("new"))
    assert _name() == "new"
    assert _is_kept()
    assert len(list(unfinished)) == 51


def test_a_commit_that_cannot_be_serialized_leaves_the_winners_value_and_is_tried_again(
    tiers: str, open_: Callable[..., None]
) -> None:
    open_(isolation_level=SERIALIZABLE)
    assert (_name("corner"), _name("rival")) == ("old", "old")
    tries: list[OperationalError | None] = []

    @retry_when_busy
    def swap(*, using: str) -> None:
        with transaction.atomic(using=using):
            seen = Shop.objects.using(PG).get(pk="rival").name
            _rename(f"beside {seen}", "corner")
            if not tries:
                # Each writes what the other has read: whoever commits last cannot.
                tries.append(None)
                elsewhere(other)

    def other() -> None:
        with transaction.atomic(using=PG):
            seen = Shop.objects.using(PG).get(pk="corner").name
            _rename(f"beside {seen}", "rival")

    swap(using=PG)

    assert _name("rival") == elsewhere(lambda: _name("rival")) == "beside old"
    assert _name("corner") == elsewhere(_name) == "beside beside old"
    assert not open_notes


def test_of_two_in_a_deadlock_one_is_told_that_the_database_was_busy(tiers: str, open_: Callable[..., None]) -> None:
    open_()
    both_hold_one = threading.Barrier(2)
    errors: list[OperationalError] = []

    def rename_both(first: str, second: str, name: str) -> None:
        try:
            with transaction.atomic(using=PG):
                _rename(name, first)
                both_hold_one.wait(10)
                _rename(name, second)
        except OperationalError as error:
            errors.append(error)

    thread = threading.Thread(target=lambda: elsewhere(lambda: rename_both("rival", "corner", "theirs")))
    thread.start()
    rename_both("corner", "rival", "ours")
    thread.join()

    assert [is_busy(error) for error in errors] == [True]
    assert _name("corner") == _name("rival") == Shop.objects.using(PG).get(pk="corner").name != "old"
    assert not open_notes


def test_who_waits_too_long_for_a_lock_is_told_that_the_database_was_busy(open_: Callable[..., None]) -> None:
    open_(options="-c lock_timeout=20ms")
    with transaction.atomic(using=PG):
        _rename("mine")

        def waiting() -> bool:
            with pytest.raises(OperationalError) as caught:
                _rename("theirs")
            return is_busy(caught.value)

        assert elsewhere(waiting)


@pytest.mark.parametrize("most", [4, 0], ids=["a pool", "kept connections"])
def test_a_restart_of_the_server_costs_nothing_but_the_requests_it_broke(
    tiers: str, open_: Callable[..., None], postgresql_server: PostgresServer, most: int
) -> None:
    open_(most=most)
    assert _name() == "old"
    with pytest.raises(OperationalError), transaction.atomic(using=PG):
        _rename("lost")
        postgresql_server.stop()
    assert not open_notes
    postgresql_server.start()
    # The end of the broken request.
    connections[PG].close_if_unusable_or_obsolete()
    assert _name() == elsewhere(_name) == "old"
    with transaction.atomic(using=PG):
        _rename("new")
    assert _name() == elsewhere(_name) == "new"


def test_prepared_statements_change_nothing(tiers: str, open_: Callable[..., None]) -> None:
    open_(prepare_threshold=0, server_side_binding=True)
    for name in ("first", "second"):
        with transaction.atomic(using=PG):
            _rename(name)
        assert _name() == elsewhere(_name) == name


def test_a_child_has_connections_of_its_own(open_: Callable[..., None]) -> None:
    open_(most=1)

    def server_process() -> int:
        with connections[PG].cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pid: int = cursor.fetchone()[0]
        return pid

    ours = server_process()
    # Back into the pool, from where the child would take it.
    connections[PG].close()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, str(server_process()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as said:
        assert int(said.read()) != ours
    assert server_process() == ours
