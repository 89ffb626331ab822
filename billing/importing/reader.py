"""Reads a file of order lines into whole orders, checking everything before anything is written."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from billing.importing.columns import Columns, columns_find, delimiter_detect
from billing.importing.errors import ImportFileError, Problem
from billing.importing.values import moment_parse, price_parse, quantity_parse, text_parse
from billing.services.history import HistoricLine, HistoricOrder
from orders.models import Order, OrderLine
from orders.pricing import TaxRule, bill_total
from restaurant.money import MAX_AMOUNT
from restaurant.profiles.models import BusinessProfile

_REF_LENGTH: Final = Order._meta.get_field("external_ref").max_length or 0
_NAME_LENGTH: Final = OrderLine._meta.get_field("item_name").max_length or 0
_MOST_LINES: Final = 32_767
_TELL_EVERY: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """What a file holds: its good orders in the order they begin in, and what was wrong with the others."""

    orders: tuple[HistoricOrder, ...]
    bad_orders: int
    line_count: int
    subtotal: Decimal
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Draft:
    """An order under way: the line of the file where it begins, and whether one of its rows was bad."""

    first_line: int
    placed_at: datetime | None = None
    lines: list[HistoricLine] = field(default_factory=list)
    is_bad: bool = False


class _Row(NamedTuple):
    line: int
    cells: list[str]


def file_read(
    *,
    path: Path,
    profile: BusinessProfile,
    mapping: Mapping[str, str],
    delimiter: str | None = None,
    advance: Callable[[int], object] | None = None,
) -> FileContent:
    """Return the orders of the file, in the currency and time zone of the profile.

    The rows of an order may stand anywhere. A bad row makes its whole order bad: half an order would be a wrong bill,
    and importing the mended file would then pass over it. `advance` is told how many rows were read since it was told
    last. Raises ImportFileError when the file as a whole cannot be read.
    """
    rows = _rows(path, delimiter)
    header = next(rows, None)
    if header is None:
        raise ImportFileError(f"{path.name} is empty; its first line must name the columns.")
    grouping = _Grouping(path.name, profile, columns_find(header.cells, mapping=mapping, file=path.name))
    for count, row in enumerate(rows, start=1):
        grouping.add(row)
        if advance is not None and count % _TELL_EVERY == 0:
            advance(_TELL_EVERY)
    return grouping.content()


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImportFileError(f"{path.name} cannot be read: {error.strerror}.") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ImportFileError(
            f"{path.name}, line {line}: this is not UTF-8 text. Save the file as UTF-8 (CSV UTF-8 in spreadsheets)."
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ImportFileError(f"{path.name}, line {line}: there is a NUL character; this is not a text file.")
    return text


def _rows(path: Path, delimiter: str | None) -> Iterator[_Row]:
    text = _text(path)
    header = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or delimiter_detect(header), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise ImportFileError(f"{path.name}, line {line}: quotes are damaged from here on ({error}).") from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield _Row(line, cells)


class _Grouping:
    """Puts rows together to orders, and remembers what was wrong with them."""

    def __init__(self, file: str, profile: BusinessProfile, columns: Columns) -> None:
        self._file = file
        self._currency = profile.currency
        self._zone = ZoneInfo(profile.time_zone)
        self._rule = TaxRule.of(profile)
        self._columns = columns
        self._drafts: dict[str, _Draft] = {}
        self._problems: list[Problem] = []

    def add(self, row: _Row) -> None:
        draft: _Draft | None = None
        try:
            if len(row.cells) != self._columns.width:
                raise ValueError(f"the row has {len(row.cells)} cells, the header {self._columns.width}")
            ref = text_parse(row.cells[self._columns.order_number], what="order number", longest=_REF_LENGTH)
            draft = self._drafts.setdefault(ref, _Draft(row.line))
            self._add_line(draft, row.cells)
        except ValueError as error:
            self._problems.append(Problem(self._file, row.line, str(error)))
            if draft is not None:
                draft.is_bad = True

    def _add_line(self, draft: _Draft, cells: list[str]) -> None:
        columns = self._columns
        placed_at = moment_parse(cells[columns.order_date], zone=self._zone)
        line = HistoricLine(
            item_name=text_parse(cells[columns.item_name], what="item name", longest=_NAME_LENGTH),
            quantity=quantity_parse(cells[columns.quantity]),
            unit_price=price_parse(cells[columns.product_price], currency=self._currency),
        )
        if draft.placed_at not in (None, placed_at):
            raise ValueError(f"the order has another date here than on line {draft.first_line}")
        if len(draft.lines) == _MOST_LINES:
            raise ValueError(f"the order has more than {_MOST_LINES} rows; is this the column of order numbers?")
        draft.placed_at = placed_at
        draft.lines.append(line)

    def content(self) -> FileContent:
        orders, line_count, subtotal = [], 0, Decimal(0)
        for ref, draft in self._drafts.items():
            if draft.is_bad or draft.placed_at is None:
                continue
            totals = bill_total(lines=draft.lines, discount=Decimal(0), rule=self._rule)
            if totals.total > MAX_AMOUNT:
                reason = f"the order that begins here is worth more than {MAX_AMOUNT}"
                self._problems.append(Problem(self._file, draft.first_line, reason))
                continue
            orders.append(HistoricOrder(external_ref=ref, placed_at=draft.placed_at, lines=draft.lines))
            line_count += len(draft.lines)
            subtotal += totals.subtotal
        return FileContent(
            orders=tuple(orders),
            bad_orders=len(self._drafts) - len(orders),
            line_count=line_count,
            subtotal=subtotal,
            problems=tuple(sorted(self._problems)),
        )
