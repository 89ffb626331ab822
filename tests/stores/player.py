"""`python -m tests.stores.player`: play one day in a site of its own, and say all the time how far it has come."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

__all__ = ["DAY", "main"]

#: The day of the file that is played.
DAY = date(2019, 5, 18)
# As many orders as that day has, for who has no file.
_MADE_UP = 39


def _say(**what: Any) -> None:
    # One call, so that lines of several threads stay whole.
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class _Events(logging.Handler):
    """Says what the site notices: that a server is away, that it answers again."""

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", "")
        if event:
            _say(event=event)


def _organisation(file: Path | None) -> tuple[str, date]:
    if file is not None:
        from benchmarks.policies.week import ORG, orders_import

        orders_import(file, [DAY])
        return ORG, DAY
    from tests.restaurant.replay import days

    return days.day_make(_MADE_UP).pk, days.DAY


def _unbalanced(org_id: str, phones: tuple[str, ...]) -> int:
    """Return how many customers' cached balances are not what their ledger, and their bills and payments, add up to."""
    from billing.cached import customer_balance
    from billing.models import Bill, LedgerEntry, Payment

    found = 0
    for phone in phones:
        entries = LedgerEntry.objects.filter(org=org_id, customer__phone=phone).values_list("amount", flat=True)
        bills = Bill.objects.filter(org=org_id, order__customer_phone=phone)
        paid = Payment.objects.filter(bill__in=list(bills)).values_list("amount", flat=True)
        owed = sum((bill.total for bill in bills), Decimal(0)) - sum(paid, Decimal(0))
        cached = customer_balance.get(org_id, phone)
        found += cached is None or not cached.balance == sum(entries, Decimal(0)) == owed
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stores.player")
    parser.add_argument("--orders", type=Path, help="the file of orders; made up unless given")
    parser.add_argument("--speed", type=float)
    given = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "restaurant.settings"
    import django

    django.setup()
    from django.core.management import call_command

    from caching.runtime import runtime
    from restaurant.replay.report import report_json, report_make
    from restaurant.replay.script import script_write
    from restaurant.replay.services import replay_run

    call_command("migrate", verbosity=0)
    org_id, day = _organisation(given.orders)
    script = script_write(org_id=org_id, day=day)
    for name in ("caching", "restaurant"):
        logging.getLogger(name).addHandler(_Events())
    result = replay_run(
        org_id=org_id,
        script=script,
        speed=given.speed,
        advance=lambda done: _say(done=done, of=len(script.events)),
    )
    report = report_json(report_make(result, with_redis=runtime.redis is not None))
    _say(report={**report, "customers": len(script.phones), "unbalanced": _unbalanced(result.org_id, script.phones)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
