"""Clears regions, organisations or everything, on all hosts."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from caching.management.operator import OperatorCommand, add_json, add_targets, targets
from caching.operations import cache_clear
from caching.outcome import CLEARED_LATER, clear_waits


class Command(OperatorCommand):
    help = (
        "Forget cached copies: on this server at once, on others as fast as writes reach them. The next read of each "
        "value comes from the database. Ends with 0 when that is done, also if other servers hear of it later; with 1 "
        "when nothing was cleared."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_targets(parser, "clear")
        parser.add_argument("--all", action="store_true", help="clear every region of every organisation")
        add_json(
            parser,
            'a sentence: {"regions": [...], "orgs": [ids], "waiting": false}, where null stands for all, and true for '
            "a clear of which Redis has not heard yet",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        everything, chosen = options["all"], options["org"] or options["region"]
        if everything and chosen:
            raise CommandError("--all clears everything: leave out --org and --region, or --all.")
        if not (everything or chosen):
            raise CommandError("Say what to clear: --org ORG, --region R, or --all for everything.")
        regions, orgs = targets(options)
        cache_clear(regions=regions, orgs=orgs)
        waiting = clear_waits()
        if options["json"]:
            self.write_json({"regions": regions or None, "orgs": orgs or None, "waiting": waiting})
            return
        what = f"{', '.join(regions)}" if regions else "all cached copies"
        whose = f" of {', '.join(orgs)}" if orgs else ""
        self.stdout.write(self.style.SUCCESS(f"Cleared {what}{whose}."))
        if waiting:
            self.stdout.write(CLEARED_LATER)
