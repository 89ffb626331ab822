"""A development machine gets secrets of its own, made once and kept; production sets its own."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def local_secret_key(var_dir: Path) -> str:
    """Return the secret key kept in `var_dir`, made on first use and readable by its owner alone."""
    return kept_secret(var_dir / "secret_key", make=get_random_secret_key)


def kept_secret(path: Path, *, make: Callable[[], str]) -> str:
    """Return the text kept in the file, which is made on first use with mode 0600.

    Processes that start at the same moment all return the text of the one that came first.
    """
    with suppress(FileNotFoundError):
        return path.read_text()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
        # The name appears with the whole text behind it, and never replaces another process's.
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
    return path.read_text()
