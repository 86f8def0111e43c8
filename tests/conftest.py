"""What all tests share: the Hypothesis profile, a log that is silent but for crashes, fixtures."""

import asyncio
import os

import pytest
import structlog
from hypothesis import settings

from tests.support.tampering import Copy, make_log

# Random on purpose: each run looks somewhere else, and a failure prints the blob that replays it.
# No deadline: a slow disk or a busy machine is not a wrong answer.
settings.register_profile("default", derandomize=False, print_blob=True, deadline=None)
settings.register_profile("quick", settings.get_profile("default"), max_examples=20)


def pytest_configure(config):
    """The fast part looks at fewer examples of each law than the whole run."""
    settings.load_profile("quick" if _is_quick(config) else "default")


def pytest_xdist_auto_num_workers(config):
    """A process more than processors for the fast part, which often waits for the disk.

    The slow part fills the processors with machines and browsers.
    """
    processors = len(os.sched_getaffinity(0))
    return processors + 1 if _is_quick(config) else processors


def _is_quick(config):
    return config.option.markexpr == "not slow"


def _only_crashes(_, __, event):
    if not event.get("exc_info"):
        raise structlog.DropEvent
    return event


_traceback = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[_only_crashes, _traceback])


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A log with signed heads."""
    folder = tmp_path_factory.mktemp("original") / "data"
    asyncio.run(make_log(folder))
    return folder


@pytest.fixture
def copy(original, tmp_path):
    """A copy of it to tamper with."""
    return Copy(original, tmp_path / "data")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One service for the tests of a module that need none of their own."""
    from tests.support.service import sharing  # most tests need no service at all

    with sharing(tmp_path_factory.mktemp("shared")) as service:
        yield service
