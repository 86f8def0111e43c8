"""Why a machine is no more, in words and in one of the reasons of the vocabulary."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.events.status import REASONS
from sessions.runtimes.exit_codes import how_it_ended
from sessions.runtimes.vm.endings import ending_of, silent_for


@pytest.mark.parametrize(
    ("code", "said", "words", "reason", "detail"),
    [
        (0, "guest-shutdown", "", "finished", "powered itself off"),
        (0, "guest-reset", "", "runtime_failed", "gave up"),
        (-9, "", "", "runtime_lost", "SIGKILL"),
        (-11, "guest-reset", "", "runtime_lost", "SIGSEGV"),
        (-15, "host-signal", "", "runtime_lost", "SIGTERM"),
        (1, "", "first\nno such device", "runtime_failed", "no such device"),
        (0, "", "", "runtime_lost", "exit code 0"),
        (0, "host-qmp-quit", "", "runtime_lost", "exit code 0"),
    ],
)
def test_the_reason_follows_from_what_qemu_said_and_how_it_ended(code, said, words, reason, detail):
    ending = ending_of(code, said, words)
    assert (ending.reason, ending.exit_code) == (reason, code)
    assert detail in ending.detail


@given(st.integers(-70, 255), st.text(max_size=20), st.text(max_size=100))
def test_there_is_an_ending_for_everything(code, said, words):
    ending = ending_of(code, said, words)
    assert ending.reason in REASONS
    assert ending.detail


def test_signals_have_their_names():
    assert how_it_ended(-signal.SIGKILL) == "killed by SIGKILL"
    assert how_it_ended(-64) == "killed by SIGRTMAX"
    assert how_it_ended(-65) == "killed by signal 65"
    assert how_it_ended(3) == "exit code 3"


def test_a_machine_that_is_silent_for_want_of_a_disk_says_so():
    assert "no longer answered" in silent_for("").detail
    ending = silent_for("No space left on device")
    assert (ending.reason, ending.exit_code) == ("runtime_lost", None)
    assert "disk of the host failed: No space left on device" in ending.detail
