"""Routers that keep cached models from their primary are said at start."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from django.db.models import Model
from django.db.utils import ConnectionRouter
from pytest_django.fixtures import Settings

from caching.routing_checks import check_routers
from tests.replicas import ReplicaRouter
from tests.shop.models import Shop


class Away(ReplicaRouter):
    """Shops are written elsewhere."""

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        return "shops" if model is Shop else "default"


def test_no_router_and_one_that_reads_from_a_replica_are_fine(settings: Settings) -> None:
    assert check_routers() == []
    settings.DATABASE_ROUTERS = [ReplicaRouter()]
    assert check_routers() == []


def test_a_model_that_is_written_elsewhere_is_warned_of(settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [Away()]

    [warning] = check_routers()

    assert warning.id == "caching.W034"
    assert "the writes of shop.Shop, on which cache regions depend, to the database 'shops'" in warning.msg
    assert warning.hint == "Read its regions with using='shops', or call the primary 'default'."
    assert warning in checks.run_checks(tags=[checks.Tags.caches])


class Stubborn(ConnectionRouter):
    """A router in the place of Django's, that asks nobody."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:  # type: ignore[override] # a property there
        return "replica"


def test_loads_that_would_be_sent_away_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caching.routing_checks.router", Stubborn([]))

    errors = check_routers()

    assert {error.id for error in errors} == {"caching.E034"}
    assert "shop.Shop is written to the database 'default', but loads that fill the cache would be of 'replica'." in [
        error.msg for error in errors
    ]
