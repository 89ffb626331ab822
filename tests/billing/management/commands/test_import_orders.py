"""The import as an operator runs it."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from billing.models import Bill, Payment
from orders.models import Order, OrderLine
from restaurant.profiles.models import BusinessProfile
from tests.factories import BusinessProfileFactory

pytestmark = pytest.mark.django_db

HEADER = "Order Number,Order Date,Item Name,Quantity,Product Price,Total products\n"
ROWS = "7,03/08/2019 20:25,Naan,2,2.95,9\n7,03/08/2019 20:25,Naan,2,2.95,9\n8,04/08/2019 12:00,Rice,1,£1003.95,9"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(HEADER + ROWS)
    return path


def run(*args: str | Path) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("import_orders", *map(str, args), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_orders_become_paid_history_and_the_figures_are_told(file: Path) -> None:
    out, err = run(file, "--org", "london")

    assert "Created the organisation 'london' with default settings: currency GBP" in out
    assert "orders.csv: 2 orders, 3 lines, 1,015.75 GBP in subtotals." in out
    assert "Imported 2 orders; 0 were imported before" in out
    assert err == ""
    assert [model.objects.count() for model in (Order, OrderLine, Bill, Payment)] == [2, 3, 2, 2]


def test_a_second_run_changes_nothing(file: Path) -> None:
    run(file, "--org", "london")
    before = list(Order.objects.values())

    out, _ = run(file, "--org", "london")

    assert "Imported 0 orders; 2 were imported before and left as they are." in out
    assert "Created" not in out
    assert list(Order.objects.values()) == before


def test_currency_and_time_zone_are_those_of_the_organisation(file: Path) -> None:
    org = BusinessProfileFactory(time_zone="Asia/Tokyo")

    run(file, "--org", org.pk)

    assert Order.objects.get(external_ref="7").placed_at.isoformat() == "2019-08-03T11:25:00+00:00"


def test_a_bad_row_is_told_by_file_line_and_reason_and_nothing_is_kept(file: Path) -> None:
    file.write_text(HEADER + "9,03/08/2019 20:25,Naan,many,2.95,9\n" + ROWS)
    err = io.StringIO()

    with pytest.raises(CommandError, match=r"orders\.csv has 1 bad rows; nothing of it was kept.*--skip-bad"):
        call_command("import_orders", str(file), "--org", "london", stderr=err)

    assert "orders.csv, line 2: the quantity 'many' is no whole number" in err.getvalue()
    assert not BusinessProfile.objects.exists()
    assert not Order.objects.exists()


def test_of_very_many_bad_rows_some_are_shown_and_the_rest_counted(file: Path) -> None:
    file.write_text(HEADER + "9,03/08/2019 20:25,Naan,many,2.95,9\n" * 1022)
    err = io.StringIO()

    with pytest.raises(CommandError, match="1022 bad rows"):
        call_command("import_orders", str(file), "--org", "london", stderr=err)

    assert err.getvalue().count("orders.csv, line") == 20
    assert "... and 1,002 more." in err.getvalue()


def test_skipping_keeps_the_rest_and_lists_what_was_left_out(file: Path) -> None:
    file.write_text(HEADER + "9,03/08/2019 20:25,Naan,many,2.95,9\n" * 30 + ROWS)

    out, err = run(file, "--org", "london", "--skip-bad")

    assert err.count("orders.csv, line") == 30
    assert "Left out 1 orders for 30 bad rows" in out
    assert "Imported 2 orders" in out


def test_columns_of_other_names_can_be_mapped(file: Path) -> None:
    file.write_text(file.read_text().replace("Order Number", "Ref=No").replace("Quantity", "Pieces"))

    out, _ = run(file, "--org", "london", "--map", "Ref=No=order number", "--map", "pieces=Quantity")

    assert "Imported 2 orders" in out


def test_a_missing_column_is_told_with_the_way_to_map_one(file: Path) -> None:
    file.write_text(file.read_text().replace("Quantity", "Pieces"))

    with pytest.raises(CommandError, match=r"no column for quantity.*'Pieces'.*--map"):
        run(file, "--org", "london")


@pytest.mark.parametrize("given", ["Ref", "=quantity", "Ref="])
def test_a_mapping_that_is_none_is_refused_with_an_example(file: Path, given: str) -> None:
    with pytest.raises(CommandError, match=r"is no COLUMN=FIELD; write it like --map"):
        run(file, "--org", "london", "--map", given)


@pytest.mark.parametrize(("given", "written"), [("tab", "\t"), ("\\t", "\t"), ("bar", "|"), ("~", "~")])
def test_the_delimiter_can_be_given_by_name_or_character(file: Path, given: str, written: str) -> None:
    file.write_text(file.read_text().replace(",", written))

    out, _ = run(file, "--org", "london", "--delimiter", given)

    assert "Imported 2 orders" in out


@pytest.mark.parametrize("given", ["", "::", '"'])
def test_an_impossible_delimiter_is_refused(file: Path, given: str) -> None:
    with pytest.raises(CommandError, match="cannot separate cells: use comma, semicolon, tab, bar or one character"):
        run(file, "--org", "london", f"--delimiter={given}")


@pytest.mark.parametrize("name", ["", "a\0b", "\udcff", "x" * 100_000])
def test_a_name_that_a_database_would_not_take_is_refused_without_being_repeated(file: Path, name: str) -> None:
    with pytest.raises(CommandError, match="cannot be the name of an organisation") as raised:
        run(file, "--org", name)
    assert len(str(raised.value)) < 250


def test_an_impossible_name_of_an_organisation_is_refused(file: Path) -> None:
    with pytest.raises(CommandError, match="'two words' cannot be the name of an organisation"):
        run(file, "--org", "two words")
