"""Tells people and scripts whether the cache can do its work."""

from __future__ import annotations

import sys
from typing import Any, Final

from django.core.management.base import CommandParser

from caching.health import State, assess
from caching.management.operator import FELL_SHORT, OperatorCommand, add_json

_EXIT_CODES: Final[dict[State, int]] = {"fine": 0, "failed": 1, "degraded": FELL_SHORT}


class Command(OperatorCommand):
    help = (
        "Look whether this host's caches, its database and Redis are well. Ends with 0 if all is fine, 3 if the site "
        "works and is slower than it could be (Redis away, other hosts not heard, invalidations waiting, local memory "
        "off), and 1 if it does not work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_json(parser, "lines")

    def handle(self, *_: Any, **options: Any) -> None:
        found = assess()
        if options["json"]:
            self.write_json(found)
        else:
            styles = {"fine": self.style.SUCCESS, "degraded": self.style.WARNING, "failed": self.style.ERROR}
            for each in found.findings:
                self.stdout.write(f"{styles[each.state](f'{each.state:8}')}  {each.name}: {each.text}")
        if code := _EXIT_CODES[found.state]:
            sys.exit(code)
