"""Which tests a shape of Redis is run with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.stores.selection import SHAPES, WITHOUT_REDIS, concerns


def asking(*fixtures: str, **parameters: str) -> Any:
    return SimpleNamespace(fixturenames=["settings", *fixtures], callspec=SimpleNamespace(params=parameters))


@pytest.mark.parametrize("shape", SHAPES)
def test_what_runs_with_any_redis_is_run_with_it_and_not_without(shape: str) -> None:
    assert concerns(asking("tiers", tiers="with Redis"), shape)
    assert not concerns(asking("tiers", tiers=WITHOUT_REDIS), shape)


@pytest.mark.parametrize(
    ("fixture", "shapes"),
    [
        ("redis_shape", set(SHAPES)),
        ("trio", {"sentinel"}),
        ("cluster", {"cluster"}),
        ("hurt", {"cluster"}),
        ("front", {"rest"}),
        ("db", set()),
    ],
)
def test_what_asks_for_servers_of_one_shape_is_run_with_that_alone(fixture: str, shapes: set[str]) -> None:
    assert {shape for shape in SHAPES if concerns(asking(fixture), shape)} == shapes


def test_over_rest_only_some_may_look_at_the_server_behind_it() -> None:
    for fixture, module, expected in (
        ("redis", "caching/test_marks", True),
        ("redis", "caching/test_listener", False),
        ("stage", "faults/test_stories", True),
        ("stage", "faults/test_failover", False),
        ("db", "caching/test_marks", False),
    ):
        test = asking(fixture)
        test.nodeid = f"tests/{module}.py::test_one"
        assert concerns(test, "rest") is expected, (fixture, module)
        assert not concerns(test, "sentinel")


def test_what_pytest_collects_without_fixtures_or_parameters_concerns_no_shape() -> None:
    assert not concerns(SimpleNamespace(), "cluster")
