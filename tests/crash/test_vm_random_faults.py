"""Random faults in a row, at random moments: zero leaks.

VM_FAULTS says how many (default 20), VM_FAULTS_SEED which ones.
"""

import os
import random

import pytest

from tests.support.vm_storm import Storm

FAULTS = 20

pytestmark = pytest.mark.slow(reason="boots and breaks machines")


async def test_random_faults_in_a_row_leave_nothing(tmp_path):
    seed = int(os.environ.get("VM_FAULTS_SEED", random.randrange(1 << 32)))
    faults = int(os.environ.get("VM_FAULTS", FAULTS))
    print(f"seed {seed}")
    storm = Storm(tmp_path / "data", random.Random(seed))
    await storm.rage(faults)
    assert storm.told.total() == faults
