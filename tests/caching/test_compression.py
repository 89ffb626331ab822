"""Compression: what went in comes out, in any thread, and nothing unpacks to more than it may."""

from __future__ import annotations

import contextlib
import random
import threading
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caching.compression import MOST_BYTES, Undecodable, _contexts, compressed, decompressed, zstd


def test_a_large_list_becomes_small_and_comes_back() -> None:
    body = b'{"name":"Margherita","price":"7.50"},' * 500
    frame = compressed(body)
    assert frame is not None
    assert len(frame) < len(body) / 10
    assert decompressed(frame) == body


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_whatever_is_compressed_comes_back(piece: bytes, times: int) -> None:
    frame = compressed(piece * times)
    assert frame is None or decompressed(frame) == piece * times


def test_what_does_not_pay_is_left_alone() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 -- shown with a failure, which it repeats
    noise = random.Random(seed).randbytes(10_000)
    assert compressed(noise) is None
    # A twentieth of it can be left out, which is too little.
    assert compressed(noise + bytes(500)) is None
    assert compressed(noise + bytes(2_000)) is not None
    assert compressed(b"") is None


def test_the_largest_value_comes_back_and_a_larger_one_is_left_alone() -> None:
    largest = compressed(bytes(MOST_BYTES))
    assert largest is not None
    assert decompressed(largest) == bytes(MOST_BYTES)
    assert compressed(bytes(MOST_BYTES + 1)) is None


@pytest.mark.parametrize("size", [MOST_BYTES + 1, 2**30])
def test_a_bomb_is_refused_before_it_takes_memory(size: int) -> None:
    bomb = zstd.compress(bytes(size))
    tracemalloc.start()
    try:
        with pytest.raises(Undecodable):
            decompressed(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_frame_that_does_not_say_its_size_is_refused() -> None:
    compressor = zstd.ZstdCompressor()
    frame = compressor.compress(b"x" * 1000, mode=compressor.FLUSH_BLOCK) + compressor.flush()
    assert zstd.decompress(frame) == b"x" * 1000
    with pytest.raises(Undecodable):
        decompressed(frame)


def test_a_frame_that_lies_about_its_size_is_refused() -> None:
    frame = bytearray(zstd.compress(b"abcdefgh" * 40))
    # The size of a frame of 256 to 65,791 bytes stands in the two behind the magic number and the descriptor.
    at = frame.index((320 - 256).to_bytes(2, "little"))
    for size in (300, 340, 65_000):
        frame[at : at + 2] = (size - 256).to_bytes(2, "little")
        with pytest.raises(Undecodable):
            decompressed(bytes(frame))


def test_what_is_no_whole_single_frame_is_refused() -> None:
    frame = zstd.compress(b"abcdefgh" * 40)
    for bad in (b"", b"null", frame[:-1], frame + b"x", frame + frame, frame[1:]):
        with pytest.raises(Undecodable):
            decompressed(bad)


@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_are_refused_or_within_bounds(noise: bytes, framed: bool) -> None:
    with contextlib.suppress(Undecodable):
        assert len(decompressed(zstd.compress(b"")[:4] + noise if framed else noise)) <= MOST_BYTES


def test_threads_do_not_meet_in_one_context() -> None:
    together, wrong = threading.Barrier(8), []

    def work(number: int) -> None:
        body = f"thread {number} ".encode() * 20_000
        together.wait()
        for _ in range(50):
            frame = compressed(body)
            if frame is None or decompressed(frame) != body:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_each_thread_has_a_compressor_of_its_own() -> None:
    found = [_contexts.compressor]
    thread = threading.Thread(target=lambda: found.append(_contexts.compressor))
    thread.start()
    thread.join()
    assert found[0] is not found[1]
    assert found[0] is _contexts.compressor
