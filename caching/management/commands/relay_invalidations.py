"""Delivers what Redis could not be told, where server processes may have no threads of their own."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error

from caching.errors import RedisUnavailable
from caching.logs import described
from caching.management.operator import OperatorCommand, add_json, told_to_end
from caching.runtime import runtime


class Command(OperatorCommand):
    help = (
        "Deliver invalidations that wait in the database because Redis did not answer. Server processes do so by "
        "themselves, unless CACHING['BACKGROUND'] is off. Ends with 0 when it has delivered what there was or was told "
        "to end, with 1 when it could not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="deliver what waits now, say how much it was, and end")
        add_json(parser, 'sentences: {"delivered": rows, "waiting": rows}, at the end')

    def handle(self, *_: Any, **options: Any) -> None:
        # In this order: the tier makes the relay.
        redis, relay = runtime.redis, runtime.relay
        if redis is None or relay is None:
            raise CommandError(
                "No Redis is configured (REDIS_ALIAS or REST_URL in CACHING), so nothing can be delivered."
            )
        # The work is done here, and not twice.
        relay.stop()
        if options["once"]:
            try:
                relay.drain()
            except (RedisUnavailable, Error) as error:
                what = described(error)
                raise CommandError(f"Not all was delivered: {what}. {_count(relay.describe()['depth'])}.") from error
            done = self.style.SUCCESS(f"Delivered {relay.delivered}.")
        else:
            with told_to_end() as ended:
                if not options["json"]:
                    self.stdout.write("Delivering what Redis could not be told. Ctrl-C ends this.")
                relay.run(ended)
            done = f"Ended. Delivered {relay.delivered}."
        if options["json"]:
            self.write_json({"delivered": relay.delivered, "waiting": relay.describe()["depth"]})
        else:
            self.stdout.write(done)


def _count(depth: int | None) -> str:
    return "The outbox cannot be read" if depth is None else f"Waiting: {depth}"
