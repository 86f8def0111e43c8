"""A bundle of evidence about one session, made from a log that no service has to run for.

With signing.key beside the log the head is signed anew, over all of the log. Without it the newest
head that was signed before is taken, and commits after that head are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import msgspec

from eventstore.artifacts import ArtifactStore, chunks
from eventstore.checkpoint import Signer
from eventstore.commit import Position
from eventstore.errors import BadCheckpoint, LogContradicted
from eventstore.evidence import (
    Contents,
    all_positions,
    body_line,
    first_line,
    last_words,
    nodes_of_tree,
    own_note,
    root_of,
)
from eventstore.heads import KEY_FILE, HeadFolder
from eventstore.merkle import leaf_hash
from eventstore.sqlite.archive import Archive
from projections.events import CODEC
from projections.events.vm import VmRequested
from projections.evidence import Shown
from projections.folds import session, vm
from scripts.audit import command
from scripts.audit.command import CannotRun


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was written; `went_on` is how many commits of the session come after the head."""

    format: str = "evidence"
    file: str
    session: str
    key: str
    size: int
    commits: int
    went_on: int
    signed_anew: bool
    artifacts: int
    artifacts_left_out: int


class _Signed(msgspec.Struct, frozen=True):
    """The head that a bundle is made under: a key to sign it with, or the note there is."""

    size: Position
    root: bytes
    vkey: str
    signer: Signer | None
    note: str = ""


class Maker:
    """Makes one bundle; everything that can be refused is, before a byte of it is written."""

    def __init__(self, given: argparse.Namespace, archive: Archive) -> None:
        """Raises CannotRun; LogContradicted where the log is not what was signed."""
        self._archive = archive
        self._id: str = given.session
        self._file = str(given.to)
        folder = archive.path.parent
        self._store = ArtifactStore(folder)
        self._head = _signed(archive, folder, given.heads or folder / "heads")
        self._shown = Shown()
        leaves: dict[int, bytes] = {}
        total = sum(1 for _ in archive.stream(self._streams()[0]))
        with command.progress("reading", total, quiet=given.json) as advance:
            for stream in self._streams():
                for recorded in archive.stream(stream, until=self._head.size):
                    self._shown.add(recorded.commit)
                    leaves[recorded.commit.position] = leaf_hash(recorded.body)
                    advance(len(leaves))
        self._contents = self._made(leaves, with_artifacts=not given.no_artifacts)
        shown = len(self._shown.chains[0].positions)
        self.evidence = Evidence(
            file=self._file,
            session=self._id,
            key=self._head.vkey,
            size=self._head.size,
            commits=len(leaves),
            went_on=total - shown,
            signed_anew=self._head.signer is not None,
            artifacts=len(self._contents.artifacts),
            artifacts_left_out=len(self._shown.artifacts) - len(self._contents.artifacts),
        )

    def parts(self) -> Iterator[bytes]:
        """The bytes of the bundle."""
        yield first_line(self._contents)
        for chain in self._contents.chains:
            for recorded in self._archive.stream(chain.stream, until=self._head.size):
                yield body_line(recorded.body)
        for sha256 in self._contents.artifacts:
            with self._store.read(self._id, sha256) as file:
                yield from chunks(file)

    def _streams(self) -> list[str]:
        """The session's stream, then those of its machines, oldest first."""
        machines = sorted(
            (first.position, first.stream)
            for first in self._archive.firsts(vm.PREFIX)
            for event in first.events
            if event.type == VmRequested.NAME and CODEC.decode(event).session == self._id
        )
        return [session.PREFIX + self._id, *(stream for _, stream in machines)]

    def _made(self, leaves: dict[int, bytes], *, with_artifacts: bool) -> Contents:
        archive, head, chains = self._archive, self._head, self._shown.chains
        if not chains or chains[0].stream != session.PREFIX + self._id:
            raise CannotRun(f"no commit of {self._id} is under the head at position {head.size}")
        positions = all_positions(chains)
        nodes = nodes_of_tree(positions, head.size, archive.node_at, archive.leaf_at)
        if root_of(leaves, head.size, nodes) != head.root:
            raise LogContradicted(
                f"the commits of session {self._id} are not those under the head at position "
                f"{head.size}: they were changed"
            )
        signer = head.signer
        sound = (s for s in self._shown.artifacts if self._store.sound(self._id, s))
        return Contents(
            session=self._id,
            note=signer.sign(head.size, head.root, last_words(chains)) if signer else head.note,
            key=head.vkey,
            chains=chains,
            nodes=nodes,
            artifacts=list(sound) if with_artifacts else (),
        )


def told(evidence: Evidence) -> Iterator[str]:
    """What was written, and what is not in it, in words."""
    yield (
        f"evidence about session {evidence.session} written to {evidence.file}: "
        f"{evidence.commits} commits under the head at position {evidence.size}, "
        f"{evidence.artifacts} artifacts"
    )
    if not evidence.signed_anew:
        yield "signing.key is not beside the log: this is the newest head signed before"
    if evidence.went_on:
        yield f"the session went on after that head: {evidence.went_on} commits are not in it"
    if evidence.artifacts_left_out:
        yield f"{evidence.artifacts_left_out} artifacts of the session are not in it"


def _signed(archive: Archive, folder: Path, heads: Path) -> _Signed:
    name = f"sessiond/{archive.epoch}"
    before = _newest(archive, HeadFolder(heads), name)
    try:
        signer = Signer.parse((folder / KEY_FILE).read_text("utf-8"))
    except FileNotFoundError:
        if before is None:
            raise CannotRun(f"there is neither {folder / KEY_FILE} nor a head in {heads}") from None
        return before
    except (BadCheckpoint, UnicodeDecodeError) as error:
        raise CannotRun(f"{folder / KEY_FILE}: {error}") from None
    if signer.verifier.name != name:
        raise CannotRun(f"{folder / KEY_FILE} signs for {signer.verifier.name}, not for {name}")
    return _Signed(archive.size, archive.head().root, signer.verifier.vkey, signer)


def _newest(archive: Archive, heads: HeadFolder, name: str) -> _Signed | None:
    """The newest head, which the log must extend."""
    verifier = heads.verifier()
    found = None if verifier is None else heads.newest(verifier)
    if verifier is None or found is None:
        return None
    file, head = found
    if head.origin != name:
        raise CannotRun(f"{file} is of the log {head.origin}, not of {name}")
    if head.size > archive.size or archive.root(head.size) != head.root:
        raise LogContradicted(
            f"{file} says otherwise of the log's first {head.size} commits: verify.py tells more"
        )
    note = own_note(file.read_bytes().decode(), verifier.name)
    return _Signed(Position(head.size), head.root, verifier.vkey, None, note)
