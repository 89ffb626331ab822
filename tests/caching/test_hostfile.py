"""The file that the processes of a host share: who may use it, and what survives whom."""

from __future__ import annotations

import fcntl
import os
import resource
import stat
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.errors import HostFileError, HostFileForeign
from caching.hostfile import BLOCKS, HEADER_BYTES, HostFile, host_file_path

_BOOT_ID = slice(16, 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shared"


def opened(path: Path, *, layout: bytes = b"test1", size: int = 100, fill: bytes = b"") -> HostFile:
    return HostFile(path, layout=layout, size=size, fill=fill)


# --- making it --------------------------------------------------------------------------------------------------------


def test_the_file_is_made_for_its_user_alone_and_filled(path: Path) -> None:
    file = opened(path, fill=b"content")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size == HEADER_BYTES + 100
    assert file.view[HEADER_BYTES:].tobytes() == b"content".ljust(100, b"\0")
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_every_file_has_a_token_of_its_own_that_all_who_open_it_see(path: Path) -> None:
    first = opened(path)
    assert opened(path).token == first.token

    path.unlink()
    assert opened(path).token != first.token


def test_a_file_knows_when_it_was_made_but_one_of_an_earlier_release(path: Path) -> None:
    before, made = time.time(), opened(path).made

    assert before <= (made or 0) <= time.time()
    opened(path).view[48:56] = bytes(8)
    assert opened(path).made is None


def test_a_second_opening_finds_what_the_first_wrote(path: Path) -> None:
    first, second = opened(path), opened(path, fill=b"ignored")

    first.view[HEADER_BYTES] = 7

    assert second.inode == first.inode
    assert second.view[HEADER_BYTES:].tobytes() == b"\7".ljust(100, b"\0")


def _open_and_tell(pipe: Connection, path: Path, together: Barrier) -> None:
    together.wait()
    file = opened(path, size=1_000_000)
    pipe.send((file.inode, file.claim_block(), file.claimed_blocks()))
    pipe.recv()


def test_processes_that_race_to_make_it_share_one_file_and_no_block(
    path: Path, start: Callable[..., Any], barrier: Callable[[int], Barrier]
) -> None:
    together = barrier(4)
    children = [start(_open_and_tell, path, together) for _ in range(4)]

    told = [child.receive() for child in children]

    assert {inode for inode, _, _ in told} == {path.stat().st_ino}
    assert sorted(block for _, block, _ in told) == [0, 1, 2, 3]
    assert opened(path, size=1_000_000).claimed_blocks() == 4
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_who_loses_the_race_uses_the_winners_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link
    winners: list[HostFile] = []

    def link_too_late(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        winners.append(opened(path, fill=b"winner"))
        link(source, target)

    monkeypatch.setattr(os, "link", link_too_late)

    loser = opened(path, fill=b"loser")

    assert loser.inode == winners[0].inode
    assert loser.view[HEADER_BYTES:].tobytes().rstrip(b"\0") == b"winner"


def test_a_file_that_never_stays_is_given_up_with_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", lambda _source, _target: None)

    with pytest.raises(HostFileError, match="keeps changing under us") as raised:
        opened(path)

    assert not isinstance(raised.value, HostFileForeign)
    assert list(path.parent.iterdir()) == []


# --- places that cannot be used ---------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(HostFileError, match=r"cannot be written.*STAMPS_DIR.*SINGLE_PROCESS") as raised:
        opened(tmp_path / "missing" / "shared")

    assert not isinstance(raised.value, HostFileForeign)


def test_a_folder_that_may_not_be_written_is_an_error_with_the_way_out() -> None:
    # Refused by the kernel for everybody, root included.
    with pytest.raises(HostFileError, match=r"/proc/self cannot be written.*STAMPS_DIR"):
        opened(Path("/proc/self/shared"))


def test_a_full_disk_is_an_error_and_leaves_nothing_behind(path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HEADER_BYTES, before[1]))
    try:
        with pytest.raises(HostFileError, match="cannot be written"):
            opened(path, size=100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list(path.parent.iterdir()) == []


# --- other people's files ---------------------------------------------------------------------------------------------


def test_a_symbolic_link_is_refused_and_what_it_leads_to_is_left_alone(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    opened(elsewhere, fill=b"theirs")
    path.symlink_to(elsewhere)

    with pytest.raises(HostFileForeign, match=r"not a plain file.*STAMPS_DIR"):
        opened(path)

    assert path.is_symlink()
    assert elsewhere.read_bytes()[HEADER_BYTES:].rstrip(b"\0") == b"theirs"


def test_a_file_that_others_may_read_or_write_is_refused_with_the_way_out(path: Path) -> None:
    opened(path)
    path.chmod(0o660)

    with pytest.raises(HostFileForeign, match=r"may be written by others.*one user.*STAMPS_DIR"):
        opened(path)

    assert path.exists()


def test_a_file_of_another_user_is_refused_with_the_way_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    with pytest.raises(HostFileForeign, match=r"belongs to another user.*one user.*STAMPS_DIR"):
        opened(path)

    assert path.exists()


def test_a_pipe_in_the_files_place_is_refused(path: Path) -> None:
    os.mkfifo(path, 0o600)

    with pytest.raises(HostFileForeign, match="STAMPS_DIR"):
        opened(path)


def test_refusing_a_file_leaks_no_descriptor(path: Path) -> None:
    opened(path)
    path.chmod(0o640)
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(5):
        with pytest.raises(HostFileForeign):
            opened(path)

    assert len(list(Path("/proc/self/fd").iterdir())) == before


# --- outdated files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other", [{"size": 50}, {"size": 5000}, {"layout": b"test2"}], ids=["smaller", "larger", "another layout"]
)
def test_a_file_of_another_shape_is_replaced_while_its_users_keep_theirs(path: Path, other: dict[str, Any]) -> None:
    old = opened(path, **other, fill=b"old")
    reader = os.open(path, os.O_RDONLY)

    new = opened(path, fill=b"new")

    assert new.inode != old.inode
    assert path.stat().st_size == HEADER_BYTES + 100
    assert new.view[HEADER_BYTES:].tobytes().rstrip(b"\0") == b"new"
    # Truncated, the old file would kill whoever has it mapped with SIGBUS.
    assert os.fstat(reader).st_size == HEADER_BYTES + other.get("size", 100)
    assert old.view[HEADER_BYTES:].tobytes().rstrip(b"\0") == b"old"
    assert not old.is_current()
    assert new.is_current()
    os.close(reader)


def test_a_file_from_before_the_last_boot_is_replaced(path: Path) -> None:
    old = opened(path, fill=b"old")
    old.view[_BOOT_ID] = bytes(16)

    new = opened(path, fill=b"new")

    assert new.inode != old.inode
    assert new.view[HEADER_BYTES:].tobytes().rstrip(b"\0") == b"new"


def test_where_the_kernel_tells_no_boot_id_the_file_serves_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _path: "no hexadecimal digits")

    first, second = opened(path), opened(path)

    assert second.inode == first.inode
    assert first.view[_BOOT_ID].tobytes() == bytes(16)


def test_a_file_that_another_process_has_replaced_meanwhile_is_not_removed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(path, size=50)
    pread = os.pread
    winners: list[HostFile] = []

    def read_slowly(*arguments: int) -> bytes:
        monkeypatch.setattr(os, "pread", pread)
        path.unlink()
        winners.append(opened(path))
        return pread(*arguments)

    monkeypatch.setattr(os, "pread", read_slowly)

    assert opened(path).inode == winners[0].inode


def test_an_outdated_file_that_another_process_has_removed_meanwhile_is_made_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(path, size=50)
    pread = os.pread

    def read_slowly(*arguments: int) -> bytes:
        monkeypatch.setattr(os, "pread", pread)
        path.unlink()
        return pread(*arguments)

    monkeypatch.setattr(os, "pread", read_slowly)

    assert opened(path).is_current()


def test_a_removed_file_is_no_longer_current(path: Path) -> None:
    file = opened(path)
    assert file.is_current()

    path.unlink()

    assert not file.is_current()


# --- blocks -----------------------------------------------------------------------------------------------------------


def _claim_and_wait(pipe: Connection, path: Path) -> None:
    file = opened(path)
    pipe.send(file.claim_block())
    pipe.recv()


def test_a_block_is_another_ones_until_its_process_is_killed(path: Path, start: Callable[..., Any]) -> None:
    file = opened(path)
    child = start(_claim_and_wait, path)
    assert child.receive() == 0
    assert file.is_held(0)
    assert file.claim_block() == 1

    child.kill()

    assert not file.is_held(0)
    assert file.claim_block() == 0
    assert file.claimed_blocks() == 2


def test_one_process_can_claim_more_than_one_block(path: Path) -> None:
    file = opened(path)

    assert [file.claim_block() for _ in range(3)] == [0, 1, 2]
    assert file.claimed_blocks() == 3


def test_a_block_held_by_another_object_of_this_process_is_held(path: Path) -> None:
    first, second = opened(path), opened(path)
    first.claim_block()

    assert second.is_held(0)
    assert not first.is_held(0)
    assert not second.is_held(1)
    assert second.claim_block() == 1


def test_blocks_are_free_when_the_object_is_gone(path: Path) -> None:
    first, second = opened(path), opened(path)
    first.claim_block()

    del first

    assert second.claim_block() == 0


def test_too_many_claims_are_an_error_that_names_the_file(path: Path) -> None:
    file = opened(path)
    assert [file.claim_block() for _ in range(BLOCKS)] == list(range(BLOCKS))

    with pytest.raises(HostFileError, match=f"All {BLOCKS} blocks of {path}"):
        file.claim_block()


def test_where_open_files_hold_no_locks_processes_do(
    path: Path, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(fcntl, "F_OFD_SETLK")
    monkeypatch.delattr(fcntl, "F_OFD_GETLK")
    file = opened(path)
    child = start(_claim_and_wait, path)
    assert child.receive() == 0
    assert file.claim_block() == 1
    # Nobody can tell, so nothing of a living process is thrown away.
    assert file.is_held(0)

    child.kill()

    assert file.claim_block() == 0


# --- where it lies ----------------------------------------------------------------------------------------------------


def test_the_file_lies_in_the_folder_that_the_settings_name(settings: Settings, tmp_path: Path) -> None:
    settings.CACHING = {**settings.CACHING, "STAMPS_DIR": tmp_path}

    path = host_file_path("stamps")

    assert path.parent == tmp_path
    assert path.name.startswith("fast-access-")
    assert path.name.endswith(".stamps")
    assert host_file_path("stats").stem == path.stem


def test_without_a_folder_it_lies_in_shared_memory_or_else_with_temporary_files(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHING = {**settings.CACHING, "STAMPS_DIR": None}
    monkeypatch.setattr(os, "access", lambda _path, _mode: True)
    assert host_file_path("stamps").parent == Path("/dev/shm")  # noqa: S108 -- where the framework looks

    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/somewhere")
    assert host_file_path("stamps").parent == Path("/somewhere")


def test_projects_of_another_prefix_or_database_have_another_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = host_file_path("stamps")
    caching = settings.CACHING

    settings.CACHING = {**caching, "PREFIX": "other:"}
    of_another_prefix = host_file_path("stamps")
    settings.CACHING = caching
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", "another")
    of_another_database = host_file_path("stamps")

    assert len({ours, of_another_prefix, of_another_database}) == 3
