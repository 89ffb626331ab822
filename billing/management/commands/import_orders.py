"""Imports another system's orders, a file of order lines, as the history of an organisation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from billing.importing.columns import DELIMITERS, FIELDS
from billing.importing.errors import BadRowsError, ImportFileError, Problem
from billing.importing.reader import FileContent, file_read
from billing.importing.writer import content_import
from caching.management.operator import OperatorCommand
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.selectors import profile_get

_HELP: Final = f"""
Import a CSV or TSV file with one line per dish sold as paid orders of an organisation. The file needs columns for
{", ".join(FIELDS)}; other columns are ignored. Each order becomes a paid takeaway order with a bill, by the
organisation's present tax rule, and one payment of its total (method "cash": files do not say how was paid), all dated
when it was placed; customers stay unknown. Orders that were imported before, known by their number, are left as
they are. Dates without an offset are local times of the organisation.
"""
_SHOWN: Final = 20
_SHOWN_CHARACTERS: Final = 80


class Command(OperatorCommand):
    help = " ".join(_HELP.split())

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="the CSV or TSV file, in UTF-8")
        parser.add_argument("--org", required=True, help="the organisation; made with default settings if it is new")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="COLUMN=FIELD",
            help=f"a column that is called otherwise than its field ({', '.join(FIELDS)}); may be repeated",
        )
        parser.add_argument(
            "--skip-bad",
            action="store_true",
            help="leave out orders with bad rows and list these; otherwise nothing of the file is kept",
        )
        parser.add_argument(
            "--delimiter", help=f"what separates cells: {', '.join(DELIMITERS)} or a character; detected unless given"
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        began = time.perf_counter()
        path: Path = options["file"]
        profile = _profile(options["org"])
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        try:
            with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
                reading = progress.add_task("Reading rows", total=None)
                content = file_read(
                    path=path,
                    profile=profile,
                    mapping=_mapping(options["map"]),
                    delimiter=_delimiter(options["delimiter"]),
                    advance=lambda rows: progress.advance(reading, rows),
                )
                progress.update(reading, completed=content.line_count, total=content.line_count)
                writing = progress.add_task("Writing orders", total=len(content.orders))
                result = content_import(
                    org_id=profile.org_id,
                    content=content,
                    skip_bad=options["skip_bad"],
                    advance=lambda orders: progress.advance(writing, orders),
                )
        except BadRowsError as error:
            self._list(error.problems, shown=_SHOWN)
            raise CommandError(
                f"{path.name} has {len(error.problems)} bad rows; nothing of it was kept. "
                "Mend them, or leave out their orders with --skip-bad."
            ) from error
        except ImportFileError as error:
            raise CommandError(str(error)) from error
        if result.is_new_org:
            self.stdout.write(
                f"Created the organisation {profile.org_id!r} with default settings: currency {profile.currency}, "
                f"time zone {profile.time_zone}, tax rate {profile.tax_rate} %. Change them in the admin."
            )
        self._tell(path, profile, content)
        self.stdout.write(
            f"Imported {result.imported:,} orders; {result.known:,} were imported before and left as they are. "
            f"{time.perf_counter() - began:.1f} s."
        )

    def _tell(self, path: Path, profile: BusinessProfile, content: FileContent) -> None:
        if content.problems:
            self._list(content.problems, shown=len(content.problems))
            self.stdout.write(
                f"Left out {content.bad_orders:,} orders for {len(content.problems):,} bad rows (listed)."
            )
        self.stdout.write(
            f"{path.name}: {len(content.orders):,} orders, {content.line_count:,} lines, "
            f"{content.subtotal:,} {profile.currency} in subtotals."
        )

    def _list(self, problems: tuple[Problem, ...], *, shown: int) -> None:
        for problem in problems[:shown]:
            self.stderr.write(str(problem))
        if len(problems) > shown:
            self.stderr.write(f"... and {len(problems) - shown:,} more.")


def _profile(org_id: str) -> BusinessProfile:
    """Return the organisation's profile, or the one it would be made with."""
    profile = BusinessProfile(org_id=org_id, name=org_id)
    try:
        # Before the database is asked, which refuses some texts with errors of its own.
        profile.clean_fields()
    except ValidationError as error:
        raise CommandError(
            f"{org_id[:_SHOWN_CHARACTERS]!r} cannot be the name of an organisation: "
            "use letters, digits, - and _, at most 64."
        ) from error
    return profile_get(org_id=org_id) or profile


def _mapping(given: list[str]) -> dict[str, str]:
    mapping = {}
    for text in given:
        # A column may contain the sign, a field does not.
        column, sign, field = text.rpartition("=")
        if not (sign and column.strip() and field.strip()):
            raise CommandError(f'{text!r} is no COLUMN=FIELD; write it like --map "Ref=order number".')
        mapping[column] = field
    return mapping


def _delimiter(given: str | None) -> str | None:
    if given is None:
        return None
    delimiter = DELIMITERS.get(given, "\t" if given == "\\t" else given)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise CommandError(f"{given!r} cannot separate cells: use {', '.join(DELIMITERS)} or one character.")
    return delimiter
