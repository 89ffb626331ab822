"""What the operators' commands share: the arguments that choose regions and organisations, and clear errors."""

from __future__ import annotations

from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from caching.errors import CachingError

__all__ = ["FELL_SHORT", "OperatorCommand", "add_targets"]

#: The exit code of commands that did what they should and found what should not be, such as a region below its target;
#: 1 is for those that did not, 2 for arguments that argparse refuses.
FELL_SHORT: Final = 3


def add_targets(parser: CommandParser, verb: str) -> None:
    """Add `--org` and `--region`, each of which may be repeated."""
    parser.add_argument(
        "--org", action="append", default=[], metavar="ORG", help=f"{verb} only this organisation; may be repeated"
    )
    parser.add_argument(
        "--region", action="append", default=[], metavar="R", help=f"{verb} only this region; may be repeated"
    )


class OperatorCommand(BaseCommand):
    """Ends with exit code 1 and one line when the call was wrong or Redis is out of reach."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except CachingError as error:
            raise CommandError(str(error)) from error
