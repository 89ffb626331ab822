"""Secrets of a development machine: made once, whole, and for their owner alone."""

import stat
import threading
from pathlib import Path

import pytest

from restaurant.secret import kept_secret, local_secret_key


def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    key = local_secret_key(tmp_path / "var")

    assert len(key) >= 50
    assert local_secret_key(tmp_path / "var") == key


def test_only_the_owner_may_read_it_and_nothing_else_is_left_behind(tmp_path: Path) -> None:
    local_secret_key(tmp_path)

    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_whoever_comes_second_gets_the_secret_of_the_first_never_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    both_are_making = threading.Barrier(2, timeout=20)
    got: list[str] = []

    def start(name: str) -> None:
        def make() -> str:
            both_are_making.wait()
            return name

        got.append(kept_secret(path, make=make))

    threads = [threading.Thread(target=start, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(got) == 2
    assert got[0] == got[1] == path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def make() -> str:
        raise OSError("no randomness")

    with pytest.raises(OSError, match="no randomness"):
        kept_secret(tmp_path / "secret", make=make)

    assert list(tmp_path.iterdir()) == []
