"""Django's own transactions on a real MongoDB: they commit, roll back, lock and tell as elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from multiprocessing.connection import Connection
from typing import Any

import pytest
from bson import Decimal128
from django.db import IntegrityError, NotSupportedError, OperationalError, transaction
from django.db.models import DecimalField
from django.db.models.expressions import Col
from django.db.transaction import TransactionManagementError
from pymongo.errors import OperationFailure
from pymongo.read_preferences import ReadPreference

from caching.mongodb import base
from caching.mongodb.base import DatabaseWrapper
from caching.retrying import is_transient, run_atomic
from tests.caching.conftest import Child
from tests.caching.mongodb.conftest import ALIAS, opened
from tests.servers.mongod import Mongod
from tests.shop.models import Shop

Elsewhere = Callable[[Callable[[], Any]], Any]


def _shops() -> set[str]:
    return set(Shop.objects.using(ALIAS).values_list("slug", flat=True))


def _add(slug: str) -> None:
    Shop.objects.using(ALIAS).create(slug=slug, name="old")


def _rename(name: str) -> None:
    Shop.objects.using(ALIAS).filter(slug="corner").update(name=name)


def test_nobody_else_sees_what_is_not_committed(mongo: DatabaseWrapper, elsewhere: Elsewhere) -> None:
    with transaction.atomic(ALIAS):
        _add("corner")
        assert (_shops(), elsewhere(_shops)) == ({"corner"}, set())
    assert elsewhere(_shops) == {"corner"}
    assert mongo.session is None


def test_an_error_undoes_all_that_was_written(mongo: DatabaseWrapper) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(ALIAS):
        _add("corner")
        with transaction.atomic(ALIAS):
            _add("other")
        raise ZeroDivisionError
    assert _shops() == set()


def test_an_inner_error_that_was_caught_dooms_the_outer_transaction(mongo: DatabaseWrapper) -> None:
    with transaction.atomic(ALIAS):
        _add("corner")
        with pytest.raises(ZeroDivisionError), transaction.atomic(ALIAS):
            _add("other")
            raise ZeroDivisionError
        with pytest.raises(TransactionManagementError, match="atomic"):
            _shops()
    assert _shops() == set()


def test_callbacks_run_after_the_commit_and_never_after_a_rollback(
    mongo: DatabaseWrapper, elsewhere: Elsewhere
) -> None:
    seen: list[object] = []

    def note() -> None:
        seen.append(elsewhere(_shops))

    with transaction.atomic(ALIAS):
        _add("corner")
        with transaction.atomic(ALIAS):
            transaction.on_commit(note, using=ALIAS)
        assert seen == []
    assert seen == [{"corner"}]
    with pytest.raises(ZeroDivisionError), transaction.atomic(ALIAS):
        transaction.on_commit(note, using=ALIAS)
        raise ZeroDivisionError
    assert seen == [{"corner"}]


def test_a_durable_block_must_be_the_outermost(mongo: DatabaseWrapper) -> None:
    with (
        transaction.atomic(ALIAS),
        pytest.raises(RuntimeError, match="durable"),
        transaction.atomic(ALIAS, durable=True),
    ):
        pass


def test_transactions_may_be_ended_by_hand(mongo: DatabaseWrapper, elsewhere: Elsewhere) -> None:
    transaction.set_autocommit(False, using=ALIAS)
    _add("first")
    transaction.commit(using=ALIAS)
    _add("second")
    transaction.rollback(using=ALIAS)
    _add("third")
    assert elsewhere(_shops) == {"first"}
    transaction.commit(using=ALIAS)
    transaction.set_autocommit(True, using=ALIAS)
    assert elsewhere(_shops) == {"first", "third"}


def test_a_connection_closed_in_a_transaction_has_committed_nothing(mongo: DatabaseWrapper) -> None:
    with transaction.atomic(ALIAS):
        _add("corner")
        mongo.close()
    assert _shops() == set()


def test_of_two_writers_of_one_row_the_later_is_refused_and_may_try_again(
    mongo: DatabaseWrapper, elsewhere: Elsewhere
) -> None:
    _add("corner")
    with pytest.raises(OperationalError) as refused, transaction.atomic(ALIAS):
        _shops()
        elsewhere(lambda: _rename("theirs"))
        Shop.objects.using(ALIAS).get().save()
    assert is_transient(refused.value)


def test_what_runs_again_finds_what_the_other_wrote(mongo: DatabaseWrapper, elsewhere: Elsewhere) -> None:
    _add("corner")
    tries: list[str] = []

    def body() -> None:
        shop = Shop.objects.using(ALIAS).get()
        tries.append(shop.name)
        if len(tries) == 1:
            elsewhere(lambda: _rename("theirs"))
        shop.name += " and ours"
        shop.save()

    run_atomic(ALIAS, body)
    assert tries == ["old", "theirs"]
    assert Shop.objects.using(ALIAS).get().name == "theirs and ours"


def test_inside_another_transaction_nothing_is_run_again(mongo: DatabaseWrapper, elsewhere: Elsewhere) -> None:
    _add("corner")
    tries: list[int] = []

    def body() -> None:
        tries.append(1)
        shop = Shop.objects.using(ALIAS).get()
        elsewhere(lambda: _rename("theirs"))
        shop.save()

    with pytest.raises(OperationalError), transaction.atomic(ALIAS):
        run_atomic(ALIAS, body)
    assert tries == [1]


def test_rows_read_for_update_are_locked(mongo: DatabaseWrapper, elsewhere: Elsewhere) -> None:
    _add("corner")

    def lock() -> str:
        try:
            with transaction.atomic(ALIAS):
                return Shop.objects.using(ALIAS).select_for_update().get().name
        except OperationalError as error:
            return "locked" if is_transient(error) else str(error)

    with transaction.atomic(ALIAS):
        assert Shop.objects.using(ALIAS).select_for_update().filter(slug="corner").first() is not None
        assert elsewhere(lock) == "locked"
    assert elsewhere(lock) == "old"


def test_locks_are_refused_where_they_could_not_work(mongo: DatabaseWrapper) -> None:
    rows = Shop.objects.using(ALIAS)
    with pytest.raises(TransactionManagementError, match="outside of a transaction"):
        rows.select_for_update().first()
    with transaction.atomic(ALIAS), pytest.raises(NotSupportedError, match="skip"):
        rows.select_for_update(skip_locked=True).first()


class Unanswered:
    """The driver's session, of which the first so many commits get no answer: the outcome is unknown."""

    def __init__(self, session: Any, lost: int) -> None:
        self._session, self._lost, self.commits = session, lost, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def commit_transaction(self) -> None:
        self.commits += 1
        if self.commits <= self._lost:
            raise OperationFailure("no answer", 64, {"errorLabels": ["UnknownTransactionCommitResult"]})
        self._session.commit_transaction()


def test_a_commit_without_an_answer_is_asked_for_again(mongo: DatabaseWrapper, elsewhere: Elsewhere) -> None:
    with transaction.atomic(ALIAS):
        _add("corner")
        # As the driver would be, seen from here: what it is asked with is its own session.
        mongo.session = session = Unanswered(mongo.session, lost=2)  # type: ignore[assignment]
    assert session.commits == 3
    assert elsewhere(_shops) == {"corner"}


def test_a_commit_that_stays_unknown_is_an_error_and_no_reason_to_write_again(
    mongo: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_COMMIT_SECONDS", 0)
    with pytest.raises(OperationalError, match="no answer") as unknown, transaction.atomic(ALIAS):
        _add("corner")
        mongo.session = Unanswered(mongo.session, lost=9)  # type: ignore[assignment]
    assert not is_transient(unknown.value)
    assert mongo.session is None


def test_loads_and_writes_are_the_majoritys_and_the_primarys(mongo: DatabaseWrapper, mongod: Mongod) -> None:
    connection = opened(mongod.url() + "&w=1&readConcernLevel=local", alias="asked otherwise", w=0)
    client = connection.get_new_connection(connection.get_connection_params())
    assert client.write_concern.document["w"] == "majority"
    assert client.read_concern.level == "majority"
    assert client.read_preference == ReadPreference.PRIMARY
    client.close()


def test_a_key_that_is_taken_is_an_integrity_error(mongo: DatabaseWrapper) -> None:
    _add("corner")
    with pytest.raises(IntegrityError):
        Shop.objects.using(ALIAS).bulk_create([Shop(slug="corner")])


def test_a_server_that_is_gone_is_an_operational_error(mongod: Mongod, transactional_db: None) -> None:
    connection = opened("mongodb://127.0.0.1:1/shop", alias="gone", serverSelectionTimeoutMS=50)
    with pytest.raises(OperationalError):
        Shop.objects.all().query.get_compiler(connection=connection).execute_sql()


def test_decimals_keep_the_places_of_their_column(mongo: DatabaseWrapper) -> None:
    column = DecimalField(max_digits=6, decimal_places=2)
    assert str(mongo.ops.adapt_decimalfield_value(Decimal("4.5"), 6, 2)) == "4.50"
    expression = Col("a", column)
    value: Any = Decimal128("4.500")
    for convert in mongo.ops.get_db_converters(expression):
        value = convert(value, expression, mongo)
    assert str(value) == "4.50"


def test_a_join_finds_the_other_row_by_its_key(mongo: DatabaseWrapper) -> None:
    """By an index that holds every row: a join may use no other."""
    for table in ("shop_shop", "shop_dish"):
        unique = [each for each in mongo.get_collection(table).index_information().values() if each.get("unique")]
        assert unique
        assert not any("partialFilterExpression" in each for each in unique)


def test_queries_can_be_watched(mongo: DatabaseWrapper) -> None:
    seen: list[str] = []
    with mongo.execute_wrapper(lambda run, sql, *rest: (seen.append(sql), run(sql, *rest))[1]):
        _add("corner")
        _shops()
    assert seen[-1] == 'SELECT FROM "shop_shop"'
    assert 'INSERT INTO "shop_shop"' in seen


def test_the_backends_own_atomic_is_refused(mongo: DatabaseWrapper) -> None:
    with pytest.raises(NotImplementedError, match=r"django\.db\.transaction\.atomic"):
        mongo.start_transaction_mongo()


def test_a_forked_child_opens_a_client_of_its_own_and_leaves_its_parent_s_alone(
    mongo: DatabaseWrapper, start: Callable[..., Child]
) -> None:
    Shop.objects.using(ALIAS).create(slug="corner", name="old")
    mongo.set_autocommit(False)
    Shop.objects.using(ALIAS).update(name="the parent's")

    child = start(_first_name)

    assert child.receive() == "old", "not in its parent's transaction"
    child.close()
    mongo.commit()
    mongo.set_autocommit(True)
    assert Shop.objects.using(ALIAS).get().name == "the parent's"


def _first_name(pipe: Connection) -> None:
    # Of a client that was opened before the fork the driver would warn, which fails the child.
    pipe.send(Shop.objects.using(ALIAS).get().name)


@pytest.fixture
def impatient(mongo: DatabaseWrapper) -> Iterator[None]:
    """A server that gives up transactions after a second."""
    mongo.ensure_connection()
    admin = mongo.connection.admin
    admin.command("setParameter", 1, transactionLifetimeLimitSeconds=1)
    yield
    admin.command("setParameter", 1, transactionLifetimeLimitSeconds=60)


def test_the_rows_of_a_killed_writer_are_free_once_the_server_gives_up_its_transaction(
    mongo: DatabaseWrapper, start: Callable[..., Child], impatient: None
) -> None:
    _add("corner")
    child = start(_write_and_wait)
    assert child.receive() == "written"

    child.kill()

    with pytest.raises(OperationalError), transaction.atomic(ALIAS):
        _rename("refused")
    run_atomic(ALIAS, lambda: _rename("new"))
    assert Shop.objects.using(ALIAS).get().name == "new"


def _write_and_wait(pipe: Connection) -> None:
    with transaction.atomic(ALIAS):
        _rename("never")
        pipe.send("written")
        pipe.recv()
