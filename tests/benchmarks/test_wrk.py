"""The load generator is told what to ask and how, and what it says is understood; a stand-in is enough for that."""

import subprocess

import pytest

from benchmarks import wrk
from benchmarks.results import Unable
from benchmarks.wrk import CONNECTIONS, Shot, absence, shoot

SAID = '{"requests":300,"seconds":2.000000,"errors":10,"mean":0.002000,"p50":0.001000,"p99":0.250000}'


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Return a function that puts a program in wrk's place; it notes its arguments in the file that is returned."""

    def of(script):
        told = tmp_path / "told"
        program = tmp_path / "wrk"
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}\n{script}\n')
        program.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return told

    return of


def test_what_it_says_last_is_what_it_found(stand_in):
    stand_in(f"echo 'Running 2s test'; echo '{SAID}'")

    assert shoot("http://site", "secret", ["/a/"], seconds=2) == Shot(300, 2.0, 10, 0.002, 0.001, 0.25)


def test_it_is_told_how_long_to_ask_for_what_and_as_whom(stand_in):
    told = stand_in(f"echo '{SAID}'")

    shoot("http://site", "secret", ["/a/", "/b/"], seconds=3)

    words = told.read_text().splitlines()
    assert words[words.index("--duration") + 1] == "3s"
    assert words[words.index("--connections") + 1] == str(CONNECTIONS)
    assert words[-5:] == ["http://site", "--", "secret", "/a/", "/b/"]
    script = words[words.index("--script") + 1]
    assert script.endswith("benchmarks/wrk.lua")


def test_half_a_second_is_a_second_that_is_interrupted(stand_in):
    told = stand_in(f"answer() {{ kill $!; echo '{SAID}'; exit 0; }}; trap answer INT; sleep 60 & wait")

    assert shoot("http://site", "secret", ["/a/"], seconds=0.5).requests == 300
    words = told.read_text().splitlines()
    assert words[words.index("--duration") + 1] == "1s"


def test_what_fails_is_an_error(stand_in):
    stand_in("echo 'unable to connect'; exit 1")

    with pytest.raises(subprocess.CalledProcessError):
        shoot("http://site", "secret", ["/a/"], seconds=1)


def test_one_that_does_not_end_is_ended(stand_in, monkeypatch):
    stand_in("exec sleep 60")
    monkeypatch.setattr(wrk, "_END_SECONDS", 0.1)

    with pytest.raises(subprocess.TimeoutExpired):
        shoot("http://site", "secret", ["/a/"], seconds=0)


class TestRate:
    def test_answers_are_counted_but_for_those_that_failed(self):
        assert Shot(300, 2.0, 10, 0.05, 0.0, 0.0).rate == 145.0

    def test_of_slow_ones_the_time_they_take_says_how_many_there_are(self):
        # One in four failed; two came of each connection, and what was under way at the end was not counted.
        assert Shot(16, 2.0, 4, 0.8, 0.0, 0.0).rate == pytest.approx(CONNECTIONS / 0.8 * 0.75)


def test_without_it_there_is_a_reason(monkeypatch):
    monkeypatch.setattr(wrk.shutil, "which", lambda name: None)

    assert absence() == Unable("wrk is not installed (Debian: apt install wrk).")


def test_with_it_there_is_none(stand_in):
    stand_in("")

    assert absence() is None
