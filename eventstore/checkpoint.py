"""Signed heads as C2SP `tlog-checkpoint` signed notes, which others' tools and witnesses read.

The formats are those of c2sp.org/tlog-checkpoint and c2sp.org/signed-note, with Ed25519 keys.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from eventstore.errors import BadCheckpoint
from eventstore.merkle import HASH_BYTES

_ED25519: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_DASH: Final = "\u2014"
_SIZE_DIGITS_MAX: Final = 19
NOTE_CHARS_MAX: Final = 64 << 10


class Checkpoint(msgspec.Struct, frozen=True):
    """That the log called `origin` had `size` commits and this root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The body of the note."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Verifier:
    """A public key by its name: `NAME+ID+KEY`, as the format's `vkey` has it."""

    def __init__(self, name: str, key: Ed25519PublicKey) -> None:
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.name = _checked_name(name)
        self.key_id = _key_id(name, raw)
        self.vkey = f"{name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + raw).decode()}"
        self._key = key

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """The verifier that `vkey` describes; raises BadCheckpoint."""
        name, _, rest = vkey.strip().partition("+")
        key_id, _, key = rest.partition("+")
        raw = _base64(key)
        if raw[:1] != _ED25519 or len(raw) != 33:
            raise BadCheckpoint("the public key is not an Ed25519 key")
        verifier = cls(name, Ed25519PublicKey.from_public_bytes(raw[1:]))
        if verifier.key_id.hex() != key_id:
            raise BadCheckpoint("the public key does not belong to its id")
        return verifier

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in `note`; raises BadCheckpoint unless this key signed all of it."""
        body, separator, signatures = note.partition("\n\n")
        if not separator or len(note) > NOTE_CHARS_MAX or not note.endswith("\n"):
            raise BadCheckpoint("this is no signed note")
        text = f"{body}\n"
        for line in signatures[:-1].split("\n"):
            dash, _, signed = line.partition(" ")
            name, _, encoded = signed.partition(" ")
            if dash != _DASH or not name or not encoded:
                raise BadCheckpoint("a signature line of the note is malformed")
            raw = _base64(encoded)
            if name == self.name and raw[:_KEY_ID_BYTES] == self.key_id:
                self._verify(raw[_KEY_ID_BYTES:], text)
                return parse_checkpoint(text)
        raise BadCheckpoint(f"no signature of it is by {self.name}+{self.key_id.hex()}")

    def _verify(self, signature: bytes, text: str) -> None:
        try:
            self._key.verify(signature, text.encode())
        except InvalidSignature:
            raise BadCheckpoint("its signature does not match") from None


class Signer:
    """A private key by its name, which is also the origin of the log that it signs for."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.verifier = Verifier(name, key.public_key())
        self._key = key

    @classmethod
    def generate(cls, name: str) -> Signer:
        """A new key."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: str) -> Signer:
        """The signer in a line `PRIVATE+KEY+NAME+ID+KEY`; raises BadCheckpoint."""
        parts = text.strip().split("+", 4)
        if parts[:2] != ["PRIVATE", "KEY"] or len(parts) != 5:
            raise BadCheckpoint("this is no private key of a signed note")
        raw = _base64(parts[4])
        if raw[:1] != _ED25519 or len(raw) != 33:
            raise BadCheckpoint("the private key is not an Ed25519 key")
        signer = cls(parts[2], Ed25519PrivateKey.from_private_bytes(raw[1:]))
        if signer.verifier.key_id.hex() != parts[3]:
            raise BadCheckpoint("the private key does not belong to its id")
        return signer

    def private_line(self) -> str:
        """What `parse` reads; to be kept secret."""
        seed = self._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        name, key_id = self.verifier.name, self.verifier.key_id.hex()
        return f"PRIVATE+KEY+{name}+{key_id}+{base64.b64encode(_ED25519 + seed).decode()}\n"

    def sign(self, size: int, root: bytes) -> str:
        """The note that says so of the log named like this key."""
        text = Checkpoint(self.verifier.name, size, root).text()
        signature = base64.b64encode(self.verifier.key_id + self._key.sign(text.encode())).decode()
        return f"{text}\n{_DASH} {self.verifier.name} {signature}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in the body of a note; lines after the third are extensions and ignored."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise BadCheckpoint("this is no checkpoint")
    origin, size, root = lines[:3]
    digits = size.isascii() and size.isdigit() and len(size) <= _SIZE_DIGITS_MAX
    if not digits or str(int(size)) != size:
        raise BadCheckpoint("its size is no number")
    raw = _base64(root)
    if len(raw) != HASH_BYTES:
        raise BadCheckpoint(f"its root has not {HASH_BYTES} bytes")
    return Checkpoint(origin, int(size), raw)


def _checked_name(name: str) -> str:
    if not name or "+" in name or not name.isprintable() or any(map(str.isspace, name)):
        raise BadCheckpoint("a key's name has neither white space nor a plus")
    return name


def _key_id(name: str, raw: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + raw).digest()[:_KEY_ID_BYTES]


def _base64(text: str) -> bytes:
    """Strict, so that no character of a note can be changed unseen."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw or base64.b64encode(raw).decode() != text:
        raise BadCheckpoint("its base64 is malformed")
    return raw
