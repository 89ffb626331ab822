"""Makes large values small on their way to Redis (zstd), and never lets a small one become large without a bound."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from backports import zstd
elif sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["MOST_BYTES", "Undecodable", "compressed", "decompressed"]

#: Larger values are stored as they are, and nothing that claims to be larger is unpacked: it is no value of ours.
MOST_BYTES: Final = 16 * 1024 * 1024

# The fastest: on our JSON level 3 took one and a half times to twice as long and saved nothing more.
_LEVEL: Final = 1
# What saves less than a tenth is not worth unpacking.
_WORTH: Final = 0.9
# 2 ** 24 bytes of history: a frame may not ask for more than the largest value.
_WINDOW_LOG: Final = 24
_OPTIONS: Final[Mapping[int, int]] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}


class Undecodable(Exception):
    """The bytes are no compressed value of ours."""


class _Contexts(threading.local):
    # A compressor has state, and making one costs as much as compressing a small value.
    def __init__(self) -> None:
        self.compressor: Any = zstd.ZstdCompressor(level=_LEVEL)


_contexts = _Contexts()


def compressed(body: bytes) -> bytes | None:
    """Return one zstd frame of the body, or None when that saves less than a tenth, or the body is too large."""
    if len(body) > MOST_BYTES:
        return None
    compressor = _contexts.compressor
    frame: bytes = compressor.compress(body, mode=compressor.FLUSH_FRAME)
    return frame if len(frame) <= len(body) * _WORTH else None


def decompressed(frame: bytes) -> bytes:
    """Return what `compressed` made the frame of; raises `Undecodable` for anything else.

    It is unpacked no further than to the size it names, and not at all when that is above `MOST_BYTES`.
    """
    try:
        size = zstd.get_frame_info(frame).decompressed_size
        if size is None or not 0 < size <= MOST_BYTES:
            raise Undecodable
        # A decompressor is for one frame.
        decompressor = zstd.ZstdDecompressor(options=_OPTIONS)
        body = decompressor.decompress(frame, max_length=size)
    except (zstd.ZstdError, MemoryError) as error:
        raise Undecodable from error
    if len(body) != size or not decompressor.eof or decompressor.unused_data:
        raise Undecodable
    return body
