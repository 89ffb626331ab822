"""The connection: Django's own `atomic`, `on_commit` and `set_autocommit` drive a MongoDB transaction.

In `django_mongodb_backend` they do nothing, so that Django's own savers, cascades and the admin are not atomic there,
and its `transaction.atomic` can only surround them. Here a session with a transaction begins with the first query that
runs outside of autocommit, and COMMIT and ROLLBACK end it. There are no savepoints: an error that leaves an inner block
dooms the outer one, as Django has it for every database without them.
"""

from __future__ import annotations

import os
from typing import Any, Final
from weakref import WeakSet

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django_mongodb_backend import base
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from caching.mongodb.features import DatabaseFeatures
from caching.mongodb.operations import DatabaseOperations
from caching.mongodb.schema import DatabaseSchemaEditor
from caching.retrying import COMMIT_UNKNOWN, pauses

__all__ = ["DatabaseWrapper"]

#: What a read returns and a commit reports stays so when another server becomes the primary.
LASTING: Final = {"readConcernLevel": "majority", "w": "majority"}

# A server that gives no answer is known to be gone sooner than after the driver's 30 seconds.
_PATIENCE: Final = {"serverSelectionTimeoutMS": 5000, "wTimeoutMS": 10_000}

# The outcome of a commit is asked for again that long.
_COMMIT_SECONDS: Final = 10.0

NO_TRANSACTIONS: Final = (
    "This MongoDB server has no transactions: it is a standalone server, no replica set. Start it with --replSet, run "
    "rs.initiate() once (one node will do), and add ?replicaSet=NAME to DATABASE_URL."
)


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc] # without types
    """A connection whose transactions are real."""

    features_class = DatabaseFeatures
    ops_class = DatabaseOperations
    SchemaEditorClass = DatabaseSchemaEditor

    # Not the backend's, which leave Django's transactions out.
    set_autocommit = BaseDatabaseWrapper.set_autocommit
    on_commit = BaseDatabaseWrapper.on_commit

    _session: ClientSession | None = None

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        asked = str(params.get("host") or "").lower()
        waits = {name: value for name, value in _PATIENCE.items() if f"{name.lower()}=" not in asked}
        return {**waits, **params, **LASTING}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        _connected.add(self)
        return super().get_new_connection(conn_params)

    def is_usable(self) -> bool:
        # The driver's pool sees to its own connections.
        return True

    # --- queries --------------------------------------------------------------------------------------------------

    @property
    def session(self) -> ClientSession | None:
        """The session of the open transaction, which begins here; None in autocommit."""
        if self._session is None and not self.get_autocommit():
            self._session = self._begin()
        return self._session

    @session.setter
    def session(self, session: ClientSession | None) -> None:
        self._session = session

    def get_collection(self, name: str, **kwargs: Any) -> Any:
        # Where other backends ask when they open a cursor.
        self.validate_no_broken_transaction()
        return super().get_collection(name, **kwargs)

    # --- transactions ---------------------------------------------------------------------------------------------

    def _begin(self) -> ClientSession:
        self.ensure_connection()
        if not self.features._supports_transactions:
            raise OperationalError(NO_TRANSACTIONS)
        session: ClientSession = self.connection.start_session()
        session.start_transaction(
            read_concern=ReadConcern("snapshot"),
            write_concern=WriteConcern("majority", wtimeout=_PATIENCE["wTimeoutMS"]),
            read_preference=ReadPreference.PRIMARY,
        )
        return session

    def _set_autocommit(self, autocommit: bool) -> None:
        if autocommit:
            # As in PostgreSQL, what nobody committed has not happened.
            self._end()

    def _commit(self) -> None:
        if self._session is None:
            return
        try:
            _commit(self._session)
        except PyMongoError as error:
            raise OperationalError(str(error)) from error
        finally:
            self._end()

    def _rollback(self) -> None:
        self._end()

    def close(self) -> None:
        # The backend keeps its pool, but nobody would end this transaction.
        super().close()
        if self._session is not None:
            self.needs_rollback = self.in_atomic_block
            self._end()

    def leave_to_parent(self) -> None:
        """Forget what this connection has open, in a child of the process that opened it."""
        mine: Any = self
        _inherited.append((mine.connection, mine._session))
        mine.connection = mine._session = None
        mine.__dict__.pop("database", None)

    def _end(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            # Aborts what is open, and keeps to itself what goes wrong: the server aborts what it hears no more of.
            session.end_session()

    def start_transaction_mongo(self) -> None:
        raise NotImplementedError(
            "Use django.db.transaction.atomic: with the engine caching.mongodb it is a real transaction, and "
            "django_mongodb_backend.transaction.atomic would be another one beside it."
        )


def _commit(session: ClientSession) -> None:
    for pause in pauses(_COMMIT_SECONDS):
        try:
            session.commit_transaction()
        except PyMongoError as error:
            # Only this may be tried again: it is told what became of the transaction.
            if pause is None or not error.has_error_label(COMMIT_UNKNOWN):
                raise
            pause()
        else:
            return


_connected: WeakSet[DatabaseWrapper] = WeakSet()

# A forked child keeps its parent's clients and sessions, for to end them would end them at the server.
_inherited: list[Any] = []


def _after_fork_in_child() -> None:
    # The driver warns of a client that was opened before the fork: its locks may be held by threads that are no more.
    _inherited.append(dict(DatabaseWrapper._connection_pools))
    DatabaseWrapper._connection_pools.clear()
    for connection in list(_connected):
        connection.leave_to_parent()
    _connected.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
