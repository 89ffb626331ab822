"""`cache_health` tells people in lines, programs in JSON, and scripts by its exit code."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from caching.runtime import runtime

pytestmark = pytest.mark.django_db


def ended(*arguments: str) -> tuple[int, str]:
    """Return the exit code and what was written."""
    out = StringIO()
    try:
        call_command("cache_health", *arguments, stdout=out, no_color=True)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_if_all_is_fine_it_ends_with_0() -> None:
    code, said = ended()

    assert code == 0
    assert said.splitlines()[0] == "fine      local memory: The processes of this host share their file."


def test_if_the_site_is_slower_it_ends_with_3(redis_down: None) -> None:
    code, said = ended()

    assert code == 3
    assert "degraded  redis: Redis is left alone: Redis did not answer" in said


def test_if_the_site_does_not_work_it_ends_with_1(redis_down: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "is_usable", lambda: False)

    code, said = ended()

    assert code == 1
    assert "failed    database: The database default does not answer." in said


@pytest.mark.parametrize(("why", "code", "state"), [("", 0, "fine"), ("a test", 3, "degraded")])
def test_json_has_all_findings(redis: object, why: str, code: int, state: str) -> None:
    if why:
        runtime.breaker.trip(why)

    ended_with, said = ended("--json")

    assert ended_with == code
    told = json.loads(said)
    assert told["state"] == state
    assert {each["name"] for each in told["findings"]} == {"local memory", "database", "migrations", "redis", "outbox"}
    assert all(set(each) == {"name", "state", "text"} for each in told["findings"])
