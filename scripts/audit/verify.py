"""Is the log as it was written: every commit, the tree over them, the signed heads, the indexes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from eventstore.errors import BadCheckpoint
from eventstore.heads import HeadFolder
from eventstore.sqlite.archive import log_file
from eventstore.sqlite.verifying import Ask, verify
from eventstore.testimony import Sources, known_key
from eventstore.verification import Verified
from scripts.audit import command
from scripts.audit.command import CannotRun
from scripts.audit.findings import sentence

_PERCENT: Final = 100
_KEY_FROM: Final = {
    "given": "as given; the proof is as good as the place where you keep it",
    "heads": "kept beside the heads: who can change those can change it; one kept elsewhere "
    "and given by --key proves more",
    "data": "of the data folder itself: who can change the log can sign with it; one kept "
    "elsewhere and given by --key proves more",
    "none": "no key, so no signed head was checked: who changed the log and made all hashes anew "
    "is not found",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify; 1 if something was changed."""
    made = command.parser(__doc__)
    made.add_argument("--heads", type=Path, metavar="FOLDER", help="the heads (default: DIR/heads)")
    made.add_argument("--key", metavar="VKEY|FILE", help="the public key that signs the heads")
    made.add_argument(
        "--from-head",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a head that somebody kept, as a note or as /log/head answered it; may be repeated",
    )
    made.add_argument(
        "--no-indexes",
        dest="indexes",
        action="store_false",
        help="do not hold SQLite's indexes against the rows; a third of the time",
    )
    return command.answer(arguments, made, _run)


def _run(given: argparse.Namespace) -> int:
    ask = Ask(
        path=given.data,
        sources=_sources(given),
        indexes=given.indexes,
        processes=os.cpu_count() or 1,
    )
    with command.progress("verifying", _PERCENT, quiet=given.json) as advance:
        verified = verify(ask, lambda done, size: advance(_PERCENT * done // max(1, size)))
    _tell(given, verified)
    return command.HOLDS if verified.holds else command.DOES_NOT_HOLD


@command.pipe_may_close()
def _tell(given: argparse.Namespace, verified: Verified) -> None:
    if given.json:
        command.say(verified)
    else:
        print(*_lines(verified), sep="\n")


def _sources(given: argparse.Namespace) -> Sources:
    data = log_file(given.data).parent
    folder = data / "heads" if given.heads is None else given.heads
    if given.heads is not None and not folder.is_dir():
        raise CannotRun(f"{folder} is no folder of heads")
    for kept in given.from_head:
        if not kept.is_file():
            raise CannotRun(f"{kept} is no file")
    heads = HeadFolder(folder)
    try:
        vkey, key_from = known_key(given.key, heads, data)
    except BadCheckpoint as error:
        what = "--key" if given.key else "the key beside the log or its heads"
        raise CannotRun(f"{what}: {error.args[0]}") from None
    if vkey is None and (given.from_head or heads.files()):
        raise CannotRun("there are heads, but no key to check them with: give it by --key")
    kept = tuple(map(str, given.from_head))
    return Sources(vkey=vkey, key_from=key_from, folder=str(folder), kept=kept)


def _lines(verified: Verified) -> Iterator[str]:
    yield f"{verified.file}: {'holds' if verified.holds else 'DOES NOT HOLD'}"
    yield from (f"  {sentence(finding)}" for finding in verified.findings)
    if verified.root:
        yield f"  {verified.size} commits, root {verified.root}"
    elif verified.size:
        yield f"  up to commit {verified.position} of {verified.size} it agrees with itself"
    yield f"  key: {verified.key or 'none'}"
    yield f"       {_KEY_FROM[verified.key_from]}"
    if verified.key is not None:
        yield f"  {verified.heads} heads, which vouch for it up to commit {verified.vouched}"
    if not verified.indexes:
        yield "  its indexes were left out"
    memory = verified.memory_bytes_max >> 20
    yield f"  {verified.seconds:.1f} s, {memory} MiB of memory at most"
