"""Makes a key for values in Redis."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from caching.encryption import new_key


class Command(BaseCommand):
    help = (
        "Write a new random key for CACHING['ENCRYPTION_KEYS'], and nothing else: base64 of 32 bytes. It is kept "
        "nowhere; put it into the environment of all processes."
    )
    # It may be the key without which the checks fail.
    requires_system_checks: list[str] = []

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(new_key())
