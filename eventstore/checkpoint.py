"""Signed heads as C2SP `tlog-checkpoint` signed notes, which others' tools and witnesses read.

The formats are those of c2sp.org/tlog-checkpoint and c2sp.org/signed-note, with Ed25519 keys.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
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
# A note is UTF-8 without control characters; a surrogate is what could not be decoded.
_FORBIDDEN: Final = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
# Witnesses add their lines, of up to 7,000 characters each with keys to come.
NOTE_CHARS_MAX: Final = 1 << 20
SIGNATURES_MAX: Final = 100


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

    def open(self, note: str, origin: str | None = None) -> Checkpoint:
        """The checkpoint in `note`; raises BadCheckpoint unless this key signed all of it.

        It must be of the log called `origin`, which is called like the key unless told otherwise.
        """
        checkpoint = parse_checkpoint(self.text(note))
        expected = self.name if origin is None else origin
        if checkpoint.origin != expected:
            raise BadCheckpoint(f"it is of the log {checkpoint.origin}, not of {expected}")
        return checkpoint

    def text(self, note: str) -> str:
        """What `note` says; raises BadCheckpoint unless this key signed it.

        Signatures of other keys are ignored, as witnesses may add theirs; where this key signed
        more than once, every one of its signatures must match.
        """
        text, lines = _split(note)
        signatures = [
            raw[_KEY_ID_BYTES:]
            for name, raw in map(_signature, lines)
            if name == self.name and raw[:_KEY_ID_BYTES] == self.key_id
        ]
        if not signatures:
            raise BadCheckpoint(f"no signature of it is by {self.name}+{self.key_id.hex()}")
        for signature in signatures:
            self._verify(signature, text)
        return text

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
    def from_seed(cls, name: str, seed: bytes) -> Signer:
        """The key that 32 random bytes stand for."""
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

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

    def sign(self, size: int, root: bytes, extensions: Sequence[str] = ()) -> str:
        """The note that says so of the log named like this key, and what `extensions` say."""
        if not all(line and line.isprintable() for line in extensions):
            raise BadCheckpoint("an extension is one line of printable text")
        text = Checkpoint(self.verifier.name, size, root).text()
        text += "".join(f"{line}\n" for line in extensions)
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


def _split(note: str) -> tuple[str, list[str]]:
    """The text of a note and its signature lines."""
    body, separator, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not separator or lines.pop() or not 0 < len(lines) <= SIGNATURES_MAX:
        raise BadCheckpoint("this is no signed note")
    if len(note) > NOTE_CHARS_MAX or _FORBIDDEN.search(note):
        raise BadCheckpoint("this is no signed note: it is too long or holds control characters")
    return f"{body}\n", lines


def _signature(line: str) -> tuple[str, bytes]:
    """The name in a signature line, and the key's id with the signature."""
    dash, _, signed = line.partition(" ")
    name, _, encoded = signed.partition(" ")
    if dash != _DASH or not _is_name(name):
        raise BadCheckpoint("a signature line of the note is malformed")
    raw = _base64(encoded)
    if len(raw) <= _KEY_ID_BYTES:
        raise BadCheckpoint("a signature line of the note is malformed")
    return name, raw


def _is_name(name: str) -> bool:
    return bool(name) and not any(c == "+" or c.isspace() for c in name)


def _checked_name(name: str) -> str:
    if not _is_name(name) or _FORBIDDEN.search(name):
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
