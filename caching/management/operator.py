"""What the operators' commands share: the arguments that choose regions and organisations, JSON, and clear errors."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from caching.errors import CachingError
from caching.logs import described
from caching.organisations import organisations_meant
from caching.registry import registry

__all__ = ["FELL_SHORT", "ORG_HELP", "OperatorCommand", "add_json", "add_targets", "targets", "told_to_end"]

#: The exit code of commands that did what they should and found what should not be, such as a region below its target;
#: 1 is for those that did not, 2 for arguments that argparse refuses.
FELL_SHORT: Final = 3


#: What stands for an organisation.
ORG_HELP: Final = "by its id or its business name"

_INTERRUPTED: Final = 130

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def add_targets(parser: CommandParser, verb: str) -> None:
    """Add `--org` and `--region`, each of which may be repeated."""
    parser.add_argument(
        "--org",
        action="append",
        default=[],
        metavar="ORG",
        help=f"{verb} only this organisation, {ORG_HELP}; may be repeated",
    )
    parser.add_argument(
        "--region", action="append", default=[], metavar="R", help=f"{verb} only this region; may be repeated"
    )


def targets(options: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the names of the regions and the ids of the organisations that were chosen, each once.

    Raises `UnknownRegion` and what `organisations_meant` does.
    """
    regions = [registry.get(name).name for name in dict.fromkeys(options["region"])]
    return regions, organisations_meant(options["org"])


def add_json(parser: CommandParser, instead: str) -> None:
    """Add `--json`: one document, as `OperatorCommand.write_json` writes it, instead of that."""
    parser.add_argument("--json", action="store_true", help=f"write one JSON document instead of {instead}")


@contextmanager
def told_to_end() -> Iterator[threading.Event]:
    """Give an event that is set when the process is told to end, which it does not by itself meanwhile."""
    ended = threading.Event()
    before = {each: signal.signal(each, lambda *_: ended.set()) for each in _SIGNALS}
    try:
        yield ended
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class OperatorCommand(BaseCommand):
    """Ends with exit code 1 and one line when it could not do what it should; with 130, as shells do, on Ctrl-C."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except CachingError as error:
            raise CommandError(str(error)) from error
        except Error as error:
            raise CommandError(
                f"The database refused: {described(error)}. See what `manage.py cache_health` says."
            ) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped before it was done.", returncode=_INTERRUPTED) from None

    def write_json(self, document: object) -> None:
        """Write what msgspec can encode as one JSON document, indented by 2, its keys in the order they have there.

        In ASCII: whatever the terminal's encoding is, nothing is lost, and no name can command the terminal.
        """
        self.stdout.write(json.dumps(msgspec.json.decode(msgspec.json.encode(document)), indent=2))
