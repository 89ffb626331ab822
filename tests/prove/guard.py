"""Ends everything a run has started, and removes its files, however the run itself ends: by SIGKILL, too."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from tests.scratch import scratch_directory

__all__ = ["guarded", "scratch"]

_SCRATCH = "PROVE_SCRATCH"
_FAILED = 70


def scratch() -> Path:
    """Return the directory in which a guarded run keeps its files."""
    return Path(os.environ[_SCRATCH])


def guarded(run: Callable[[], int]) -> int:
    """Call `run` in a process group of its own; returns its exit code once nothing is left of the group.

    The group is killed when `run` ends, and when this process does, whatever ends them. SIGTERM and Ctrl-C ask `run` to
    end (it sees `SystemExit`). Inside a guarded run it is a plain call, and the outer guard does it all. Call it before
    there are threads.
    """
    signal.signal(signal.SIGTERM, _stop)
    if _SCRATCH in os.environ:
        return run()
    folder = os.environ[_SCRATCH] = str(scratch_directory("prove-"))
    start, started = os.pipe()
    alive, living = os.pipe()
    runner = os.fork()
    if not runner:
        os.close(started)
        os.close(alive)
        os.close(living)
        _run(run, start)
    watcher = os.fork()
    if not watcher:
        os.close(started)
        os.close(living)
        _watch(alive, runner, folder)
    os.close(start)
    os.close(alive)
    # A process group is made by both sides, so that it exists whichever comes first.
    with suppress(OSError):
        os.setpgid(runner, runner)
    os.write(started, b"1")
    try:
        _, status = os.waitpid(runner, 0)
    except BaseException:
        with suppress(ProcessLookupError):
            os.kill(runner, signal.SIGTERM)
            os.waitpid(runner, 0)
        raise
    finally:
        os.close(living)
        os.waitpid(watcher, 0)
    code = os.waitstatus_to_exitcode(status)
    # As a shell says it of what a signal ended.
    return code if code >= 0 else 128 - code


def _run(run: Callable[[], int], start: int) -> NoReturn:
    code = _FAILED
    try:
        os.setpgid(0, 0)
        # Nobody starts a run that nobody watches.
        if os.read(start, 1):
            code = run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else _FAILED
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _watch(alive: int, group: int, folder: str) -> NoReturn:
    # Out of reach of the terminal's Ctrl-C, and of the kill that ends the group.
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.read(alive, 1)
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _stop(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)
