"""Write the golden log of today's vocabulary: python -m tests.golden.write VERSION

VERSION is a new number; what is there already is never written again. Run it when the vocabulary
is about to be released, and commit the folder; a log that was released does not change any more.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from eventstore.commit import START, Append, Position, record
from projections.events import CODEC
from projections.folds import session
from projections.subjects import fold, subject_of
from tests.golden.story import STORY, VAULT_TEXTS
from tests.support.golden import DIGESTS, FOLDER, LOG, VAULT, digest, states_of
from tests.support.trees import root_of_bodies

BEGIN_US = 1_767_225_600_000_000  # 2026-01-01
STEP_US = 61_000_001


def recorded() -> list[Any]:
    """The story as the log stores it."""
    commits: list[Any] = []
    heads: dict[str, Position] = {}
    states: dict[str, Any] = {}
    for position, (stream, who, facts) in enumerate(STORY, 1):
        state = states.get(stream)
        is_session = stream.startswith(session.PREFIX)
        wish = Append(
            stream=stream,
            expected=heads.get(stream, START),
            commit_id=position.to_bytes(16, "big"),
            events=tuple(map(CODEC.encode, facts)),
            tags=session.tags(state, facts) if is_session else (),
            **who,
        )
        at_us = BEGIN_US + position * STEP_US
        one = record(wish, Position(position), heads.get(stream, START), at_us)
        subject = subject_of(stream)
        states[stream] = fold(subject, state, one.commit) if subject is not None else None
        heads[stream] = one.commit.position
        commits.append(one)
    return commits


def main(version: int) -> None:
    """Write the folder of a new version."""
    folder = FOLDER / f"v{version}"
    folder.mkdir()  # fails where it exists
    commits = recorded()
    bodies = [one.body for one in commits]
    (folder / LOG).write_bytes(b"".join(body + b"\n" for body in bodies))
    states = {stream: digest(state) for stream, state in states_of([c.commit for c in commits])}
    digests = {"size": len(bodies), "root": root_of_bodies(bodies).hex(), "states": states}
    (folder / DIGESTS).write_text(json.dumps(digests, indent=1) + "\n")
    (folder / VAULT).write_text(json.dumps(VAULT_TEXTS, indent=1) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
