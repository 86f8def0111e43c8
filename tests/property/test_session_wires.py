"""Notte, Devin and InstaVM: whatever is sent or shown, the wire keeps what it must (law 6)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.commit import Position
from projections.events.status import ENDED, REASONS, STATUSES, Status
from projections.folds.session import Session
from projections.folds.vm import VM_ENDED, VM_STATUSES, Vm
from sessions.dialects.devin import wire as devin
from sessions.dialects.devin import wire_create as devin_create
from sessions.dialects.devin.ids import devin_id, native_id
from sessions.dialects.devin.v3 import wire as devin_v3
from sessions.dialects.devin.v3 import wire_create as devin_v3_create
from sessions.dialects.instavm import wire as instavm
from sessions.dialects.notte import wire as notte
from sessions.dialects.notte import wire_early, wire_sessions, wire_start
from sessions.domain.commands import CreateSession
from sessions.domain.decide import decide
from sessions.failure import Failure
from tests.support.facts import json_objects, json_values

AT_US = st.integers(0, 1 << 52)
PENDING_LIKE = frozenset({"pending", "queued", "starting"})

specs = st.dictionaries(
    st.sampled_from(["prompt", "snapshot_id", "playbook_id", "env", "vcpu_count", "browser_type"]),
    json_values,
)
sessions = st.builds(
    Session,
    id=st.uuids().map(str),
    kind=st.just("agent"),
    dialect=st.just("native"),
    tenant=st.just("lab"),
    owner=st.text(max_size=5),
    status=st.sampled_from(STATUSES),
    reason=st.sampled_from(REASONS),
    actor=st.text(max_size=5),
    created=st.just(Position(1)),
    position=st.just(Position(2)),
    status_position=st.just(Position(2)),
    created_at=AT_US,
    updated_at=AT_US,
    active_at=AT_US,
    ended_at=st.none() | AT_US,
    max_duration_s=st.integers(1, 1 << 30),
    idle_timeout_s=st.none() | st.integers(1, 1 << 30),
    title=st.text(max_size=5),
    detail=st.text(max_size=5),
    labels=st.lists(st.text(max_size=3), max_size=3).map(tuple),
    metadata=json_objects,
    spec=specs,
)
vms = st.builds(
    Vm,
    id=st.text(min_size=1, max_size=5),
    session=st.just("s"),
    tenant=st.just("lab"),
    status=st.sampled_from(VM_STATUSES),
    reason=st.sampled_from(REASONS),
    created=st.just(Position(3)),
    position=st.just(Position(4)),
    created_at=AT_US,
    updated_at=AT_US,
    started_at=st.none() | AT_US,
    vcpu_count=st.just(2),
    memory_mb=st.just(512),
    lifetime_s=st.integers(20, 86_400),
)


def json_of(view: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(view))


@given(st.uuids())
def test_a_devin_id_is_the_uuid_there_and_back(id_: UUID) -> None:
    text = devin_id(str(id_))
    assert text == f"devin-{id_.hex}"
    assert native_id(text) == native_id(id_.hex) == str(id_)


@given(st.text() | st.text("0123456789abcdefABCDEF-", min_size=30, max_size=40))
def test_what_is_no_devin_id_is_none(text: str) -> None:
    found = native_id(text)
    assert found is None or devin_id(found).removeprefix("devin-") == text.removeprefix("devin-")


@given(sessions, AT_US)
def test_notte_keeps_identity_and_end(state: Session, now_us: int) -> None:
    view = json_of(notte.session_response(state, now_us))
    assert view["session_id"] == state.id
    assert (view["status"] != "active") == state.ended
    assert (json_of(wire_sessions.readiness(state))["status"] != "active") == state.ended
    assert view["status"] != "error" or view["error"]
    assert (view["close_reason"] is not None) == state.ended
    assert view["timeout_minutes"] >= 1
    assert not view["duration"].startswith("PT-")
    assert "detail" not in view


@given(sessions)
def test_devin_keeps_identity_and_end(state: Session) -> None:
    view = json_of(devin.session_view(state, "http://lab", devin.initial_message(state)))
    assert native_id(view["session_id"]) == state.id
    assert native_id(view["url"].rsplit("/", 1)[1]) == state.id
    assert (view["status"] == "exit") == state.ended
    assert (view["status_enum"] in ("finished", "expired")) == state.ended
    assert view["title"]
    assert view["tags"] == list(state.labels)


@given(sessions)
def test_devin_v3_keeps_identity_and_end(state: Session) -> None:
    view = json_of(devin_v3.session_view(state, "http://lab"))
    assert native_id(view["session_id"]) == state.id
    assert view["org_id"] == f"org-{state.tenant}"
    assert (view["status"] in ("exit", "error")) == state.ended
    assert view["status"] != "suspended" or view["status_detail"]
    assert view["title"]
    assert view["tags"] == list(state.labels)
    assert view["created_at"] == state.created_at // 1_000_000


@given(sessions, st.none() | vms, AT_US)
def test_instavm_keeps_identity_and_lives_only_by_its_vm(
    state: Session, vm: Vm | None, now_us: int
) -> None:
    view = json_of(instavm.session_status(state, vm, now_us))
    assert view["session_id"] == json_of(instavm.session_info(state))["session_id"] == state.id
    assert view["exists"]
    assert (view["vm_status"] == "active") == view["vm_alive"]
    assert view["vm_alive"] == (vm is not None and vm.status == "running")
    if vm is not None:
        assert (view["vm_status"] == "killed") == (vm.status in VM_ENDED)
    else:
        assert view["vm_status"] == ("killed" if state.ended else None)


@pytest.mark.parametrize("shown", [notte.STATUS, devin.STATUS, devin_v3.STATUS])
def test_the_map_is_total_and_mixes_no_ended_status_with_another(
    shown: dict[Status, Any],
) -> None:
    assert shown.keys() == set(STATUSES)
    ended = {shown[status] for status in ENDED}
    assert ended.isdisjoint(shown[status] for status in STATUSES if status not in ENDED)


def test_every_reason_has_a_close_reason() -> None:
    assert notte.CLOSE_REASON.keys() == set(REASONS)


def notte_early_command(body: Any) -> CreateSession:
    return wire_early.to_command(wire_early.start(body, {}), "me")


def notte_command(body: Any) -> CreateSession:
    return wire_start.to_command(wire_start.start(body), "me")


def devin_command(body: Any) -> CreateSession:
    asked = devin_create.create_session(body)
    return devin_create.to_command(
        asked, "me", dict.fromkeys(devin_create.secrets(asked), "sealed")
    )


def devin_v3_command(body: Any) -> CreateSession:
    asked = devin_v3_create.create_session(body)
    return devin_create.to_command(
        asked, "me", dict.fromkeys(devin_create.secrets(asked), "sealed")
    )


def instavm_command(body: Any) -> CreateSession:
    asked = instavm.create_session(body)
    return instavm.to_command(asked, "me", dict.fromkeys(asked.env or {}, "sealed"))


NAMES: dict[Callable[[Any], CreateSession], str] = {
    notte_early_command: "session_id keep_alive screenshot session_timeout_minutes session_timeout",
    notte_command: (
        "idle_timeout_minutes timeout_minutes max_duration_minutes proxies browser_type user_agent"
        " viewport_width viewport_height aspect_ratio extra_http_headers auth_ids cdp_url profile"
    ),
    devin_command: (
        "prompt snapshot_id unlisted idempotent max_acu_limit secret_ids knowledge_ids tags title"
        " playbook_id session_secrets structured_output_schema"
    ),
    devin_v3_command: (
        "prompt advanced_mode devin_mode attachment_urls bypass_approval child_playbook_id repos"
        " create_as_user_id knowledge_ids max_acu_limit playbook_id secret_ids session_links"
        " session_secrets structured_output_schema tags title"
    ),
    instavm_command: "api_key vm_lifetime_seconds memory_mb vcpu_count metadata env",
}


@pytest.mark.parametrize("command_of", NAMES)
@given(st.data())
def test_any_json_is_a_session_or_one_refusal(
    command_of: Callable[[Any], CreateSession], data: st.DataObject
) -> None:
    names = st.sampled_from(NAMES[command_of].split())
    bodies = st.dictionaries(names, json_values, max_size=4) | json_values
    body = data.draw(bodies)
    if isinstance(body, dict) and command_of in (
        devin_command,
        devin_v3_command,
        instavm_command,
    ):
        body = {"prompt": "do it", "api_key": "k", **body}
    try:
        command = command_of(body)
    except Failure as failure:
        if failure.status not in (400, 422) or not failure.fields:
            pytest.fail(f"{failure.status} {failure.fields}")
        return
    # The domain has nothing left to refuse.
    (fact,) = decide(command, None, 0)
    assert getattr(fact, "status", None) in ("pending", "queued")


@given(st.text())
def test_a_title_of_a_prompt_is_short_and_never_empty(prompt: str) -> None:
    title = devin.title_of(prompt)
    assert 0 < len(title) <= devin.TITLE_CHARS
    assert "\n" not in title


texts = st.text(max_size=3)


@given(*[st.tuples(texts, texts, st.none() | texts, st.none() | texts)] * 2)
def test_a_claim_is_for_the_same_owner_prompt_snapshot_and_playbook(
    one: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    def name(owner: str, prompt: str, snapshot: str | None, playbook: str | None) -> str:
        body = devin_create.CreateSession(prompt=prompt, snapshot_id=snapshot, playbook_id=playbook)
        return devin_create.claim_name(owner, body)

    assert (name(*one) == name(*other)) == (one == other)
