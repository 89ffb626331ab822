"""Values of regions that demand it lie in Redis encrypted (AES-256-GCM), and what was tampered with is a miss."""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from caching.conf import conf
from caching.envelope import Cipher, Rejected
from caching.errors import CachingError
from caching.logs import logger
from caching.registry import registry

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from caching.clock import Clock

__all__ = ["KEY_BYTES", "Ciphers", "RegionCipher", "decoded_keys", "new_key"]

KEY_BYTES: Final = 32

# NIST SP 800-38D: random nonces of 96 bits serve 2 ** 32 messages under one key.
_NONCE_BYTES: Final = 12
_ID_BYTES: Final = 8
_ALARM_SECONDS: Final = 60.0


def new_key() -> str:
    """Return a random key as `CACHING["ENCRYPTION_KEYS"]` wants it: base64 of 32 bytes."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def decoded_keys(given: object) -> list[bytes]:
    """Return the keys that `CACHING["ENCRYPTION_KEYS"]` holds, the one to encrypt with first.

    Raises `CachingError`, which says what is wrong with which key, by its place and never by its text.
    """
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise CachingError("it must be a list of keys.")
    keys: list[bytes] = []
    for place, text in enumerate(given, 1):
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise CachingError(f"key {place} is no base64 text.") from None
        if len(key) != KEY_BYTES:
            raise CachingError(f"key {place} has {len(key)} bytes instead of {KEY_BYTES}.")
        if key in keys:
            raise CachingError(f"key {place} stands there twice.")
        keys.append(key)
    return keys


def _derived(key: bytes, purpose: bytes, length: int) -> bytes:
    # HKDF (RFC 5869): what one region's key or a key's id tells is nothing about the key.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt=None, info=b"caching " + purpose).derive(key)


class RegionCipher:
    """Encrypts values of one region with a key of its own, derived from the first of the keys; decrypts with any.

    What stands in Redis is the key's id (8 bytes), a random nonce (12), the encrypted body and its tag (16). The head
    of the envelope and the prefix are authenticated with it, so that it is of no use in another place.
    """

    def __init__(self, region: str, keys: Sequence[bytes], prefix: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._keys: dict[bytes, AESGCM] = {
            _derived(key, b"id", _ID_BYTES): AESGCM(_derived(key, b"region " + region.encode(), KEY_BYTES))
            for key in keys
        }
        self._first = next(iter(self._keys))
        self._prefix = prefix.encode()

    def encrypt(self, body: bytes, head: bytes) -> bytes:
        key_id, nonce = self._first, secrets.token_bytes(_NONCE_BYTES)
        return key_id + nonce + self._keys[key_id].encrypt(nonce, body, head + key_id + self._prefix)

    def decrypt(self, sealed: bytes, head: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        key_id, nonce = sealed[:_ID_BYTES], sealed[_ID_BYTES : _ID_BYTES + _NONCE_BYTES]
        key = self._keys.get(key_id)
        if key is None:
            raise Rejected("unknown_key", alarming=True)
        try:
            return key.decrypt(nonce, sealed[_ID_BYTES + _NONCE_BYTES :], head + key_id + self._prefix)
        # Too short for a nonce and a tag: ValueError.
        except (InvalidTag, ValueError):
            raise Rejected("forged", alarming=True) from None


class _Closed:
    """Stands for a cipher where encryption is demanded and no key can be used: nothing gets in or out."""

    def encrypt(self, body: bytes, head: bytes) -> None:  # noqa: ARG002 -- as `Cipher` has it
        return None

    def decrypt(self, sealed: bytes, head: bytes) -> bytes:  # noqa: ARG002 -- as `Cipher` has it
        raise Rejected("no_key", alarming=True)


class Ciphers(dict[str, Cipher | None]):
    """The cipher of each region, None for those that are not encrypted; made when first asked for.

    Where keys are missing, malformed or of no use without `cryptography`, a region that demands encryption stores
    nothing in Redis and takes nothing from there.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self._unsaid = 0

    def __missing__(self, name: str) -> Cipher | None:
        region = registry.regions.get(name)
        cipher = self._cipher(name) if region is not None and region.encrypted else None
        self[name] = cipher
        return cipher

    @staticmethod
    def _cipher(region: str) -> Cipher:
        try:
            keys = decoded_keys(conf.ENCRYPTION_KEYS)
            if not keys:
                raise CachingError("CACHING['ENCRYPTION_KEYS'] holds no key.")
            return RegionCipher(region, keys, conf.PREFIX)
        except (CachingError, ImportError) as error:
            logger.error(
                "Values of %(region)s are not kept in Redis, for they cannot be encrypted: %(error)s",
                {"region": region, "error": error},
                extra={"event": "no_encryption"},
            )
            return _Closed()

    def alarm(self, region: str, key: str, reason: str) -> None:
        """Say, once a minute at most, that what lies in Redis under the name `key` was refused."""
        with self._lock:
            now = self._clock.now()
            if now < self._quiet_until:
                self._unsaid += 1
                return
            self._quiet_until = now + _ALARM_SECONDS
            unsaid, self._unsaid = self._unsaid, 0
        logger.error(
            "A value of %(region)s in Redis was refused (%(reason)s): somebody else wrote it, or processes have other "
            "keys. Its name is %(key)s; %(unsaid)d others went unsaid.",
            {"region": region, "reason": reason, "key": key, "unsaid": unsaid},
            extra={"event": "value_not_decrypted"},
        )
