"""`cache_report` tells people, spreadsheets and scripts the same."""

from __future__ import annotations

import csv
import json
from io import StringIO

import msgspec
import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from caching.reports import report
from tests.caching.operators import shop_of
from tests.caching.usages import used
from tests.conftest import MovableClock
from tests.shop import cached
from tests.shop.models import Shop

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shops")]


@pytest.fixture(autouse=True)
def now(clock: MovableClock) -> None:
    # 2026-11-23T12:30:15Z
    clock.seconds = 1795437015.0


@pytest.fixture
def traffic() -> None:
    measured = {"local_ns": 1000, "local_samples": 1, "miss_ns": 2_000_000_000, "miss_samples": 1000}
    used(local_hits=3000, misses=1000, loads=1000, load_ns=2_000_000_000, **measured)
    used(region="menu", redis_hits=600, misses=400, loads=400, load_ns=400_000_000)
    used(org="tea", local_hits=2500, misses=500)
    used(org="cake", misses=500)


def run(*arguments: str) -> tuple[str, int]:
    """Return what is written, and the exit code."""
    out = StringIO()
    try:
        call_command("cache_report", *arguments, stdout=out)
    except SystemExit as ended:
        return out.getvalue(), int(ended.code or 0)
    return out.getvalue(), 0


def cells(text: str, first: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"│ {first} "))
    return [cell.strip() for cell in line.split("│")[1:-1]]


@pytest.mark.usefixtures("traffic")
def test_the_table_has_regions_organisations_and_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached.shop, "target", 0.9)
    text, code = run()

    assert text.startswith("Caches, 2026-11-22 12:30 to 2026-11-23 12:30 UTC, by whole hours")
    assert cells(text, "shop")[:5] == ["shop", "4,000", "75.00% (low)", "90%", "1.0 µs"]
    assert cells(text, "shop")[7:] == ["1,000", "3,000", "6.0 s"]
    assert cells(text, "menu")[:4] == ["menu", "1,000", "60.00%", "-"]
    assert cells(text, "menu")[-1] == "-", "no miss was measured"
    assert cells(text, "all")[:4] == ["all", "5,000", "72.00%", "-"]
    assert cells(text, "tea") == ["tea", "3,000", "83.33%", "500", "5.0 s"]
    assert "Below target: shop." in text
    assert "* Menu: 60.0% of 1,000 reads were hits, fewer than 70%." in text
    assert code == 3


@pytest.mark.usefixtures("traffic")
def test_the_exit_code_tells_whether_targets_are_met(monkeypatch: pytest.MonkeyPatch) -> None:
    for written in ("table", "csv", "json"):
        assert run("--format", written)[1] == 0, "without targets none is missed"
        with monkeypatch.context() as patched:
            patched.setattr(cached.shop, "target", 0.75)
            assert run("--format", written)[1] == 0
            patched.setattr(cached.shop, "target", 0.76)
            assert run("--format", written)[1] == 3


@pytest.mark.usefixtures("traffic")
def test_json_is_the_whole_report() -> None:
    whole = json.loads(json.dumps(msgspec.to_builtins(report())))

    assert json.loads(run("--json")[0]) == json.loads(run("--format", "json")[0]) == whole


@pytest.mark.usefixtures("traffic")
def test_csv_has_a_line_for_each_region_and_organisation() -> None:
    rows = list(csv.DictReader(StringIO(run("--format", "csv")[0])))

    assert [(row["region"], row["org"], row["requests"], row["misses"]) for row in rows] == [
        ("menu", "", "1000", "400"),
        ("shop", "", "4000", "1000"),
        ("all", "", "5000", "1400"),
        ("all", "tea", "3000", "500"),
        ("all", "cake", "500", "500"),
    ]
    assert (rows[0]["since"], rows[0]["target"], rows[0]["hit_rate"]) == ("2026-11-22T12:00:00+00:00", "", "0.6")


@pytest.mark.parametrize("org", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_no_spreadsheet_takes_a_name_for_a_formula(org: str) -> None:
    used(misses=1)
    used(org=org, misses=1)

    rows = list(csv.reader(StringIO(run("--format", "csv")[0])))

    assert rows[-1][3] == f"'{org}"


def test_no_table_takes_a_name_for_markup() -> None:
    used(misses=1)
    used(org="[red]x[/red]", misses=1)
    shop_of("[red]x[/red]")

    assert run("--org", "[red]x[/red]")[0].startswith("Caches of [red]x[/red], ")
    assert cells(run()[0], "[red]x[/red]")[1] == "1"


@pytest.mark.usefixtures("traffic")
def test_time_region_and_organisation_are_taken() -> None:
    shop_of("tea")
    used(ago=600, misses=77)

    made = json.loads(run("--from", "11h", "--to", "2026-11-23T10:00Z", "--region", "shop", "--json")[0])
    assert (made["since"], made["until"]) == ("2026-11-23T01:00:00Z", "2026-11-23T10:00:00Z")
    assert made["regions"] == []

    made = json.loads(run("--from", "5h", "--org", "tea", "--region", "shop", "--json")[0])
    assert [(each["region"], each["requests"]) for each in made["regions"]] == [("shop", 3000)]
    assert "Caches of tea" in run("--org", "tea")[0]


@pytest.mark.usefixtures("traffic", "named_shops")
def test_an_organisation_may_be_called_by_its_business_name() -> None:
    shop_of("tea", "The Tea Room")
    shop_of("tea2", "The Tea Room")

    with pytest.raises(CommandError, match=r"called like 'the tea room': tea \(The Tea Room\), tea2 \(The Tea Room\)"):
        run("--org", "the tea room")

    Shop.objects.filter(pk="tea2").delete()
    assert run("--org", "the tea room")[0].startswith("Caches of tea, ")


def test_a_time_of_which_nothing_is_known_is_no_error(settings: Settings) -> None:
    text, code = run("--from", "2026-01-01", "--to", "2026-02-01")
    assert (code, "Nothing was read in this time." in text) == (0, True)
    assert text.startswith("Caches, 2026-01-01 00:00 to 2026-02-01 00:00 UTC, by whole days\nNothing was read")
    assert "Region" not in text, "no empty table"
    used(invalidations=1)
    text = run("--from", "90m", "--to", "2026-11-23T13:25+01:00")[0]
    assert "Caches, 2026-11-23 11:00 to 2026-11-23 12:25 UTC, by whole minutes" in text
    assert "Nothing was read in this time." in run()[0]

    settings.CACHING = {**settings.CACHING, "HISTORY": None}
    assert "No history is kept: CACHING['HISTORY'] is off." in run()[0]


def test_a_better_preset_is_named() -> None:
    for hour in range(1, 40):
        used(step="hour", ago=30 + 60 * hour, local_hits=100_000)

    assert "* The preset 'high_traffic' fits better: 1,667 reads a minute" in run()[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "yesterday"], "Give a date"),
        (["--to", ""], "Give a date"),
        (["--from", "1h", "--to", "2h"], "--from must be before --to, and before now"),
        (["--from", "0m"], "--from must be before --to, and before now"),
        (["--from", "2027-01-01", "--to", "2027-01-02"], "--from must be before --to, and before now"),
        (["--region", "shap"], "There is no cache region 'shap'"),
        (["--org", "tee"], "There is no organisation 'tee'"),
        (["--org", ""], "There is no organisation ''"),
    ],
)
def test_a_wrong_call_is_told(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        run(*arguments)
    assert caught.value.returncode == 1


@pytest.mark.parametrize("arguments", [["--format", "xml"], ["--format", "csv", "--json"]])
def test_arguments_that_do_not_exist_are_told(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
