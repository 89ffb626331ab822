"""A development machine gets a secret key of its own; production must set one."""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def local_secret_key(var_dir: Path) -> str:
    """Return the key kept in `var_dir`, made on first use and readable by its owner alone."""
    path = var_dir / "secret_key"
    var_dir.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(get_random_secret_key())
    return path.read_text()
