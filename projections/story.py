"""The log in words: one sentence for each event, whatever the event is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from eventstore.commit import Event
from eventstore.errors import UnknownEvent
from projections.browser_story import BROWSER_SENTENCES
from projections.evaluation_story import EVALUATION_SENTENCES
from projections.events import CODEC
from projections.events.access import KeyIssued, KeyRevoked
from projections.events.artifact import ArtifactStored
from projections.events.device import DeviceRegistered, DeviceRemoved
from projections.events.request import RequestAnswered
from projections.events.session import (
    MessageAdded,
    SessionActive,
    SessionConfigured,
    SessionCreated,
    SessionDeleted,
    SessionErased,
    SessionExtended,
    SessionLabelled,
    SessionStatusChanged,
)
from projections.events.status import Kind
from projections.events.test_run import (
    ChannelPosted,
    ResultsReplaced,
    SessionResumedBy,
    TestCompleted,
    TestsMarkedMalfunctioning,
    TestsSelected,
    TestStarted,
    TestTimedOut,
)
from projections.machine_story import MACHINE_SENTENCES
from projections.telling import Known, why
from projections.wording import (
    HIDDEN,
    TEXT_CHARS_MAX,
    items,
    pairs,
    plain,
    quoted,
    seconds,
    shown,
    time_text,
)
from projections.work_story import WORK_SENTENCES, terms_words

_MS_US: Final = 1_000
FINGERPRINT_CHARS: Final = 12
_KINDS: Final[dict[Kind, str]] = {
    "test_run": "a test run",
    "browser": "a browser session",
    "evaluation": "an evaluation",
    "agent": "an agent session",
    "vm": "a machine session",
}


class Told(msgspec.Struct, frozen=True, gc=False):
    """One event in words; `known` goes into the telling of the stream's next event."""

    words: str
    reason: str
    known: Known


NOTHING: Final = Known()


def tell(event: Event, known: Known = NOTHING) -> Told:
    """What happened; an event that this version does not know is told as such."""
    name = f"{plain(event.type)} version {event.v}"
    try:
        fact = CODEC.decode(event)
    except UnknownEvent:
        return Told(f"{name}, which this version does not know: {_data(event)}", "", known)
    except (msgspec.MsgspecError, ValueError, LookupError, TypeError, RecursionError):
        return Told(f"{name} with data that do not fit it: {_data(event)}", "", known)
    sentence = SENTENCES.get(type(fact), _unworded)
    return Told(sentence(fact, known), getattr(fact, "reason", ""), _learnt(fact, known))


def _data(event: Event) -> str:
    return plain(bytes(event.data).decode(errors="replace"))


def _unworded(fact: Any, _: Known) -> str:
    return f"{fact.NAME}: {pairs(msgspec.structs.asdict(fact))}"


def _learnt(fact: Any, known: Known) -> Known:
    """`known` with the lengths and sizes that the fact says."""
    said = {
        name: value
        for name in Known.__struct_fields__
        if (value := getattr(fact, name, UNSET)) is not UNSET
    }
    return replace(known, **said) if said else known


def _created(fact: SessionCreated, _: Known) -> str:
    words = f"created as {_KINDS[fact.kind]}"
    words += f" {quoted(fact.title)}, {fact.status}" if fact.title else f", {fact.status}"
    if fact.dialect != "native":
        words += f", through {fact.dialect}"
    words += f"; at most {seconds(fact.max_duration_s)}"
    if fact.idle_timeout_s is not None:
        words += f", idle time-out {seconds(fact.idle_timeout_s)}"
    if fact.expires_at is not None:
        words += f", expires {time_text(fact.expires_at)}"
    if fact.labels:
        words += f"; labels {items(fact.labels)}"
    words += _contents(fact)
    if fact.work is not None:
        words += f"; {terms_words(fact.work)}"
    if fact.secrets:
        words += f"; sealed secrets {items(fact.secrets)}"
    return words + ("" if fact.reason == "requested" else f": {fact.reason}")


def _configured(fact: SessionConfigured, _: Known) -> str:
    title = "" if fact.title is UNSET else f"; title is now {quoted(fact.title)}"
    return "changed" + title + _contents(fact)


def _contents(fact: SessionCreated | SessionConfigured) -> str:
    words = ""
    for name, values in (("spec", fact.spec), ("metadata", fact.metadata)):
        if values:
            words += f"; {name} {pairs(values)}"
        elif values is not UNSET and isinstance(fact, SessionConfigured):
            words += f"; {name} is now empty"
    return words


def _labelled(fact: SessionLabelled, _: Known) -> str:
    return f"labels are now {items(fact.labels)}" if fact.labels else "labels were taken off"


def _status_changed(fact: SessionStatusChanged, _: Known) -> str:
    return f"went from {fact.was} to {fact.to}: {why(fact.reason, fact.detail)}"


def _active(fact: SessionActive, _: Known) -> str:
    return f"was used, last at {time_text(fact.at)}"


def _extended(fact: SessionExtended, known: Known) -> str:
    changes = []
    if fact.idle_timeout_s is not UNSET:
        was = "" if known.idle_timeout_s is UNSET else f" from {seconds(known.idle_timeout_s)}"
        changes.append(f"idle time-out changed{was} to {seconds(fact.idle_timeout_s)}")
    if fact.max_duration_s is not UNSET:
        was = "" if known.max_duration_s is UNSET else f" from {seconds(known.max_duration_s)}"
        changes.append(f"longest duration changed{was} to {seconds(fact.max_duration_s)}")
    return "; ".join(changes) or "clocks confirmed as they are"


def _deleted(fact: SessionDeleted, _: Known) -> str:
    return f"deleted: {fact.reason}"


def _erased(fact: SessionErased, _: Known) -> str:
    return f"erased, its key destroyed: {fact.reason}"


def _said(fact: MessageAdded, _: Known) -> str:
    kind = f" [{plain(fact.type, 40)}]" if fact.type else ""
    data = f"; with {pairs(fact.data)}" if fact.data else ""
    content = HIDDEN if fact.sealed else quoted(fact.content)
    return f"said ({fact.role}){kind}: {content}{data}"


def _stored(fact: ArtifactStored, _: Known) -> str:
    kind, digest = plain(fact.media_type, 80), plain(fact.sha256[:FINGERPRINT_CHARS])
    return f"artifact {quoted(fact.name)} stored: {fact.size} bytes of {kind}, {digest}"


def _answered(fact: RequestAnswered, _: Known) -> str:
    return f"answered a request that is done once, {plain(fact.fingerprint[:FINGERPRINT_CHARS])}"


def _selected(fact: TestsSelected, _: Known) -> str:
    return f"tests selected: {_tests(fact.count)}, {plain(fact.sha256[:FINGERPRINT_CHARS])}; " + (
        pairs(fact.totals) or "of no API"
    )


def _tests(count: int) -> str:
    return f"{count} test" if count == 1 else f"{count} tests"


def _test_started(fact: TestStarted, _: Known) -> str:
    return f"test {quoted(fact.path)} handed out, reports within {fact.timeout_ms} ms"


def _test_completed(fact: TestCompleted, _: Known) -> str:
    words = f"test {quoted(fact.path)} reported {fact.status}"
    if fact.message is not None:
        words += f", {quoted(fact.message)}"
    if fact.subtests is not None:
        told = Counter(map(_status_word, fact.subtests))
        words += f"; subtests {pairs(told) or 'none'}"
    return words + (f"; with {pairs(fact.extra)}" if fact.extra else "")


def _status_word(subtest: dict[str, Any]) -> str:
    status = subtest.get("status")
    return status if isinstance(status, str) else shown(status)


def _test_timed_out(fact: TestTimedOut, _: Known) -> str:
    logs = f"; its log {items(fact.logs)}" if fact.logs else ""
    return f"test {quoted(fact.path)} did not report in time{logs}"


def _malfunctioning(fact: TestsMarkedMalfunctioning, _: Known) -> str:
    return f"malfunctioning are now {items(fact.paths) or 'no tests'}"


def _replaced(fact: ResultsReplaced, _: Known) -> str:
    digest = plain(fact.sha256[:FINGERPRINT_CHARS])
    words = f"results of {quoted(fact.api)} replaced: {_tests(fact.results)}, {fact.passed} passed"
    words += f", {fact.failed} failed, {fact.timed_out} timed out, {fact.not_run} not run"
    return f"{words}; {fact.size} bytes, {digest}"


def _posted(fact: ChannelPosted, _: Known) -> str:
    return f"posted {quoted(fact.type)} to the channel: {shown(fact.data, TEXT_CHARS_MAX)}"


def _resumed_by(fact: SessionResumedBy, _: Known) -> str:
    other = "no session" if fact.token is None else f"session {quoted(fact.token, 64)}"
    return f"device was told to go on with {other}"


def _key_issued(fact: KeyIssued, _: Known) -> str:
    scopes = ", ".join(fact.scopes) or "no scopes"
    return f"key {quoted(fact.name)} issued for tenant {quoted(fact.tenant)}: {scopes}"


def _registered(fact: DeviceRegistered, _: Known) -> str:
    return f"device {quoted(fact.name, 64)} registered: {quoted(fact.user_agent)}"


SENTENCES: Final[dict[type, Callable[[Any, Known], str]]] = {
    SessionCreated: _created,
    SessionConfigured: _configured,
    SessionLabelled: _labelled,
    SessionStatusChanged: _status_changed,
    SessionActive: _active,
    SessionExtended: _extended,
    SessionDeleted: _deleted,
    SessionErased: _erased,
    MessageAdded: _said,
    ArtifactStored: _stored,
    RequestAnswered: _answered,
    TestsSelected: _selected,
    TestStarted: _test_started,
    TestCompleted: _test_completed,
    TestTimedOut: _test_timed_out,
    TestsMarkedMalfunctioning: _malfunctioning,
    ResultsReplaced: _replaced,
    ChannelPosted: _posted,
    SessionResumedBy: _resumed_by,
    **MACHINE_SENTENCES,
    **BROWSER_SENTENCES,
    **WORK_SENTENCES,
    **EVALUATION_SENTENCES,
    KeyIssued: _key_issued,
    KeyRevoked: lambda *_: "key closed for good",
    DeviceRegistered: _registered,
    DeviceRemoved: lambda fact, _: f"device removed: {fact.reason}",
}
"""Every fact of the vocabulary has its sentence here."""
