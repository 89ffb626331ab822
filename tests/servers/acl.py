"""The user that docs/stores.md tells operators to make: the tests sign in as that one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

__all__ = ["NAME", "PASSWORD", "USER", "make_user"]

_DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "stores.md"
NAME: Final = "fast-access"
PASSWORD: Final = "its/word"
#: As in an address.
USER: Final = f"{NAME}:its%2Fword@"


def make_user(client: Any, prefix: str = "fa:") -> None:
    """Make the user for the keys of a prefix; `client` may do everything."""
    [line] = re.findall(r"^ACL SETUSER .*$", _DOCUMENT.read_text(), re.MULTILINE)
    client.execute_command(*line.replace(">PASSWORD", f">{PASSWORD}").replace("~fa:*", f"~{prefix}*").split())
