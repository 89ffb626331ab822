"""Where tests keep their files: in memory where the system offers that, for a commit waits for its disk."""

import os
import tempfile
from pathlib import Path

__all__ = ["scratch_directory"]

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 -- the directories made there are this user's alone


def scratch_directory(prefix: str) -> Path:
    """Make a directory of that prefix; the caller removes it."""
    where = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix=prefix, dir=where))
