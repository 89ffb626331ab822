"""Drives the site with wrk, a load generator that costs a server's machine little."""

from __future__ import annotations

import math
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.results import Unable

__all__ = ["CONNECTIONS", "Shot", "absence", "shoot"]

#: As many as the server has threads.
CONNECTIONS: Final = 8

_SCRIPT: Final = Path(__file__).with_name("wrk.lua")
# What wrk counts as an error; the slowest answers take a second on a busy machine.
_TIMEOUT: Final = "10s"
_END_SECONDS: Final = 30
# Answers of each connection.
_ENOUGH: Final = 20


class Shot(msgspec.Struct, frozen=True):
    """What one run of wrk found: `mean`, `p50` and `p99` are the seconds that an answer took."""

    requests: int
    seconds: float
    errors: int
    mean: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Answers per second.

        Of slow ones too few arrive to be counted, and many are under way at the end. Each connection always waits for
        one, so that their rate follows from how long one takes (Little, 1961).
        """
        if self.seconds < _ENOUGH * self.mean:
            return CONNECTIONS / self.mean * (self.requests - self.errors) / self.requests
        return (self.requests - self.errors) / self.seconds


def absence() -> Unable | None:
    """Return why there is no load generator, None when there is one."""
    return None if shutil.which("wrk") else Unable("wrk is not installed (Debian: apt install wrk).")


def shoot(base: str, token: str, addresses: Sequence[str], *, seconds: float) -> Shot:
    """Ask for the addresses by turns, over kept connections, for so many seconds; the process ends in any case."""
    whole = math.ceil(seconds)
    options = ["--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{whole}s", "--timeout", _TIMEOUT]
    command = ["wrk", *options, "--script", str(_SCRIPT), base, "--", token, *addresses]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 -- our own arguments
        try:
            if seconds < whole:
                # It is told whole seconds only; interrupted it ends, and says what it has found so far.
                with suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
                process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=whole + _END_SECONDS)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, said)
    return msgspec.json.decode(said.splitlines()[-1], type=Shot)
