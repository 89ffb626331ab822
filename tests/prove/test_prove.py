"""The proof itself in a short form, and proof of the proof: each sabotage of the protocol is caught."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 600


def prove(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.prove", *options]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_PATIENCE, check=False)


def is_alone(shape: str) -> bool:
    """Whether the run is the one that there is always time for."""
    return shape == "server"


def test_no_read_is_stale_with_redis(redis_shape: str):
    # Where a replica must take over, that takes its time.
    run = prove(f"--redis={redis_shape}", f"--seconds={5 if is_alone(redis_shape) else 30}")

    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count(" 0 stale reads") == 1
    assert "lost_server" in run.stdout


def test_no_read_is_stale_without_redis():
    run = prove("--no-redis", "--seconds=5")

    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count(" 0 stale reads") == 1


@pytest.mark.parametrize("part", ["mark", "stamps", "lease", "unmark", "second-writer"])
def test_switching_off_a_part_of_the_protocol_is_caught(part: str, redis_shape: str):
    # With a server both with Redis and without, where there is such a part.
    only = [] if is_alone(redis_shape) else [f"--redis={redis_shape}"]
    run = prove("--seconds=10", f"--sabotage={part}", *only)

    assert run.returncode == 1, run.stdout + run.stderr
    assert f"stale reads under sabotage of {part}" in run.stdout
    assert " 0 stale reads" not in run.stdout


def test_what_does_not_exist_without_redis_cannot_be_switched_off_there():
    run = prove("--no-redis", "--sabotage=lease")

    assert run.returncode == 2
    assert "without Redis there is no lease to switch off" in run.stderr
