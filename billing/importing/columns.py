"""Finds the columns an import needs, however their names are written and whatever else the file has."""

import csv
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from billing.importing.errors import ImportFileError

FIELDS: Final = ("order number", "order date", "item name", "quantity", "product price")
"""What every file must tell of each line sold, by the names that columns are expected to have."""

DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
"""What may separate cells, by name."""


class Columns(NamedTuple):
    """Where in a row each field stands, counted from 0, and how many cells a row has."""

    order_number: int
    order_date: int
    item_name: int
    quantity: int
    product_price: int
    width: int


def column_key(name: str) -> str:
    """Return what two spellings of one column name have in common: its letters and digits, in small letters."""
    return "".join(character for character in name.casefold() if character.isalnum())


def delimiter_detect(header: str) -> str:
    """Return the delimiter under which the header line names the most fields, or else has the most columns."""

    def found(delimiter: str) -> tuple[int, int]:
        names = next(csv.reader([header], delimiter=delimiter), [])
        return len(_KEYS.keys() & {column_key(name) for name in names}), len(names)

    return max(DELIMITERS.values(), key=found)


def columns_find(header: Sequence[str], *, mapping: Mapping[str, str], file: str) -> Columns:
    """Return where the fields stand in rows under this header.

    `mapping` names columns of the file that are called otherwise: `{"Ref": "order number"}`. Raises ImportFileError
    for a missing or repeated column, and for a mapping that fits no column or no field.
    """
    wanted = {key: key for key in _KEYS}
    for column, field in mapping.items():
        if column_key(field) not in _KEYS:
            raise ImportFileError(f"{field!r} is no field to map a column to. Use one of: {', '.join(FIELDS)}.")
        wanted[column_key(field)] = column_key(column)
    names = [column_key(name) for name in header]
    listed = ", ".join(repr(name.strip()) for name in header)
    missing = [field for key, field in _KEYS.items() if wanted[key] not in names]
    if missing:
        raise ImportFileError(
            f"{file} has no column for {', '.join(missing)}. Its columns are: {listed}. "
            f'Say which one it is with --map "COLUMN={missing[0]}", and the delimiter with --delimiter.'
        )
    repeated = [field for key, field in _KEYS.items() if names.count(wanted[key]) > 1]
    if repeated:
        raise ImportFileError(f"{file} has several columns for {', '.join(repeated)}: {listed}. Rename or remove one.")
    return Columns._make((*(names.index(wanted[key]) for key in _KEYS), len(header)))


_KEYS: Final = {column_key(field): field for field in FIELDS}
