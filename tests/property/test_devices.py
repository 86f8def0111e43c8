"""Whatever comes in whatever order, who is there is who was heard of in the last minute."""

import asyncio
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.memory import MemoryLog
from projections.subjects import DEVICE, fold
from sessions import devices
from sessions.caller import Caller
from sessions.dialects.wave.wire_devices import channel_events
from tests.support.logs import Clock

MOST = 3
TENANTS = ("default", "lab")
CALLERS = {
    tenant: Caller(actor="wave", tenant=tenant, scopes=("sessions:read", "sessions:write"))
    for tenant in TENANTS
}
ADMIN = Caller(actor="admin", tenant="default", scopes=("admin",))

tenants = st.sampled_from(("default", *TENANTS))
numbers = st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("register"), tenants, st.just(0)),
    st.tuples(st.just("refresh"), tenants, numbers),
    st.tuples(st.just("say"), tenants, numbers),
    st.tuples(st.just("wait"), tenants, st.sampled_from((1, 20, 40, 60))),
    st.tuples(st.just("sweep"), tenants, st.just(0)),
    st.tuples(st.just("restart"), tenants, st.just(0)),
)


class Model:
    """By tenant and token when a device was last heard of, in the order of that; the slow way."""

    def __init__(self):
        self.heard = {}
        self.tenant = {}

    def there(self, now, tenant=None):
        return {
            token
            for token, at in self.heard.items()
            if now - at < devices.GONE_AFTER_US and tenant in (None, self.tenant[token])
        }

    def hear(self, token, now):
        self.heard.pop(token, None)
        self.heard[token] = now


def described(seen):
    return seen.device.id


async def logged(log):
    """The devices that the log says are there, and what was announced of each."""
    states: dict[str, Any] = {}
    announced: dict[str, Any] = {}
    for commit in await log.commits(0, 10_000):
        if commit.stream.startswith("device/"):
            states[commit.stream] = fold(DEVICE, states.get(commit.stream), commit)
        else:
            for type, token in channel_events(commit):
                announced.setdefault(token, []).append((commit.tenant, type))
    return [state for state in states.values() if state.removed_at is None], announced


async def play(taken):
    clock = Clock()
    log, model = MemoryLog(clock), Model()
    real = devices.Devices(log, [], clock, described)
    for number, (what, tenant, value) in enumerate(taken):
        who, now = CALLERS[tenant], clock.now_us
        known = list(model.tenant)
        token = known[value % len(known)] if known else "nobody"
        match what:
            case "register":
                of_tenant = [one for one in model.heard if model.tenant[one] == tenant]
                for oldest in of_tenant[: len(of_tenant) + 1 - MOST]:
                    del model.heard[oldest]
                model.tenant[f"t{number}"] = tenant
                model.hear(f"t{number}", now)
                await real.register(f"t{number}", "agent", "Other 0", who)
            case "refresh":
                if token in model.there(now, tenant):
                    model.hear(token, now)
                real.refresh(token, who)
            case "say":
                size = log.size
                await real.say(token, "type", None, who)
                assert (log.size > size) == (token in model.there(now, tenant))
            case "wait":
                clock.now_us += value * 1_000_000
            case "sweep":
                await real.sweep()
                there = model.there(now)
                model.heard = {one: at for one, at in model.heard.items() if one in there}
            case _:  # a restart
                kept, _ = await logged(log)
                real = devices.Devices(log, kept, clock, described)
                for device in kept:
                    model.hear(device.id, now)
        now = clock.now_us
        for asking in (*CALLERS.values(), ADMIN):
            listed = [seen.device.id for seen in real.list(asking)]
            assert set(listed) == model.there(now, None if asking.admin else asking.tenant)
            assert listed == [one for one in model.tenant if one in listed]
    kept, announced = await logged(log)
    assert {device.id for device in kept} == set(model.heard)
    for token, tenant in model.tenant.items():
        removed = [] if token in model.heard else [(tenant, "device_removed")]
        assert announced[token] == [(tenant, "device_added"), *removed]


@settings(max_examples=300)
@given(st.lists(steps, min_size=5, max_size=30))
def test_who_is_there_is_who_was_heard_of(taken):
    with mock.patch.object(devices, "DEVICES_MAX", MOST):
        asyncio.run(play(taken))
