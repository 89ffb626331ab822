"""Hears from Redis what other hosts change."""

from __future__ import annotations

__all__ = ["Listener"]


class Listener:
    """One thread per process."""

    def __init__(self) -> None:
        self.heard_until = 0.0
        self.tracking = False

    def start(self) -> None: ...

    def stop(self) -> None: ...
