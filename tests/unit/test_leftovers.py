"""What a killed service left is ended with all that it still starts."""

import subprocess
import uuid

from sessions.runtimes import leftovers


def started(mark):
    """A process with that word, which it has once it says something."""
    command = ["sh", "-c", "echo; read -r _", mark]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_what_is_started_during_the_sweep_is_ended_too(monkeypatch):
    mark = uuid.uuid4().hex
    running = [started(mark)]
    look = leftovers.processes

    def looking(recognised):
        found = look(recognised)
        if len(running) == 1:
            running.append(started(mark))
        return found

    monkeypatch.setattr(leftovers, "processes", looking)
    try:
        assert leftovers.end_processes(lambda words: mark.encode() in words) == 2
        assert [process.wait(60) for process in running] == [-9, -9]
    finally:
        for process in running:
            process.kill()
            process.communicate()
