"""A replica that lags: it has what the primary had when it was told to catch up, and every plain read goes there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connections
from django.db.models import Model, QuerySet
from django.test.utils import CaptureQueriesContext

from tests.databases import beside, drop

REPLICA = "replica"


class ReplicaRouter:
    """Reads from the replica, writes to the primary: the router of Django's documentation."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return REPLICA

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        return "default"

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        return True


class Replica:
    """The database behind the alias `replica`, in this thread alone."""

    def catch_up(self) -> None:
        """Let it have what the primary has now."""
        connection = connections[REPLICA]
        with connection.constraint_checks_disabled():
            for model in _models(include_auto_created=True):
                QuerySet(model, using=REPLICA).delete()
                QuerySet(model, using=REPLICA).bulk_create(list(QuerySet(model, using="default")))

    def asked(self) -> CaptureQueriesContext:
        """Note what it is asked inside a `with` block."""
        return CaptureQueriesContext(connections[REPLICA])


def _models(*, include_auto_created: bool = False) -> list[type[Model]]:
    models = apps.get_models(include_auto_created=include_auto_created)
    return [each for each in models if each._meta.managed and not (each._meta.proxy or each._meta.parents)]


@contextmanager
def replica_opened(path: Path) -> Iterator[Replica]:
    """Open an empty replica at the path, with all tables."""
    connections[REPLICA] = beside(REPLICA, path)
    try:
        with connections[REPLICA].schema_editor() as editor:
            for model in _models():
                editor.create_model(model)
        yield Replica()
    finally:
        drop(connections[REPLICA])
        del connections[REPLICA]
