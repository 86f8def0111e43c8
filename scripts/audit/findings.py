"""What a verification found, in words for a person."""

from __future__ import annotations

from typing import Final

from eventstore.verification import Finding
from projections.wording import plain

_CHARS_MAX: Final = 1000


def sentence(finding: Finding) -> str:
    """Where it is and what does not hold, in one line."""
    what = plain(finding.what, _CHARS_MAX)  # it may quote what somebody wrote into the file
    if finding.position is not None:
        return f"commit {finding.position}: {what}"
    if finding.until is not None:
        return f"after commit {finding.after} up to {finding.until}: {what}"
    return what
