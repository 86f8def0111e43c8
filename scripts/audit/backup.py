"""Copy the log, also while the service writes it, and prove that the copy is good.

The copy is as of one moment. It is opened as a restore would open it, its file is checked, all
hashes are computed anew, every stream is folded from zero, and its root is held against the one
stored in the log and the signed heads; only then does it get its name. To restore: make an
empty folder, copy FILE into it as log.db, and start the service on it; views are made anew.

FILE is the log alone. What else belongs to a data folder: artifacts/ (files that never change, any
copier will do), heads/ and signing.key (best kept on another machine anyway), and vault.db with the
keys to what is sealed. --vault writes a copy of the latter; keep it apart from the log, for who has
both reads every secret, and drop older copies when a session is erased, for they still have its
key.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from eventstore.errors import BadCheckpoint
from eventstore.heads import HeadFolder
from eventstore.sqlite.archive import FILE_NAME, Archive
from eventstore.sqlite.backup import copy_database
from eventstore.sqlite.verifying import Ask, verify
from eventstore.testimony import Sources, known_key
from eventstore.vault import FILE_NAME as VAULT_FILE
from eventstore.verification import Verified
from scripts.audit import command
from scripts.audit.command import DOES_NOT_HOLD, HOLDS, Advance, CannotRun
from scripts.audit.copies import Disagrees, check_file, replay
from scripts.audit.findings import sentence
from scripts.audit.target import PRIVATE, new_part

Stage = Callable[[str, int], AbstractContextManager[Advance]]


class BackedUp(msgspec.Struct, frozen=True, kw_only=True):
    """What was copied and found to agree; `head` is the size of the signed head it was held to."""

    file: str
    bytes: int
    epoch: str
    size: int
    root: str
    streams: dict[str, int]
    head: int | None
    vault: str | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    made = command.parser(__doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("--to", type=Path, required=True, metavar="FILE", help="the copy of the log")
    made.add_argument("--vault", type=Path, metavar="FILE", help="a copy of vault.db too")
    heads = "where signed heads are kept (default: heads in the data folder)"
    made.add_argument("--heads", type=Path, metavar="DIR", help=heads)
    return command.answer(arguments, made, _backup)


def _backup(given: argparse.Namespace) -> int:
    with Archive(given.data) as archive:
        source = archive.path
    vault = source.with_name(VAULT_FILE)
    if given.vault is not None and not vault.is_file():
        raise CannotRun(f"there is no {VAULT_FILE} in {vault.parent}")
    heads = HeadFolder(given.heads or source.parent / "heads")
    stage = partial(command.progress, quiet=given.json)
    try:
        with ExitStack() as parts:
            part = parts.enter_context(new_part(given.to, PRIVATE))
            _copy(source, part, stage)
            backed_up = _checked(given, source, part, heads, stage)
            if given.vault is not None:
                # After the log: what is sealed in it has its key here.
                keys = parts.enter_context(new_part(given.vault, PRIVATE))
                _copy(vault, keys, stage)
                check_file(keys)
    except Disagrees as error:
        if given.json:
            command.say({"error": str(error)})
        print(f"backup.py: {error}; no copy was kept", file=sys.stderr)
        return DOES_NOT_HOLD
    _tell(given, backed_up)
    return HOLDS


def _copy(source: Path, part: Path, stage: Stage) -> None:
    with stage(f"copying {source.name}", 100) as advance:
        copy_database(source, part, lambda done, total: advance(100 * done // (total or 1)))


@contextmanager
def _restored(part: Path) -> Iterator[Path]:
    """A data folder with the copy as its log, for as long as the block runs."""
    folder = part.with_name(f"{part.name.removesuffix('.part')}.restored")
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed; we hold the part
    folder.mkdir(mode=0o700)
    try:
        try:
            (folder / FILE_NAME).hardlink_to(part)
        except OSError:  # not every file system has links
            shutil.copyfile(part, folder / FILE_NAME)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _checked(
    given: argparse.Namespace, source: Path, part: Path, heads: HeadFolder, stage: Stage
) -> BackedUp:
    with _restored(part) as folder, Archive(folder) as copy:
        verified = _verified(copy, source.parent, heads, stage)
        with stage("replaying", copy.size) as advance:
            streams = replay(copy, advance)
        with Archive(source) as archive:
            if (archive.epoch, archive.root(copy.size).hex()) != (copy.epoch, verified.root):
                raise Disagrees(f"the log has another root at position {copy.size}")
        return BackedUp(
            file=str(given.to),
            bytes=part.stat().st_size,
            epoch=copy.epoch,
            size=copy.size,
            root=verified.root,
            streams=streams,
            head=verified.vouched or None,
            vault=None if given.vault is None else str(given.vault),
        )


def _verified(copy: Archive, data: Path, heads: HeadFolder, stage: Stage) -> Verified:
    """What is found in the copy; raises Disagrees where it does not hold.

    It is held against the heads that it reaches: the service may have signed later ones since.
    """
    try:
        vkey, key_from = known_key(None, heads, data)
        reached = [file for file in heads.files() if int(file.stem) <= copy.size]
        kept = tuple(map(str, reached)) if vkey is not None else ()
        ask = Ask(path=copy.path, sources=Sources(vkey=vkey, key_from=key_from, kept=kept))
        with stage("verifying", 100) as advance:
            verified = verify(ask, lambda done, size: advance(100 * done // (size or 1)))
    except BadCheckpoint as error:
        raise Disagrees(str(error)) from None
    if not verified.holds:
        raise Disagrees(sentence(verified.findings[0]))
    return verified


@command.pipe_may_close()
def _tell(given: argparse.Namespace, backed_up: BackedUp) -> None:
    if given.json:
        command.say(backed_up)
        return
    streams = ", ".join(f"{count} {kind}" for kind, count in sorted(backed_up.streams.items()))
    print(f"{backed_up.size} commits are copied to {given.to}; streams: {streams or 'none'}")
    print(f"the root is {backed_up.root}, computed from the copy and stored in the log")
    if backed_up.head is None:
        print("there is no signed head to hold it against")
    else:
        print(f"the signed head at position {backed_up.head} agrees")
    if backed_up.vault is None:
        print(f"{VAULT_FILE}, signing.key, heads and artifacts are not in it: see --help")
    else:
        print(f"{VAULT_FILE} is copied to {given.vault}: keep the two apart")
