"""`manage.py cache_key` writes a key that can be used as it is, and nothing else."""

from __future__ import annotations

from io import StringIO

from django.core.management import call_command
from pytest_django.fixtures import Settings

from caching.encryption import decoded_keys
from caching.encryption_checks import check_encryption


def written() -> str:
    out = StringIO()
    call_command("cache_key", stdout=out)
    return out.getvalue()


def test_it_writes_one_key_that_can_be_used(settings: Settings) -> None:
    text = written()
    assert text.count("\n") == 1
    assert len(decoded_keys([text.strip()])[0]) == 32
    settings.CACHING = {**settings.CACHING, "ENCRYPTION_KEYS": [text.strip()]}
    assert check_encryption() == []


def test_each_is_another() -> None:
    assert written() != written()
