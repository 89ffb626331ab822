"""`warm_cache` loads what is hot, counts it, and says when that helps nobody but itself."""

from __future__ import annotations

from io import StringIO
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command
from rich.console import Console

from caching.runtime import runtime
from tests.caching.operators import shop_of
from tests.shop import cached

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shops")]


def warm(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("warm_cache", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_what_was_loaded_is_counted_by_region() -> None:
    shop_of("tea")
    shop_of("cake")

    lines = warm("--region", "shop", "--region", "menu")

    assert lines[:3] == ["shop: 2", "menu: declares nothing to warm", "Loaded 2 values."]
    assert "warmed the command's own process" in lines[3]
    assert "CACHING['WARM_AT_START']" in lines[3]


def test_all_regions_are_warmed_when_none_is_named() -> None:
    shop_of("tea")

    assert "shop: 1" in warm("--org", "tea")


@pytest.mark.django_db(transaction=True)
def test_with_redis_other_processes_find_what_was_loaded(redis: object) -> None:
    shop_of("tea")

    assert warm("--region", "shop", "--org", "tea") == ["shop: 1", "Loaded 1 value."]

    assert runtime.local is not None
    runtime.local.clear()
    cached.shop.get("tea")
    assert cached.shop.counters.redis_hits == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--org", "tee"], "There is no organisation 'tee'"), (["--region", "shap"], "There is no cache region 'shap'")],
)
def test_a_wrong_name_is_told(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        warm(*arguments)
    assert caught.value.returncode == 1


def test_a_terminal_sees_a_bar_and_a_pipe_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    shop_of("tea")
    terminal, pipe = StringIO(), StringIO()
    for screen, is_terminal in ((terminal, True), (pipe, False)):
        console = Console(file=screen, force_terminal=is_terminal, width=100)
        monkeypatch.setattr("caching.management.commands.warm_cache.Console", Mock(return_value=console))
        warm("--region", "shop")

    assert "Warming shop" in terminal.getvalue()
    assert "1 values" in terminal.getvalue()
    assert pipe.getvalue() == ""
