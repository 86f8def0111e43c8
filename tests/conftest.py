"""What all tests share: the Hypothesis profile, and a log that is silent but for crashes."""

import structlog
from hypothesis import settings

# Random on purpose: each run looks somewhere else, and a failure prints the blob that replays it.
# No deadline: a slow disk or a busy machine is not a wrong answer.
settings.register_profile("default", derandomize=False, print_blob=True, deadline=None)
settings.load_profile("default")


def _only_crashes(_, __, event):
    if not event.get("exc_info"):
        raise structlog.DropEvent
    return event


_traceback = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[_only_crashes, _traceback])
