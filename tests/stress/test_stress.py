"""The stress in the form that every test run has time for; `make stress` goes on for longer."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.prove.shapes import SHAPES

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 600


def stress(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.stress", *options]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_PATIENCE, check=False)


def stale_counts(run: subprocess.CompletedProcess[str]) -> list[int]:
    return [int(count) for count in re.findall(r"(\d+) stale", run.stdout)]


def audits(run: subprocess.CompletedProcess[str]) -> list[tuple[int, int]]:
    return [(int(audited), int(old)) for audited, old in re.findall(r"(\d+) hits audited, (\d+) old", run.stdout)]


def assert_fresh_but_for_the_sabotage(run: subprocess.CompletedProcess[str]) -> None:
    """Each also shows that it would notice: without the mark it finds stale reads, or it fails."""
    assert run.returncode == 0, run.stdout + run.stderr
    ours, broken = stale_counts(run)
    assert ours == 0 < broken
    # The players' own auditors raise no false alarm.
    audited, false_alarms = audits(run)[0]
    assert false_alarms == 0 < audited


def assert_alarm(run: subprocess.CompletedProcess[str]) -> None:
    """They raise one where nothing is invalidated."""
    _, _, (_, alarms) = audits(run)
    assert alarms > 0


def test_no_read_is_stale_under_violence(redis_shape: str):
    # Where a replica must take over, that takes its time.
    run = stress(f"--redis={redis_shape}", f"--seconds={20 if redis_shape == 'server' else 60}")

    assert_fresh_but_for_the_sabotage(run)
    if SHAPES[redis_shape].can_alarm:
        assert_alarm(run)


def test_no_read_is_stale_under_violence_without_redis():
    run = stress("--no-redis", "--seconds=10")

    assert_fresh_but_for_the_sabotage(run)
    assert_alarm(run)


# Two hundred in all.
def test_writers_killed_within_a_write_leave_nothing_stale_and_nothing_uncached(redis_shape: str):
    assert_fresh_but_for_the_sabotage(stress(f"--redis={redis_shape}", "--kills=130"))


def test_without_redis_writers_killed_within_a_write_leave_nothing_stale_and_nothing_uncached():
    assert_fresh_but_for_the_sabotage(stress("--no-redis", "--kills=70"))


def test_a_sabotage_that_goes_unnoticed_is_a_failure():
    run = stress("--no-redis", "--kills=4", "--sabotage=")

    assert stale_counts(run) == [0, 0], run.stdout + run.stderr
    assert run.returncode == 1


def test_a_killed_stress_leaves_no_process_behind(redis_shape: str):
    command = [sys.executable, "-m", "tests.stress", f"--redis={redis_shape}", "--seconds=60"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"seed ")
        os.kill(process.pid, signal.SIGKILL)
        # Players have inherited this pipe, which ends with the last of them.
        process.communicate(timeout=_PATIENCE)
