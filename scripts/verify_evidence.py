#!/usr/bin/env python3
"""Check a bundle of evidence about one session, on any machine, without the service it came from.

Needs Python 3.9 or newer and the package `cryptography`: copy this one file. A bundle is

    a line of JSON: the signed head of a log, the key, the hashes between the commits and the head;
    one line for each commit, byte for byte as the log stores it;
    the bytes of the artifacts, one after the other.

Exit code 0: the evidence holds. 1: it does not. 2: it could not be checked.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from bisect import bisect_right
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    print("verify_evidence.py needs cryptography: pip install cryptography", file=sys.stderr)
    sys.exit(2)

FORMAT = "sessiond evidence v1"
FIELDS = {"artifacts": list, "commits": int, "format": str, "key": str}
FIELDS.update({"nodes": str, "note": str, "session": str})
LINE_BYTES_MAX = 256 << 20
CHARS_MAX = 200
TRUSTED = "It is the key that this check was given."
NOT_TRUSTED = "That key is known from the bundle alone: compare it with one from elsewhere."
LAST = "The key also signed that nothing of these followed under that head: its word, not a proof."
NOT_LAST = "Whether anything of these followed is not shown."


class Broken(Exception):
    """Why the evidence does not hold."""


class Head(NamedTuple):
    """What the key signed: the log had `size` commits under `root`; `said` is what it adds."""

    log: str
    size: int
    root: bytes
    said: list[str]


# 1. The first line: these fields only, written in the one way there is to write them.
def read_first_line(file: BinaryIO) -> dict[str, Any]:
    line = read_line(file)
    first = parse(line)
    if not isinstance(first, dict) or {name: type(v) for name, v in first.items()} != FIELDS:
        raise Broken("this is no bundle of evidence")
    if not all(type(sha256) is str for sha256 in first["artifacts"]):
        raise Broken("the list of artifacts is malformed")
    again = json.dumps(first, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if first["format"] != FORMAT or again.encode("utf-8", "replace") != line:
        raise Broken(f"the first line is not as the format {FORMAT!r} has it")
    return first


def read_line(file: BinaryIO) -> bytes:
    line = file.readline(LINE_BYTES_MAX)
    if not line.endswith(b"\n"):
        raise Broken("the bundle is cut off, or is none")
    return line[:-1]


def parse(line: bytes) -> Any:
    def number(digits: str) -> Any:
        return int(digits) if len(digits) < 19 else digits  # endless digits would take for ever

    try:
        return json.loads(line.decode(), parse_int=number)
    except (ValueError, RecursionError):
        raise Broken("a line of the bundle is not JSON, or nested without end") from None


# 2. The head: signed by the key (a C2SP signed note), with nothing beside what is signed.
def open_note(note: str, key: str) -> Head:
    name, key_id, public = parse_key(key)
    text, _, signatures = note.partition("\n\n")
    begin = f"\u2014 {name} "
    signature = unbase64(signatures[len(begin) : -1])
    if signatures != f"{begin}{base64.b64encode(signature).decode()}\n" or signature[:4] != key_id:
        raise Broken("the head is not signed by the key in the bundle")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], f"{text}\n".encode())
    except (InvalidSignature, ValueError):
        raise Broken("the signature of the head does not match") from None
    log, size, root, *said = [*text.split("\n"), "", ""]
    if log != name or not (size.isascii() and size.isdigit() and len(size) < 19):
        raise Broken("the head is not one that this key may sign")
    return Head(log, int(size), unbase64(root), said[:-2])


def parse_key(key: str) -> tuple[str, bytes, bytes]:
    name, _, rest = key.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = unbase64(encoded)
    digest = hashlib.sha256(name.encode("utf-8", "replace") + b"\n" + raw).digest()[:4]
    if not name or len(raw) != 33 or raw[:1] != b"\x01" or digest.hex() != key_id:
        raise Broken("the key is malformed")
    return name, digest, raw[1:]


def unbase64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if base64.b64encode(raw).decode() != text:
        raise Broken("the base64 is malformed")
    return raw


# 3. The commits: leaves of the Merkle tree (RFC 9162) whose root is in the head.
def read_commits(file: BinaryIO, count: int) -> tuple[list[Any], dict[int, bytes]]:
    commits: list[Any] = []
    leaves: dict[int, bytes] = {}
    for number in range(1, count + 1):
        body = read_line(file)
        commit = parse(body)
        position = commit.get("position") if isinstance(commit, dict) else None
        if type(position) is not int or position in leaves:
            raise Broken(f"commit {number} of the bundle has no position of its own")
        leaves[position] = hashlib.sha256(b"\x00" + body).digest()
        commits.append(commit)
    return commits, leaves


def check_tree(head: Head, leaves: dict[int, bytes], nodes: bytes) -> None:
    shown = sorted(leaves)
    given = (nodes[at : at + 32] for at in range(0, len(nodes), 32))

    def root(begin: int, end: int) -> bytes:
        """The hash over the leaves begin + 1 .. end."""
        if bisect_right(shown, begin) == bisect_right(shown, end):
            return next(given, b"")  # none of these is shown: the bundle gives their hash
        if end - begin == 1:
            return leaves[end]
        middle = begin + (1 << (end - begin - 1).bit_length() - 1)
        left, right = root(begin, middle), root(middle, end)
        return hashlib.sha256(b"\x01" + left + right).digest()

    if not shown or shown[0] < 1 or shown[-1] > head.size:
        raise Broken("the commits are not at positions of the log that was signed")
    if root(0, head.size) != head.root or next(given, None) is not None:
        raise Broken("the commits do not lead to the signed root: something was changed")


# 4. The histories: each commit names the one before it, so none is missing between two.
def check_chains(session: str, commits: list[Any], said: list[str]) -> dict[str, int]:
    last: dict[str, int] = {}
    for commit in commits:
        stream, first = commit["stream"], commit["events"][0]
        if commit["previous"] != last.get(stream, 0) or stream in list(last)[:-1]:
            raise Broken(f"a commit of {stream} is missing before position {commit['position']}")
        is_machine = first["type"] == "vm.requested" and first["data"]["session"] == session
        if stream not in last and (not is_machine if last else stream != f"session/{session}"):
            raise Broken(f"{stream} does not belong to the session {session}")
        last[stream] = commit["position"]
    if said and said != [f"last {stream} {position}" for stream, position in last.items()]:
        raise Broken("the head names other last commits than those in the bundle")
    return last


# 5. The artifacts: each has the SHA-256 that a commit gives, and nothing follows the last one.
def check_artifacts(file: BinaryIO, listed: list[Any], commits: list[Any]) -> list[dict[str, Any]]:
    events = [event for commit in commits for event in commit["events"]]
    stored = {e["data"]["sha256"]: e["data"] for e in events if e["type"] == "artifact.stored"}
    if listed != [sha256 for sha256 in stored if sha256 in listed]:
        raise Broken("the artifacts are not those of the session, in their order")
    for sha256 in listed:
        digest, left = hashlib.sha256(), stored[sha256]["size"]
        while left > 0 and (chunk := file.read(min(left, 1 << 20))):
            digest.update(chunk)
            left -= len(chunk)
        if left or digest.hexdigest() != sha256:
            raise Broken(f"the artifact {sha256} was changed or is cut off")
    if file.read(1):
        raise Broken("something follows the end of the bundle")
    return [dict(stored[sha256], here=sha256 in listed) for sha256 in stored]


# 6. What all that proves, in words.
def check(file: BinaryIO, trusted: str | None) -> dict[str, Any]:
    first = read_first_line(file)
    key, session = first["key"], first["session"]
    if trusted not in (None, key):
        raise Broken(f"it is signed by {key}, which is not the key given")
    head = open_note(first["note"], key)
    commits, leaves = read_commits(file, first["commits"])
    check_tree(head, leaves, unbase64(first["nodes"]))
    try:
        last = check_chains(session, commits, head.said)
        artifacts = check_artifacts(file, first["artifacts"], commits)
        commits.sort(key=lambda commit: int(commit["position"]))
        history = [line_of(commit) for commit in commits]
        proved = [f"The key {key} signed the head of {head.log} at position {head.size}."]
        proved.append(TRUSTED if trusted else NOT_TRUSTED)
        times, actors = sorted(c["at"] for c in commits), sorted({c["actor"] for c in commits})
        span = f"{show(times[0])} to {show(times[-1])}"
        proved.append(f"{len(commits)} commits are under it, {span}, by {', '.join(actors)}.")
        proved += [f"None of {s} is missing from its first to position {last[s]}." for s in last]
        proved.append(LAST if head.said else NOT_LAST)
        for artifact in artifacts:
            state = "here as it was stored" if artifact["here"] else "not in this bundle"
            proved.append(f"The artifact {artifact['name']} ({artifact['sha256']}) is {state}.")
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError):
        raise Broken("the commits are not those of a log of sessiond") from None
    told = {"log": head.log, "size": head.size, "key": key, "session": session, "last": last}
    return {"holds": True, **told, "artifacts": artifacts, "proved": proved, "history": history}


def line_of(commit: Any) -> str:
    events = "; ".join(f"{e['type']} {json.dumps(e['data'])}" for e in commit["events"])
    return f"{commit['position']}  {show(commit['at'])}  {commit['actor']}  {events}"


def show(at_us: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=at_us)  # noqa: UP017
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def plain(line: str) -> str:
    """A line that does nothing to a terminal but show itself."""
    return "".join(c if c.isprintable() else "?" for c in line)


def trusted_key(given: str | None) -> str | None:
    """The key in an option, which is the key itself or the name of its file."""
    if given is None:
        return None
    key = (given if "+" in given else Path(given).read_text("utf-8")).strip()
    try:
        parse_key(key)
    except Broken:
        raise ValueError("--key is neither a public key NAME+ID+KEY nor a file of one") from None
    return key


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", help="the public key that you trust, or a file that holds it")
    parser.add_argument("--json", action="store_true", help="answer in JSON, for machines")
    given = parser.parse_args()
    answer: dict[str, Any]
    try:
        key = trusted_key(given.key)
        with given.bundle.open("rb") as file:
            code, answer = 0, check(file, key)
    except (OSError, ValueError) as error:
        code, answer = 2, {"error": str(error)}
    except Broken as why:
        code, answer = 1, {"holds": False, "error": str(why)}
    if given.json:
        print(json.dumps(answer))
    elif code == 0:
        short = [s if len(s) < CHARS_MAX else f"{s[:CHARS_MAX]}..." for s in answer["history"]]
        print("\n".join(plain(line) for line in (*short, *answer["proved"])))
    if code:
        print(plain(f"{parser.prog}: {answer['error']}"), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
