"""Prepares the site and serves it with gunicorn, which takes the place of this process."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any, Final

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.db import connections

from caching import RedisUnavailable
from caching.management.operator import OperatorCommand
from caching.runtime import runtime
from caching.scripts import command
from restaurant.profiles.models import BusinessProfile
from restaurant.serving.admin_account import admin_ensure

_HOST: Final = "127.0.0.1"
_INTERRUPTED: Final = 130


class Command(OperatorCommand):
    help = (
        "Migrate, load demo data into an empty database, make an administrator, collect static files and warm the "
        "cache; then serve the site on this machine with gunicorn."
    )
    # The tables are about to be made.
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port",
            default=os.environ.get("PORT", "8000"),
            help="where to serve on 127.0.0.1; the environment variable PORT, or else 8000, unless given",
        )
        parser.add_argument("--workers", type=int, default=2, help="worker processes (default: 2)")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        port = _port_check(options["port"])
        if options["workers"] < 1:
            raise CommandError("--workers must be at least 1.")
        try:
            self._prepare()
        except KeyboardInterrupt:
            raise CommandError("Stopped before the site was served.", returncode=_INTERRUPTED) from None
        connections.close_all()
        address = f"http://{_HOST}:{port}"
        self.stdout.write(f"\nServing {address}/admin/ and {address}/api/ - Ctrl-C ends it.")
        self.stdout.flush()
        # The server takes the place of this process, so that signals reach it and nothing is left behind.
        os.execve(sys.executable, _gunicorn(port, options["workers"]), _environment())  # noqa: S606 - no shell is meant

    def _prepare(self) -> None:
        _redis_check()
        self.stdout.write("Preparing the database ...")
        call_command("migrate", verbosity=0, interactive=False)
        if not BusinessProfile.objects.exists():
            call_command("load_demo", stdout=self.stdout)
        call_command("collectstatic", verbosity=0, interactive=False)
        if settings.REDIS_URL:
            # Without Redis each worker warms its own memory when it starts.
            call_command("warm_cache", stdout=self.stdout)
        login = admin_ensure(password_file=settings.VAR_DIR / "admin-password")
        if login.password is None:
            self.stdout.write(
                f"Sign in as {login.username} with the password you chose "
                f"(forgotten? manage.py changepassword {login.username})."
            )
        else:
            self.stdout.write(f"Sign in as {login.username} with the password {login.password}")


def _redis_check() -> None:
    """Raise CommandError when a Redis is configured that does not answer: no write would succeed."""
    if runtime.redis is not None:
        try:
            runtime.redis.execute([command("PING")])
        except RedisUnavailable as error:
            raise CommandError(
                f"{error}. Start the server that REDIS_URL names, or unset REDIS_URL to serve without one."
            ) from error


def _port_check(text: str) -> int:
    """Return the port; raises CommandError when it is none, or is taken."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
        raise CommandError(f"{text!r} is no port; choose one from 1 to 65535.")
    with socket.socket() as probe:
        # As gunicorn does: connections of an earlier run that are still closing are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, int(text)))
        except OSError as error:
            raise CommandError(
                f"Port {text} cannot be used ({error.strerror}). End what uses it, or take another: PORT=8001 make run"
            ) from error
    return int(text)


def _gunicorn(port: int, workers: int) -> list[str]:
    options = ["--config", "python:restaurant.serving.gunicorn", "--bind", f"{_HOST}:{port}", "--workers", str(workers)]
    return [sys.executable, "-m", "gunicorn", *options, "restaurant.wsgi"]


def _environment() -> dict[str, str]:
    return {"CACHING_WARM_AT_START": "true", **os.environ}
