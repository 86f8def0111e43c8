"""Whatever body comes in, a bad one is refused with a reason and is no fault of the service."""

import gzip
import io
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions.web.bodies import DEPTH_MAX
from tests.support.facts import json_values
from tests.support.service import (
    API,
    PROBLEM,
    SESSIONS,
    ask,
    create,
    refused,
    start,
)

JSON = {"Content-Type": "application/json"}


async def ways_in(client):
    """Every place that takes a body, with one that it accepts."""
    path = f"{SESSIONS}/{(await create(client))['id']}"
    return [
        ("POST", SESSIONS, {"kind": "vm"}),
        ("PATCH", path, {"title": "t"}),
        ("POST", f"{path}/transitions", {"to": "running"}),
        ("POST", f"{path}/extend", {"max_duration_s": 600}),
        ("POST", f"{path}/messages", {"content": "c"}),
        ("POST", f"{API}/keys", {"name": "n"}),
    ]


def nested(levels, inner=b"1"):
    return b"[" * levels + inner + b"]" * levels


NOT_JSON = {
    "empty": b"",
    "space": b"  ",
    "word": b"hello",
    "cut off": b'{"title":',
    "unclosed": b'{"title": "x"',
    "trailing": b'{"title": "x"} {}',
    "trailing comma": b'{"title": "x",}',
    "single quotes": b"{'title': 'x'}",
    "comment": b'{"title": "x" /* */}',
    "NaN": b'{"title": NaN}',
    "Infinity": b'{"title": -Infinity}',
    "plus": b'{"title": +1}',
    "leading zero": b'{"title": 01}',
    "raw NUL": b'{"title": "a\x00b"}',
    "raw newline": b'{"title": "a\nb"}',
    "lone surrogate": rb'{"title": "\ud800"}',
    "surrogates the wrong way round": rb'{"title": "\udc00\ud800"}',
    "lone surrogate in a name": rb'{"\ud800": "x"}',
    "bad escape": rb'{"title": "\x41"}',
    "latin-1": b'{"title": "\xfc"}',
    "overlong UTF-8": b'{"title": "\xc0\x80"}',
    "encoded surrogate": b'{"title": "\xed\xa0\x80"}',
    "UTF-16": '{"title": "x"}'.encode("utf-16"),
    "BOM": b'\xef\xbb\xbf{"title": "x"}',
    "deep in a field nobody knows": b'{"x":' + nested(65) + b"}",
    "very deep": nested(100_000),
    "deep and open": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "form": b"title=x",
}


async def test_what_is_not_json_is_refused(client, subtests):
    for method, path, _ in await ways_in(client):
        for name, body in NOT_JSON.items():
            with subtests.test(method=method, path=path, name=name):
                async with client.request(method, path, data=body, headers=JSON) as answer:
                    problem = await answer.json(content_type=PROBLEM)
                    # A name or a type may be seen to be wrong before the fault in the JSON is.
                    assert answer.status in (400, 422), problem
                    codes = ("malformed_json", "too_deep", "invalid_body")
                    assert problem["code"] in codes
                    assert answer.status == (422 if problem["code"] == "invalid_body" else 400)


async def test_json_that_is_no_object_is_refused(client, subtests):
    for method, path, _ in await ways_in(client):
        for body in (b"[]", b"[{}]", b'"x"', b"1", b"null", b"true", b'[["title", "x"]]'):
            with subtests.test(method=method, path=path, body=body):
                await refused(client, method, path, 422, "invalid_body", data=body, headers=JSON)


WRONG: dict[str, list[object]] = {
    "text": [None, 1, 1.5, True, [], {}, ["x"]],
    "word": [None, 1, True, [], {}, "", "nobody-knows-this", "Running", "running "],
    "texts": [None, 1, "x", {}, [1], [None], [["x"]], {"0": "x"}],
    "object": [None, 1, "x", [], [["a", 1]], True],
    "seconds": ["1", 1.5, True, [], {}, "P1D"],
}
FIELDS = {
    SESSIONS: {
        "kind": "word",
        "status": "word",
        "title": "text",
        "labels": "texts",
        "metadata": "object",
        "spec": "object",
        "idle_timeout_s": "seconds",
        "max_duration_s": "seconds",
    },
    "": {"title": "text", "labels": "texts", "metadata": "object", "spec": "object"},
    "/transitions": {"to": "word", "reason": "word", "detail": "text"},
    "/extend": {"idle_timeout_s": "seconds", "max_duration_s": "seconds"},
    "/messages": {"content": "text", "role": "word", "data": "object"},
    f"{API}/keys": {"name": "text", "tenant": "text", "scopes": "texts", "prefix": "text"},
}


async def test_a_wrong_type_in_any_field_is_refused_and_the_field_is_named(client, subtests):
    ways = await ways_in(client)
    for (method, path, body), fields in zip(ways, FIELDS.values(), strict=True):
        for field, sort in fields.items():
            for value in WRONG[sort]:
                if (field, value) == ("tenant", None):
                    continue
                with subtests.test(path=path, field=field, value=repr(value)[:20]):
                    wrong = {**body, field: value}
                    async with client.request(method, path, json=wrong) as answer:
                        problem = await answer.json(content_type=PROBLEM)
                    assert answer.status == 422, problem
                    assert problem["code"] in ("invalid_body", "invalid_value")
                    assert problem["errors"][0]["pointer"].startswith(f"/{field}")


async def test_a_required_field_that_is_missing_is_named(client, subtests):
    ways = await ways_in(client)
    for (method, path, _), field in zip(
        ways, ("kind", "", "to", "", "content", "name"), strict=True
    ):
        if field:
            with subtests.test(path=path):
                problem = await refused(client, method, path, 422, "invalid_body", json={})
                assert field in problem["detail"]


async def test_numbers_at_the_edge_come_back_as_they_were_or_are_refused(client, subtests):
    for text in (
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "9" * 400,
        "9" * 5000,
        "1e308",
        "1e309",
        "-1e400",
        "5e-324",
        "1e-400",
        "-0",
        "-0.0",
        "0.1",
        "1.0",
        "1e2",
    ):
        with subtests.test(number=text[:20]):
            body = b'{"kind":"vm","metadata":{"n":%b}}' % text.encode()
            async with client.post(SESSIONS, data=body, headers=JSON) as answer:
                assert answer.status in (201, 400, 422), await answer.text()
                if answer.status == 201:
                    session = json.loads(await answer.text())
                    assert session["metadata"]["n"] == json.loads(text)
                    listed = json.loads(await (await client.get(f"{SESSIONS}?limit=1")).text())
                    assert listed["items"] == [session]
    for seconds in ("9223372036854775808", "-9223372036854775809", "9" * 400, "1e2", "-0.5"):
        with subtests.test(seconds=seconds[:20]):
            body = b'{"kind":"vm","max_duration_s":%b}' % seconds.encode()
            async with client.post(SESSIONS, data=body, headers=JSON) as answer:
                assert answer.status in (201, 422), await answer.text()


async def test_an_idle_time_out_that_is_too_long_is_named_as_such(client):
    body = {"kind": "vm", "idle_timeout_s": 10**12}
    problem = await refused(client, "POST", SESSIONS, 422, "invalid_value", json=body)
    assert problem["errors"][0]["pointer"] == "/idle_timeout_s"


async def test_nul_is_refused_wherever_text_may_stand(client, subtests):
    for method, path, body in await ways_in(client):
        for field, value in body.items():
            if isinstance(value, str):
                with subtests.test(path=path, field=field):
                    wrong = {**body, field: "a\0b"}
                    async with client.request(method, path, json=wrong) as answer:
                        assert answer.status in (400, 422)
    holding_nul: list[dict[str, object]] = [
        {"labels": ["\0"]},
        {"metadata": {"\0": 1}},
        {"metadata": {"a": [{"b": "\0"}]}},
        {"spec": {"\0": {}}},
    ]
    for fields in holding_nul:
        with subtests.test(fields=fields):
            body = {"kind": "vm", **fields}
            await refused(client, "POST", SESSIONS, 400, "nul_character", json=body)
    # Six characters that only look like one.
    session = await create(client, title="\\u0000")
    assert session["title"] == "\\u0000"


async def test_json_may_be_nested_so_deep_and_no_deeper(client):
    levels = DEPTH_MAX - 2  # the body and its metadata are two
    session = await create(client, metadata={"deep": json.loads(nested(levels))})
    assert (await ask(client, "GET", f"{SESSIONS}?limit=1"))["items"] == [session]
    body = {"kind": "vm", "metadata": {"deep": json.loads(nested(levels + 1))}}
    await refused(client, "POST", SESSIONS, 400, "too_deep", json=body)
    # Brackets in a text are not levels, and neither are many beside each other.
    await create(client, title='[{"\\' * 100, metadata={"wide": [[{}]] * 1000})


async def test_of_a_field_that_is_named_twice_one_counts(client):
    body = b'{"kind":"vm","title":"a","title":"b","metadata":{"k":1,"k":2}}'
    session = await ask(client, "POST", SESSIONS, 201, data=body, headers=JSON)
    assert (session["title"], session["metadata"]) == ("b", {"k": 2})


async def test_a_body_that_is_too_large_is_refused(aiohttp_client, tmp_path, subtests):
    client = await start(aiohttp_client, tmp_path, body_bytes_max=10_000)
    for method, path, _ in await ways_in(client):
        for size in (10_001, 1 << 22):
            with subtests.test(path=path, size=size):
                body = b'{"title":"' + b"x" * size + b'"}'
                large = {"data": io.BytesIO(body), "headers": JSON}
                await refused(client, method, path, 413, "too_large", **large)
    await create(client, metadata={"x": "y" * 9_000})


async def test_more_than_a_commit_may_hold_is_refused(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path, body_bytes_max=1 << 22)
    body = io.BytesIO(b'{"kind":"vm","spec":{"x":"%b"}}' % (b"y" * (1 << 21)))
    await refused(client, "POST", SESSIONS, 413, "too_large", data=body, headers=JSON)
    assert (await ask(client, "GET", SESSIONS))["items"] == []


async def test_a_body_is_what_its_content_encoding_says_or_it_is_refused(client):
    headers = {**JSON, "Content-Encoding": "gzip"}
    body = gzip.compress(b'{"kind":"vm"}')
    assert await ask(client, "POST", SESSIONS, 201, data=body, headers=headers)
    for method, path, good in await ways_in(client):
        plain = json.dumps(good).encode()
        await refused(client, method, path, 400, "unreadable_body", data=plain, headers=headers)
    bomb = gzip.compress(b'{"title":"' + b"x" * (1 << 26) + b'"}')
    await refused(client, "POST", SESSIONS, 413, "too_large", data=bomb, headers=headers)


def shaped(fields):
    """Objects that have some of the fields, right or wrong, and now and then another."""
    texts = st.text(max_size=8)
    values = st.one_of(
        json_values,
        texts,
        st.lists(texts, max_size=3),
        st.sampled_from(["vm", "running", "pending", "requested", "user", "admin", "completed"]),
        st.integers(-(2**70), 2**70),
        st.dictionaries(texts, json_values, max_size=3),
    )
    known = st.fixed_dictionaries({}, optional=dict.fromkeys(fields, values))
    return known | st.dictionaries(st.sampled_from([*fields, "x"]), values) | json_values


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_no_json_makes_the_service_fail(client, data):
    ways = await ways_in(client)
    for (method, path, good), fields in zip(ways, FIELDS.values(), strict=True):
        body = data.draw(shaped(fields))
        if isinstance(body, dict) and data.draw(st.booleans()):
            body = {**good, **body}
        sent = json.dumps(body).encode()
        async with client.request(method, path, data=sent, headers=JSON) as answer:
            assert answer.status < 500, (path, sent)
            if answer.status >= 400:
                assert (await answer.json(content_type=PROBLEM))["code"]
