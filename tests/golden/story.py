"""What the next golden log tells: every fact of the vocabulary, every field of it once at least.

Only the newest vocabulary can be written; what older ones wrote is in their golden logs. Whoever
adds a fact or a field adds it here, and runs `python -m tests.golden.write` for the next release.
"""

from __future__ import annotations

from typing import Any

from eventstore.codec import Fact
from projections.events.access import KeyIssued, KeyRevoked
from projections.events.artifact import ArtifactStored
from projections.events.catalog import CatalogEntered
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
from projections.events.vm import (
    ExecutionFinished,
    ExecutionStarted,
    VmLost,
    VmReady,
    VmRequested,
    VmResized,
    VmResumed,
    VmSnapshotted,
    VmStarted,
    VmStopped,
    VmSuspended,
)
from tests.golden.browser_story import VISIT, browser_story
from tests.golden.machine_story import machine_story
from tests.golden.work_story import work_story

DEVIN = "session/0198c0de-0000-7000-8000-000000000001"
INSTAVM = "session/0198c0de-0000-7000-8000-000000000002"
NATIVE = "session/0198c0de-0000-7000-8000-000000000003"
WAVE = "session/1b5c0de0-0000-11f1-8000-000000000001"
BROWSER = "session/0198c0de-0000-7000-8000-000000000004"
FIRST_VM = "vm/0198c0de-0000-7000-8000-000000000005"
SECOND_VM = "vm/0198c0de-0000-7000-8000-000000000006"
KEY = "key/0198c0de-0000-7000-8000-000000000007"
PRODUCT = "catalog/prod_1"
CASE = "catalog/case_1"
DEVICE = "device/1b5c0de0-0000-11f1-8000-000000000003"

# Sealed with keys that are known, so that every later vault must open them.
TOKEN = "sealed:v1:hCgiUG2fdrP2LbpG7IHfexMNqH47J+PfItVxSgIqHFeVJkxB0PPY"
USER = "sealed:v1:BR4eLsv/mmbM8SHwDjimlmb/Voz1Eed74u/jQYe4"
URL = "sealed:v1:YXo2b+QKf0MvHmxsETo29SgRS6r+XMXY+fBcCxfqOP8gNyvsU1JbZ5YcefsX4A=="
EMPTY = "sealed:v1:7q25Y8RZ/nO/yLpobWCi9rWqelkXXPS2I3zhnQ=="
WORDS = (
    "sealed:v1:Md6SS0hr/RLUG2hRt+AT7gU2IziA0392WR9M20WksIjBMth8n0mmMIsIEuj+DRNX"
    "MsyjGLVDylIyqrY6IcdT6xHFmhbYFeetKni9TR7q/w=="
)
PASSWORD = "sealed:v1:j2uGsqYE8MTYT7lU/fo4gAp1nkIr17PXZbC8k1uLLNRuTo0="
CODE = "sealed:v1:YoGhpkQI804sUf9u6gczFikbo60OBu3LJsiLi9OTPpcBYcis"
OUT = "sealed:v1:3w1aDjk2KkQAmUJbyg40sHf7fM8CIjaTzF2ER0K6"
ERR = "sealed:v1:D3VxNfD1KQmlWorSMJdIMfz4FPOQIzQlLOK+rAHVAtu8"
OPENING = (
    "sealed:v1:HPCjw9tnxa3j6jc0seng5KggaHg+3Qy4sjO5prJSl4U8vollzV7c74up5mc/"
    "/6opH+GVSplROjvsy6LjlvpR0kCf"
)
TYPED = "sealed:v1:YEb5B7BevA+oxA+Pd/mFjlmsMqC2PjDiZdOFh68ZogTHy3Mb/MHnjo1HgP1R3Iw="
JAR = "sealed:v1:PN4ezkbC7F2JO5j0/Gs1HT5TK8RIPaPUSkYIR7JeZahVG4ntx85KIMOvlnMRCVNZ1hXtl0rY"
VAULT_TEXTS: dict[str, dict[str, Any]] = {
    DEVIN: {
        "key": "e064f2cbed2e650882ed6220733135c6eebea52dcea922797d0f5f1ec7960924",
        "texts": {TOKEN: "ghp_example", USER: "me"},
    },
    INSTAVM: {
        "key": "2efb1756730cb88fd476eb1174851725471f520dc93ff7f03a70f2f1b4e4aa44",
        "texts": {
            URL: "postgres://example",
            EMPTY: "",
            CODE: "print(1)",
            OUT: "1\n",
            ERR: "slow\n",
        },
    },
    NATIVE: {
        "key": "a9e539a87702e83235bc4b3bb5b30c1e7916e3ece5f2fc4b860631f179272eaa",
        "texts": {
            WORDS: '{"content":"the code is 4711","data":{"seen":true}}',
            PASSWORD: "hunter2",
        },
    },
    VISIT: {
        "key": "0c0f1bde0d29cf55e3acd34dbf384b25b1a0304ba692aaef4f6add74e9bbef02",
        "texts": {
            OPENING: '{"headers":{"X-Key":"1"},"proxy":null}',
            TYPED: '{"value":"hunter2"}',
            JAR: '[{"name":"a","value":"b"}]',
        },
    },
}

CI: dict[str, Any] = {"actor": "key:ci", "tenant": "lab"}
TRACED: dict[str, Any] = {
    **CI,
    "correlation_id": "req-1",
    "causation": 3,
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
SERVICE: dict[str, Any] = {"actor": "service", "tenant": "lab"}

DAY_S = 86_400
STORY: tuple[tuple[str, dict[str, Any], tuple[Fact, ...]], ...] = (
    (
        DEVIN,
        CI,
        (
            SessionCreated(
                kind="agent",
                dialect="devin",
                owner="key:ci",
                status="queued",
                max_duration_s=7 * DAY_S,
                title="Fix the build",
                labels=("ci", "größe"),
                spec={
                    "prompt": "Fix the build",
                    "snapshot_id": None,
                    "unlisted": True,
                    "idempotent": None,
                    "max_acu_limit": 5,
                    "secret_ids": [],
                    "knowledge_ids": None,
                    "playbook_id": "playbook-1",
                    "structured_output_schema": {"type": "object"},
                    "session_secrets": [
                        {"key": "TOKEN", "sensitive": True},
                        {"key": "USER", "sensitive": False},
                    ],
                },
                secrets={"TOKEN": TOKEN, "USER": USER},
            ),
        ),
    ),
    (
        INSTAVM,
        CI,
        (
            SessionCreated(
                kind="vm",
                dialect="instavm",
                owner="key:ci",
                status="queued",
                max_duration_s=7 * DAY_S,
                metadata={"team": "a", "n": 1.5, "nested": {"x": [1, None, True]}},
                spec={"vm_lifetime_seconds": 300, "memory_mb": None, "vcpu_count": 2},
                secrets={"DATABASE_URL": URL, "EMPTY": EMPTY},
            ),
        ),
    ),
    (
        NATIVE,
        TRACED,
        (
            SessionCreated(
                kind="evaluation",
                dialect="native",
                owner="key:ci",
                status="pending",
                max_duration_s=DAY_S,
                idle_timeout_s=3600,
                expires_at=1_767_398_400_000_000,
                title="Nightly “run”",
                labels=("a",),
                metadata={"build": 17},
                spec={"env": {"A": TOKEN}, "text": TOKEN},
                secrets={"PASSWORD": PASSWORD},
                reason="requested",
            ),
            RequestAnswered(fingerprint="5f" * 32),
        ),
    ),
    (NATIVE, CI, (SessionConfigured(title="Weekly", metadata={"build": 18}, spec={"text": "x"}),)),
    (NATIVE, CI, (SessionLabelled(labels=("b", "c")),)),
    (NATIVE, CI, (SessionStatusChanged(was="pending", to="running", reason="requested"),)),
    (NATIVE, CI, (SessionActive(at=1_767_225_980_000_000),)),
    (NATIVE, CI, (SessionExtended(idle_timeout_s=None, max_duration_s=2 * DAY_S),)),
    (
        NATIVE,
        CI,
        (
            MessageAdded(id="m-1", role="user", content="hello\nthere", type="text", data={"k": 1}),
            MessageAdded(id="m-2", role="agent", content="", sealed=WORDS),
        ),
    ),
    (
        NATIVE,
        CI,
        (ArtifactStored(name="report.html", sha256="3c" * 32, size=1234, media_type="text/html"),),
    ),
    (
        NATIVE,
        CI,
        (
            SessionStatusChanged(
                was="running", to="failed", reason="client_error", detail="no DISPLAY"
            ),
            SessionDeleted(reason="deleted"),
        ),
    ),
    (NATIVE, SERVICE, (SessionErased(reason="limit_reached"),)),
    (
        BROWSER,
        CI,
        (
            SessionCreated(
                kind="browser",
                dialect="notte",
                owner="key:ci",
                status="completed",
                max_duration_s=900,
                spec={"headless": True},
                reason="finished",
            ),
        ),
    ),
    (
        WAVE,
        CI,
        (
            SessionCreated(
                kind="test_run",
                dialect="wave",
                owner="wave",
                status="pending",
                max_duration_s=7 * DAY_S,
                spec={"tests": {"include": ["/"], "exclude": []}},
            ),
        ),
    ),
    (
        WAVE,
        CI,
        (
            TestsSelected(sha256="7d" * 32, count=3, totals={"dom": 2, "größe": 1}),
            SessionStatusChanged(was="pending", to="running", reason="requested"),
        ),
    ),
    (WAVE, CI, (TestStarted(path="/dom/a.html", timeout_ms=60_000),)),
    (WAVE, CI, (TestStarted(path="/dom/b.html", timeout_ms=0.5),)),
    (
        WAVE,
        CI,
        (
            TestCompleted(
                path="/dom/a.html",
                status="OK",
                message="“done”",
                subtests=({"name": "one", "status": "PASS", "message": None}, {}),
                extra={"meta": {"took": 1.5}},
            ),
        ),
    ),
    (WAVE, SERVICE, (TestTimedOut(path="/dom/b.html", logs=("began", "hung")),)),
    (WAVE, CI, (TestsMarkedMalfunctioning(paths=("/dom/b.html",)),)),
    (
        WAVE,
        CI,
        (
            ResultsReplaced(
                api="dom",
                sha256="8e" * 32,
                size=99,
                results=2,
                passed=3,
                failed=1,
                timed_out=4,
                not_run=5,
            ),
        ),
    ),
    (WAVE, CI, (ChannelPosted(type="playback", data={"at": [1, None]}),)),
    (WAVE, CI, (SessionResumedBy(token="1b5c0de0-0000-11f1-8000-000000000002"),)),
    (
        FIRST_VM,
        SERVICE,
        (
            VmRequested(
                session=INSTAVM.removeprefix("session/"),
                vcpu_count=2,
                memory_mb=512,
                lifetime_s=300,
                snapshot="base",
                generation=2,
            ),
        ),
    ),
    (FIRST_VM, SERVICE, (VmStarted(acceleration="kvm"), VmReady(boot_ms=812))),
    (FIRST_VM, SERVICE, (ExecutionStarted(id="x-1", language="python"),)),
    (
        FIRST_VM,
        SERVICE,
        (ExecutionFinished(id="x-1", exit_code=None, duration_ms=5, reason="runtime_failed"),),
    ),
    (FIRST_VM, SERVICE, (VmResized(memory_mb=1024), VmSnapshotted(snapshot="after"))),
    (FIRST_VM, SERVICE, (VmSuspended(reason="idle_timeout"),)),
    (FIRST_VM, SERVICE, (VmResumed(), VmStopped(reason="finished", exit_code=0))),
    (
        SECOND_VM,
        SERVICE,
        (VmRequested(session="s", vcpu_count=1, memory_mb=128, lifetime_s=60), VmStarted()),
    ),
    (SECOND_VM, SERVICE, (VmLost(reason="runtime_lost", detail="the process is gone"),)),
    *machine_story(INSTAVM, CI, SERVICE, (CODE, OUT, ERR)),
    (
        KEY,
        SERVICE,
        (
            KeyIssued(
                name="ci",
                digest="9a" * 32,
                prefix="sdk_",
                tenant="lab",
                scopes=("sessions:read", "sessions:write"),
            ),
        ),
    ),
    (KEY, SERVICE, (KeyRevoked(),)),
    (PRODUCT, CI, (CatalogEntered(type="product"),)),
    (CASE, CI, (CatalogEntered(type="test_case", parent="prod_1", data={"name": "one"}),)),
    (DEVICE, CI, (DeviceRegistered(user_agent="Größe/1.0", name="Other 0"),)),
    (DEVICE, CI, (ChannelPosted(type="start_session", data={"session_token": "t"}),)),
    (DEVICE, SERVICE, (DeviceRemoved(reason="idle_timeout"),)),
    *browser_story(CI, SERVICE, (OPENING, TYPED, JAR)),
    *work_story(CI, SERVICE),
)
