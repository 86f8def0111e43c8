"""What waits between a command and the service is bounded, in order, and sent in due pieces."""

import asyncio

import msgspec
import pytest

from sessions.runtimes.worker.claim import claim_of
from sessions.runtimes.worker.inbox import MESSAGES_MAX, Inbox
from sessions.runtimes.worker.lines import message
from sessions.runtimes.worker.outbox import BATCH_BYTES_MAX, REPORTS_MAX, ROOM, Outbox

TURNS = 20


async def fill(outbox, count, size=1):
    for number in range(count):
        await outbox.put(message(f"{number:06}" + "x" * size))


async def settled(task):
    """True if the task is done after some turns of the loop."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
    return task.done()


def numbers(batch):
    return [int(msgspec.json.decode(report)["content"][:6]) for report in batch]


async def test_reports_come_in_order_and_in_batches():
    outbox = Outbox()
    await fill(outbox, 250)
    await outbox.close()
    batches = [numbers(await outbox.take()) for _ in range(4)]
    assert [len(batch) for batch in batches] == [REPORTS_MAX, REPORTS_MAX, 50, 0]
    assert [number for batch in batches for number in batch] == list(range(250))
    assert outbox.done


async def test_a_batch_is_not_larger_than_the_service_takes_but_for_a_single_report():
    outbox = Outbox()
    await fill(outbox, 4, BATCH_BYTES_MAX // 3)
    await fill(outbox, 1, BATCH_BYTES_MAX * 2)
    assert len(await outbox.take()) == 2
    assert len(await outbox.take()) == 2
    assert len(await outbox.take()) == 1


@pytest.mark.parametrize(("count", "size"), [(ROOM + 1, 1), (6, BATCH_BYTES_MAX)])
async def test_who_puts_too_much_waits_until_some_is_taken(count, size):
    outbox = Outbox()
    filling = asyncio.create_task(fill(outbox, count, size))
    assert not await settled(filling)
    await outbox.take()
    while not await settled(filling):
        await outbox.take()


async def test_who_takes_waits_for_the_first_report_or_for_the_end():
    outbox = Outbox()
    taking = asyncio.create_task(outbox.take())
    assert not await settled(taking)
    await outbox.put(message("000001"))
    assert numbers(await taking) == [1]
    taking = asyncio.create_task(outbox.take())
    assert not await settled(taking)
    await outbox.close()
    assert await taking == []


class Reader:
    """The standard input of a command that keeps what it got."""

    def __init__(self, *, deaf=False):
        self.got = b""
        self.ended = False
        self.deaf = deaf

    async def write(self, data: bytes) -> bool:
        if self.deaf:
            await asyncio.Event().wait()
        self.got += data
        return True

    def end_input(self) -> None:
        self.ended = True


def claim(prompt, *said):
    told = {"session_id": "s", "generation": 1, "lease_s": 30, "secrets": {"A": "hidden"}}
    messages = [{"content": content} for content in said]
    return claim_of({**told, "prompt": prompt, "messages": messages, "later": [1]})


async def test_a_claim_is_read_whole_but_for_the_secrets():
    inbox, reader = Inbox("claim", claim("do it", "now")), Reader()
    await inbox.feed(reader)
    assert msgspec.json.decode(reader.got) == {
        "session_id": "s",
        "generation": 1,
        "lease_s": 30,
        "prompt": "do it",
        "messages": [{"content": "now"}],
        "later": [1],
    }
    assert reader.ended


async def test_a_prompt_is_read_whole_and_then_ends():
    inbox, reader = Inbox("prompt", claim("do it", "now")), Reader()
    await inbox.feed(reader)
    inbox.add(["too late"])
    assert (reader.got, reader.ended) == (b"do it\n\nnow\n", True)
    assert inbox.roomy


async def test_a_chat_goes_on_and_what_is_not_read_waits_elsewhere():
    inbox, reader = Inbox("chat", claim("do it", "now")), Reader()
    feeding = asyncio.create_task(inbox.feed(reader))
    assert not await settled(feeding)
    inbox.add(["a\nb", "c"])
    assert not await settled(feeding)
    assert reader.got == b'do it\nnow\n{"message":"a\\nb"}\nc\n'
    assert not reader.ended
    feeding.cancel()
    full, reader = Inbox("chat", claim("")), Reader(deaf=True)
    full.add(["x"] * MESSAGES_MAX)
    assert not full.roomy
