"""Every fact has its sentence; what strangers wrote reaches no terminal as it is."""

import msgspec
import pytest

from eventstore.commit import Event
from projections.events import CODEC, VOCABULARY
from projections.events.access import KeyIssued, KeyRevoked
from projections.events.catalog import CatalogEntered
from projections.events.device import DeviceRegistered, DeviceRemoved
from projections.events.session import (
    MessageAdded,
    SessionConfigured,
    SessionCreated,
    SessionDeleted,
    SessionErased,
    SessionExtended,
    SessionLabelled,
    SessionStatusChanged,
)
from projections.events.status import ENDED, KINDS, REASONS, STATUSES
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
from projections.events.vm import ExecutionFinished, VmReady, VmRequested, VmResized, VmStopped
from projections.story import SENTENCES, tell
from projections.wording import (
    DEPTH_MAX,
    HIDDEN,
    duration,
    open_only,
    plain,
    quoted,
    seconds,
    shown,
    time_text,
)
from scripts.audit.command import json_line
from sessions.domain import explanation, why

SEALED = "sealed:v1:YWJjZGVmZ2hpamtsbW5vcA=="
CREATED = SessionCreated(
    kind="agent", dialect="native", owner="key:ci", status="pending", max_duration_s=604_800
)


def words(*facts):
    """The last of these facts of one stream in words."""
    told = tell(CODEC.encode(facts[0]))
    for fact in facts[1:]:
        told = tell(CODEC.encode(fact), told.known)
    return told.words


def event(name, data, v=1):
    return Event(name, v, msgspec.Raw(msgspec.json.encode(data)))


def test_every_fact_of_the_vocabulary_has_a_sentence():
    assert set(SENTENCES) == set(VOCABULARY)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ([CREATED], "created as an agent session, pending; at most 7 d"),
        (
            [
                msgspec.structs.replace(
                    CREATED,
                    title="Fix the build",
                    dialect="devin",
                    idle_timeout_s=300,
                    expires_at=1_700_000_000_000_000,
                    labels=("ci",),
                    spec={"prompt": "go", "n": 1},
                    secrets={"TOKEN": SEALED},
                )
            ],
            (
                'created as an agent session "Fix the build", pending, through devin; at most 7 d, '
                'idle time-out 300 s, expires 2023-11-14T22:13:20.000000Z; labels "ci"; '
                'spec prompt="go", n=1; sealed secrets "TOKEN"'
            ),
        ),
        (
            [SessionStatusChanged(was="running", to="paused", reason="requested")],
            "went from running to paused: requested",
        ),
        (
            [SessionStatusChanged(was="running", to="failed", reason="client_error", detail="No.")],
            'went from running to failed: client_error, "No."',
        ),
        (
            [
                msgspec.structs.replace(CREATED, idle_timeout_s=300),
                SessionExtended(idle_timeout_s=600),
            ],
            "idle time-out changed from 300 s to 600 s",
        ),
        (
            [CREATED, SessionExtended(idle_timeout_s=60, max_duration_s=5400)],
            (
                "idle time-out changed from none to 60 s; "
                "longest duration changed from 7 d to 1 h 30 min"
            ),
        ),
        ([SessionExtended(max_duration_s=900)], "longest duration changed to 15 min"),
        ([SessionConfigured(title="b")], 'changed; title is now "b"'),
        ([SessionConfigured(spec={})], "changed; spec is now empty"),
        ([SessionLabelled()], "labels were taken off"),
        ([SessionDeleted(reason="deleted")], "deleted: deleted"),
        ([SessionErased()], "erased, its key destroyed: requested"),
        ([MessageAdded(id="1", role="user", content="Hi.")], 'said (user): "Hi."'),
        ([MessageAdded(id="1", role="agent", content="", sealed=SEALED)], "said (agent): (sealed)"),
        (
            [VmRequested(session="s-1", vcpu_count=2, memory_mb=512, lifetime_s=60)],
            "machine requested for session s-1: 2 CPU, 512 MB, at most 60 s",
        ),
        (
            [
                VmRequested(session="s-1", vcpu_count=2, memory_mb=512, lifetime_s=60),
                VmResized(memory_mb=1024),
            ],
            "machine's memory changed from 512 MB to 1024 MB",
        ),
        ([VmReady(boot_ms=340)], "machine ready after 340 ms"),
        (
            [VmStopped(reason="requested", exit_code=1)],
            "machine stopped with exit code 1: requested",
        ),
        (
            [ExecutionFinished(id="e", exit_code=None, duration_ms=1500, reason="limit_reached")],
            'execution "e" was cut off after 1.5 s: limit_reached',
        ),
        (
            [KeyIssued(name="ci", digest="00", prefix="sdk_", tenant="lab", scopes=("admin",))],
            'key "ci" issued for tenant "lab": admin',
        ),
        ([KeyRevoked()], "key closed for good"),
        ([CatalogEntered(type="version", data={"name": "a"})], 'entered as "version": name="a"'),
        (
            [DeviceRegistered(user_agent="UA/1", name="Chrome 81")],
            'device "Chrome 81" registered: "UA/1"',
        ),
        (
            [TestsSelected(sha256="ab" * 32, count=3, totals={"dom": 2, "css": 1})],
            "tests selected: 3 tests, abababababab; dom=2, css=1",
        ),
        (
            [TestsSelected(sha256="ab" * 32, count=0)],
            "tests selected: 0 tests, abababababab; of no API",
        ),
        (
            [TestStarted(path="/dom/a.html", timeout_ms=60_000)],
            'test "/dom/a.html" handed out, reports within 60000 ms',
        ),
        ([TestCompleted(path="/a", status="OK")], 'test "/a" reported OK'),
        (
            [
                TestCompleted(
                    path="/a",
                    status="ERROR",
                    message="no\n",
                    subtests=({"status": "PASS"}, {"status": "PASS"}, {"status": 7}, {}),
                    extra={"meta": 1},
                )
            ],
            'test "/a" reported ERROR, "no\\n"; subtests PASS=2, 7=1, null=1; with meta=1',
        ),
        (
            [TestCompleted(path="/a", status="OK", subtests=())],
            'test "/a" reported OK; subtests none',
        ),
        ([TestTimedOut(path="/a")], 'test "/a" did not report in time'),
        (
            [TestTimedOut(path="/a", logs=("x",))],
            'test "/a" did not report in time; its log "x"',
        ),
        (
            [TestsMarkedMalfunctioning(paths=("/a", "/b"))],
            'malfunctioning are now "/a", "/b"',
        ),
        ([TestsMarkedMalfunctioning()], "malfunctioning are now no tests"),
        (
            [ResultsReplaced(api="dom", sha256="cd" * 32, size=9, results=1, passed=2)],
            (
                'results of "dom" replaced: 1 test, 2 passed, 0 failed, 0 timed out, 0 not run; '
                "9 bytes, cdcdcdcdcdcd"
            ),
        ),
        (
            [ChannelPosted(type="playback", data={"at": 1})],
            'posted "playback" to the channel: {"at":1}',
        ),
        ([SessionResumedBy(token="x")], 'device was told to go on with session "x"'),
        ([SessionResumedBy()], "device was told to go on with no session"),
        ([DeviceRemoved(reason="idle_timeout")], "device removed: idle_timeout"),
    ],
)
def test_a_fact_is_told_in_these_words(facts, said):
    assert words(*facts) == said


def test_what_a_newer_version_wrote_is_told_as_such():
    told = tell(event("session.teleported", {"to": "mars"}))
    assert told.words == (
        'session.teleported version 1, which this version does not know: {"to":"mars"}'
    )
    newer = tell(event("session.deleted", {"reason": "boredom"}, v=99))
    assert newer.words.startswith("session.deleted version 99, which this version does not know")
    broken = tell(event("session.deleted", {"reason": "boredom"}))
    assert (
        broken.words
        == 'session.deleted version 1 with data that do not fit it: {"reason":"boredom"}'
    )


HOSTILE = [
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[31mred",
    "a\r\nforged line",
    "\x9b31m",
    "\u202etxt.exe",
    "\u2028\u2029\x00\x7f\ufeff",
    "tab\there",
    'quote" by admin: "',
    "back\\slash",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_control_character_reaches_the_terminal(text):
    said = MessageAdded(id=text, role="user", content=text, type=text, data={text: [text]})
    made = msgspec.structs.replace(
        CREATED, title=text, labels=(text,), metadata={text: {text: text}}, spec={text: text}
    )
    moved = SessionStatusChanged(was="running", to="failed", reason="requested", detail=text)
    for fact in (said, made, moved, CatalogEntered(type=text, parent=text, data={text: text})):
        assert words(fact).isprintable()
    assert tell(event(text, {text: text})).words.isprintable()
    assert plain(text).isprintable()
    line = json_line({"words": text, text: text})
    assert line[:-1].isprintable()
    assert line[-1] == "\n"
    assert msgspec.json.decode(line) == {"words": text, text: text}


def test_quotes_cannot_be_closed_from_inside():
    assert quoted('a" b: "c\\') == '"a\\" b: \\"c\\\\"'


def test_a_character_outside_the_first_plane_survives_json():
    assert msgspec.json.decode(json_line("\U000e0001")) == "\U000e0001"


def test_what_is_sealed_is_never_shown():
    assert quoted(SEALED) == HIDDEN
    assert plain(f"a {SEALED} b") == "a (sealed) b"
    assert plain("sealed:v2:AAAA") == HIDDEN
    made = msgspec.structs.replace(CREATED, spec={"env": {"K": SEALED}}, metadata={"k": [SEALED]})
    for fact in (made, MessageAdded(id="1", role="user", content="x" * 110 + SEALED)):
        assert "YWJj" not in words(fact)
    assert open_only({"a": [SEALED, 1], SEALED: None}) == {"a": [HIDDEN, 1], HIDDEN: None}


def test_long_text_is_cut_and_long_lists_are_counted():
    assert plain("x" * 500) == "x" * 119 + "…"
    labelled = SessionLabelled(labels=tuple(f"l{n}" for n in range(64)))
    assert words(labelled).endswith('"l7", and 56 more')
    wide = msgspec.structs.replace(CREATED, spec={f"k{n}": "y" * 999 for n in range(500)})
    assert words(wide).endswith(", and 492 more")
    assert len(words(wide)) < 1000


def test_a_value_nested_deeper_than_any_that_is_taken_is_cut():
    value: object = "x"
    for _ in range(DEPTH_MAX + 5):
        value = [value]
    assert "…" in str(open_only(value))
    assert shown(value, 1000).count("[") == DEPTH_MAX


@pytest.mark.parametrize(
    ("us", "said"),
    [
        (0, "0 s"),
        (7, "0.007 ms"),
        (340_000, "340 ms"),
        (999_900, "1 s"),
        (3_249_000, "3.2 s"),
        (59_999_999, "59.9 s"),
        (60_000_000, "1 min"),
        (7_800_000_000, "2 h 10 min"),
        (90_061_000_000, "1 d 1 h"),
        (-3_200_000, "-3.2 s"),
    ],
)
def test_durations_are_said_as_people_say_them(us, said):
    assert duration(us) == said


def test_lengths_that_were_set_are_exact():
    assert [seconds(n) for n in (None, 0, 600, 601, 86_400, 86_461, -700)] == [
        *("none", "0 s", "600 s", "10 min 1 s", "1 d", "1 d 1 min 1 s", "-11 min 40 s")
    ]


def test_times_are_exact_and_total():
    assert time_text(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"
    assert time_text(10**30) == f"{10**30} us"


def test_the_answer_to_why_has_words_for_every_status_and_reason():
    assert set(explanation.REASONS_SAID) == set(REASONS)
    assert set(why.AWAITED) == set(STATUSES)
    assert set(explanation.WAITS) == set(why.AWAITED.values())
    assert set(explanation._MOVED) == ENDED
    created = {words(msgspec.structs.replace(CREATED, kind=kind)) for kind in KINDS}
    assert len(created) == len(KINDS)
