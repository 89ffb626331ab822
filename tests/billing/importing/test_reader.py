"""Files of order lines become whole orders; every error names its line."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.importing import reader
from billing.importing.errors import ImportFileError
from billing.importing.reader import FileContent, file_read
from restaurant.profiles.models import BusinessProfile

HEADER = "Order Number,Order Date,Item Name,Quantity,Product Price,Total products\n"
DATE = "03/08/2019 20:25"


def read(tmp_path: Path, content: str | bytes, **options: Any) -> FileContent:
    path = tmp_path / "orders.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return file_read(path=path, profile=BusinessProfile(org_id="org"), mapping={}, **options)


def reasons(content: FileContent) -> list[str]:
    return [str(problem) for problem in content.problems]


def test_rows_of_an_order_are_grouped_wherever_they_stand_and_duplicates_count(tmp_path: Path) -> None:
    content = read(
        tmp_path,
        HEADER + f"7,{DATE},Naan,2,2.95,9\n8,{DATE},Rice,1,3.95,1\n7,{DATE},Naan,2,2.95,9\n7,{DATE},Balti,1,12.95,9",
    )

    assert [order.external_ref for order in content.orders] == ["7", "8"]
    assert [line.item_name for line in content.orders[0].lines] == ["Naan", "Naan", "Balti"]
    assert content.orders[0].placed_at == datetime(2019, 8, 3, 19, 25, tzinfo=UTC)
    assert (content.line_count, content.subtotal, content.problems) == (4, Decimal("28.70"), ())


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    text = "\n" + HEADER + f"\n7,{DATE},Naan,2,2.95,1\n,,,,,\n"

    content = read(tmp_path, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())

    assert (len(content.orders), content.problems) == (1, ())


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_the_delimiter_is_detected(tmp_path: Path, delimiter: str) -> None:
    content = read(tmp_path, (HEADER + f"7,{DATE},Naan,2,2.95,1").replace(",", delimiter))

    assert content.subtotal == Decimal("5.90")


def test_the_delimiter_may_be_given(tmp_path: Path) -> None:
    content = read(tmp_path, (HEADER + f"7,{DATE},Naan,2,2.95,1").replace(",", "~"), delimiter="~")

    assert content.subtotal == Decimal("5.90")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"9,{DATE},Naan,none,2.95,1", "the quantity 'none' is no whole number"),
        (f"9,{DATE},Naan,1,free,1", "the price 'free' is no amount of GBP"),
        ("9,soon,Naan,1,2.95,1", "the date 'soon' is none"),
        (f"9,{DATE}, ,1,2.95,1", "the item name is empty"),
        (f",{DATE},Naan,1,2.95,1", "the order number is empty"),
        (f"9,{DATE},Naan,1", "the row has 4 cells, the header 6"),
        (f"9,{DATE},Naan,1,2.95,1,more", "the row has 7 cells, the header 6"),
        ("7,04/08/2019 20:25,Naan,1,2.95,1", "the order has another date here than on line 2"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_reason(tmp_path: Path, row: str, reason: str) -> None:
    content = read(tmp_path, HEADER + f"7,{DATE},Naan,2,2.95,1\n{row}\n8,{DATE},Rice,1,3.95,1\n")

    assert len(content.problems) == 1
    assert reasons(content)[0].startswith(f"orders.csv, line 3: {reason}")


def test_a_bad_row_leaves_out_its_whole_order_and_no_other(tmp_path: Path) -> None:
    content = read(tmp_path, HEADER + f"7,{DATE},Naan,0,2.95,1\n8,{DATE},Rice,1,3.95,1\n7,{DATE},Balti,1,12.95,1\n")

    assert [order.external_ref for order in content.orders] == ["8"]
    assert (content.bad_orders, content.line_count, content.subtotal) == (1, 1, Decimal("3.95"))


def test_lines_are_counted_as_they_stand_in_the_file_even_after_a_name_of_two_lines(tmp_path: Path) -> None:
    content = read(tmp_path, HEADER + f'7,{DATE},"Naan\nwith garlic",2,2.95,1\n8,{DATE},Rice,0,3.95,1\n')

    assert [problem.line for problem in content.problems] == [4]


def test_an_order_worth_more_than_can_be_billed_is_bad(tmp_path: Path) -> None:
    content = read(tmp_path, HEADER + f"7,{DATE},Gold,10000,999999.00,1\n")

    assert content.orders == ()
    assert "line 2: the order that begins here is worth more than" in reasons(content)[0]


def test_a_column_that_cannot_hold_order_numbers_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_MOST_LINES", 2)

    content = read(tmp_path, HEADER + f"7,{DATE},Naan,1,2.95,1\n" * 3)

    assert "line 4: the order has more than 2 rows" in reasons(content)[0]


def test_progress_is_told_every_so_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_TELL_EVERY", 2)
    told: list[int] = []

    read(tmp_path, HEADER + f"7,{DATE},Naan,1,2.95,1\n" * 5, advance=told.append)

    assert told == [2, 2]


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ImportFileError, match=r"orders\.csv is empty; its first line must name the columns"):
        read(tmp_path, content)


def test_a_file_that_is_not_utf8_is_refused_with_the_line_and_what_to_do(tmp_path: Path) -> None:
    content = HEADER.encode() + f"7,{DATE},Cr\xe8me,1,2.95,1\n".encode("latin-1")

    with pytest.raises(ImportFileError, match=r"orders\.csv, line 2: this is not UTF-8 text\. Save the file as UTF-8"):
        read(tmp_path, content)


def test_a_file_with_nul_characters_is_no_text_file(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="line 2: there is a NUL character"):
        read(tmp_path, HEADER + "7,\0")


def test_an_open_quote_is_refused_with_the_line_it_begins_on(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="line 3: quotes are damaged from here on"):
        read(tmp_path, HEADER + f'7,{DATE},Naan,1,2.95,1\n8,{DATE},"Rice,1,3.95,1\n9,{DATE},Naan,1,2.95,1\n')


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match=r"none\.csv cannot be read: No such file"):
        file_read(path=tmp_path / "none.csv", profile=BusinessProfile(org_id="org"), mapping={})
