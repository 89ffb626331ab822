"""Fills an empty database with something to look at."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from caching.management.operator import OperatorCommand
from restaurant.demo.catalogue import RESTAURANTS
from restaurant.demo.services import ORDERS_EACH, demo_load
from restaurant.profiles.models import BusinessProfile


class Command(OperatorCommand):
    help = (
        "Load three demo restaurants with menus, customers and the orders of the last two weeks, and a user for each "
        "role. The database must have no organisation yet."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--force",
            action="store_true",
            help=f"load beside other organisations, and in place of earlier demo ones "
            f"({', '.join(restaurant.org_id for restaurant in RESTAURANTS)}); demo users get new passwords",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        if not options["force"] and BusinessProfile.objects.exists():
            raise CommandError("The database has organisations already; --force loads the demo ones beside them.")
        users = demo_load()
        for restaurant in RESTAURANTS:
            self.stdout.write(f"Loaded {restaurant.org_id}: {ORDERS_EACH} orders, some of them active.")
        self.stdout.write("Users to try the API with (these passwords are shown only now):")
        for user in users:
            self.stdout.write(f"  {user.username:14} {user.password}  {user.role}")
