"""Follows writes that other programs make in the same database, around Django."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils.connection import ConnectionDoesNotExist

from caching.around.follower import Engine, Follower, engine_of
from caching.management.operator import FELL_SHORT, OperatorCommand, add_json, told_to_end


class Command(OperatorCommand):
    help = (
        "Make stale what other programs write in the same database (PostgreSQL or MongoDB) around Django, milliseconds "
        "after they have. Runs until it is told to end. Needs --install before. Ends with 0 when it was told to end, "
        "with 1 when it could not begin, and --status with 3 when a table does not tell of its writes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="the alias of the database (default)")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--install", action="store_true", help="let the tables tell of their writes, and end")
        what.add_argument("--remove", action="store_true", help="undo that, and end")
        what.add_argument("--status", action="store_true", help="say which tables tell of their writes, and end")
        add_json(parser, 'sentences: {"tables": {table: state}}, or at the end {"followed": writes, "cleared": times}')

    def handle(self, *_: Any, **options: Any) -> None:
        alias = options["database"]
        try:
            connections[alias]
        except ConnectionDoesNotExist:
            raise CommandError(f"There is no database {alias!r} in DATABASES.") from None
        engine = engine_of(alias)
        if options["install"]:
            engine.install(alias)
            self._say(engine.states(alias), as_json=options["json"])
        elif options["remove"]:
            engine.remove(alias)
            self._say(engine.states(alias), as_json=options["json"])
        elif options["status"]:
            found = engine.states(alias)
            self._say(found, as_json=options["json"])
            if set(found.values()) - {"installed"}:
                raise CommandError(_to_install(alias), returncode=FELL_SHORT)
        else:
            self._follow(engine, alias, as_json=options["json"])

    def _say(self, found: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.write_json({"tables": found})
            return
        for table, state in found.items():
            self.stdout.write(f"{table}: {state}")

    def _follow(self, engine: Engine, alias: str, *, as_json: bool) -> None:
        found = engine.states(alias)
        if set(found.values()) - {"installed"}:
            raise CommandError(_to_install(alias))
        follower = Follower(engine.source(alias), alias)
        with told_to_end() as ended:
            if not as_json:
                self.stdout.write(f"Following the writes in {len(found)} tables. Ctrl-C ends this.")
            follower.run(ended)
        if as_json:
            self.write_json({"followed": follower.followed, "cleared": follower.cleared})
        else:
            self.stdout.write(f"Ended. Followed {follower.followed} writes.")


def _to_install(alias: str) -> str:
    return f"Not all tables tell of their writes. Run: manage.py follow_writes --database {alias} --install"
