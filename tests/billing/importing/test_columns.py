"""Columns are found however their names are written."""

import pytest

from billing.importing.columns import FIELDS, Columns, columns_find, delimiter_detect
from billing.importing.errors import ImportFileError


def test_case_spaces_and_order_of_the_names_do_not_matter() -> None:
    header = ["Total products", " QUANTITY", "item_name ", "Order  Date", "ordernumber", "Product Price"]

    found = columns_find(header, mapping={}, file="f.csv")

    assert found == Columns(order_number=4, order_date=3, item_name=2, quantity=1, product_price=5, width=6)


def test_a_mapped_column_stands_for_its_field_even_if_another_has_the_usual_name() -> None:
    header = ["Order Number", "Ref", "Order Date", "Item Name", "Quantity", "Product Price"]

    found = columns_find(header, mapping={" ref": "Order-Number"}, file="f.csv")

    assert found.order_number == 1


def test_a_missing_column_is_told_with_the_columns_there_are_and_the_way_to_map_one() -> None:
    with pytest.raises(ImportFileError) as raised:
        columns_find(["Ref", "Order Date", "Item Name", "Qty", "Product Price"], mapping={}, file="f.csv")

    text = str(raised.value)
    assert "f.csv has no column for order number, quantity." in text
    assert "'Ref', 'Order Date', 'Item Name', 'Qty', 'Product Price'" in text
    assert '--map "COLUMN=order number"' in text


def test_a_mapping_to_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(ImportFileError, match="no column for quantity"):
        columns_find(list(FIELDS), mapping={"Pieces": "quantity"}, file="f.csv")


def test_a_mapping_to_no_field_is_refused_with_the_fields_there_are() -> None:
    with pytest.raises(ImportFileError, match=r"'colour' is no field .* order number, order date"):
        columns_find(list(FIELDS), mapping={"Quantity": "colour"}, file="f.csv")


def test_a_repeated_column_is_refused() -> None:
    with pytest.raises(ImportFileError, match="several columns for quantity"):
        columns_find([*FIELDS, "Quantity"], mapping={}, file="f.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_makes_fields_of_the_header(delimiter: str) -> None:
    assert delimiter_detect(delimiter.join(FIELDS)) == delimiter


def test_other_delimiters_inside_names_do_not_mislead() -> None:
    header = 'Order Number;Order Date;Item Name;Quantity;"Product Price";a,b,c,d,e,f,g,h'

    assert delimiter_detect(header) == ";"


def test_without_known_names_the_delimiter_with_most_columns_is_taken() -> None:
    assert delimiter_detect("Ref\tWhen\tDish, as sold") == "\t"
