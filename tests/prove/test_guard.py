"""A run that is killed leaves no process and no file behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 60

# Starts a process, stops it, says who is who, and does what the test says.
_RUN = """
import os, signal, subprocess, sys
from tests.prove.guard import guarded, scratch

def run():
    child = subprocess.Popen(["sleep", "600"])
    child.send_signal(signal.SIGSTOP)
    (scratch() / "file").touch()
    try:
        print(os.getppid(), os.getpid(), scratch(), flush=True)
        {body}
    finally:
        print("tidied up", flush=True)

sys.exit(guarded(run))
"""


def start(body: str) -> tuple[subprocess.Popen[bytes], int, int, Path]:
    command = [sys.executable, "-c", _RUN.format(body=body)]
    # Unbuffered: reading a line reads no more than the line.
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout is not None
    outer, inner, folder = process.stdout.readline().decode().split()
    return process, int(outer), int(inner), Path(folder)


def rest_of_what_was_said(process: subprocess.Popen[bytes]) -> str:
    # Every process of the run has inherited this pipe: it ends with the last of them.
    with process:
        return process.communicate(timeout=_PATIENCE)[0].decode()


@pytest.mark.parametrize("victim", ["the process that was started", "the run within it"])
def test_a_killed_run_leaves_no_process_and_no_file(victim: str):
    process, outer, inner, folder = start("child.wait()")
    os.kill(outer if victim == "the process that was started" else inner, signal.SIGKILL)

    assert rest_of_what_was_said(process) == ""
    assert process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert not folder.exists()


def test_a_run_that_ends_says_how_and_takes_with_it_what_it_started():
    process, _, _, folder = start("return 3")

    assert rest_of_what_was_said(process) == "tidied up\n"
    assert process.returncode == 3
    assert not folder.exists()


def test_a_run_that_is_told_to_end_tidies_up_first():
    process, _, _, folder = start("child.wait()")
    process.terminate()

    assert rest_of_what_was_said(process) == "tidied up\n"
    assert process.returncode == 128 + signal.SIGTERM
    assert not folder.exists()
