"""Files that are being opened or closed when their caller is cut off stay open for nobody."""

import contextlib
import gc
import os
from pathlib import Path
from typing import Any

import pytest

from eventstore.commit import START
from eventstore.sqlite.log import SqliteLog
from eventstore.vault import Vault
from projections.snapshots import Snapshots
from projections.views.store import Views
from tests.support.cancelling import cut_off_at
from tests.support.garbage import young
from tests.support.process import eventually

WAIT_S = 60


@pytest.fixture(autouse=True)
def cheap_collections():
    with young():
        yield


async def snapshots_in(folder):
    snapshots = Snapshots(folder, "epoch")
    await snapshots.open(START)
    return snapshots


OPENED: dict[str, Any] = {
    "log": SqliteLog.open,
    "vault": Vault.open,
    "views": lambda folder: Views.open(folder, "epoch"),
    "snapshots": snapshots_in,
}


def open_files(folder):
    """The files of the folder that this process has open."""
    # A connection that a thread was still about to make is collected; what nobody closed warns.
    gc.collect()
    found = set()
    for fd in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the listing itself is a descriptor
        with contextlib.suppress(OSError):
            found.add(Path(f"/proc/self/fd/{fd}").readlink())
    return sorted(path for path in found if path.is_relative_to(folder))


async def closed(folder):
    """Return when no file of the folder is open any more."""
    await eventually(lambda: not open_files(folder), WAIT_S, "closed files")


@pytest.mark.parametrize("what", OPENED)
async def test_whoever_is_cut_off_while_it_opens_leaves_nothing_open(what, tmp_path):
    made = []

    async def work():
        made.append(await OPENED[what](tmp_path))

    wait = 0
    while await cut_off_at(wait, work()):
        await closed(tmp_path)
        wait += 1
    assert wait > 1
    await made[0].close()
    await closed(tmp_path)


async def test_snapshots_that_are_closed_by_who_is_cut_off_are_closed(tmp_path):
    wait, more = 0, True
    while more:
        snapshots = await snapshots_in(tmp_path)
        more = await cut_off_at(wait, snapshots.close())
        del snapshots
        await closed(tmp_path)
        wait += 1
    assert wait > 2
