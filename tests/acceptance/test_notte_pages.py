"""Notte today: what is done on pages, and what is known of a visit (notte.md sections 3.2 and 3.6).

The browsers follow a script: what real pages do is held by the tests of the clients.
"""

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from tests.support.process import eventually
from tests.support.scripted_browsers import ACTIONS, FILM, Script, ScriptedBrowser, ScriptedBrowsers
from tests.support.service import (
    SESSIONS,
    Shared,
    ask,
    bearer,
    client_of,
    new_key,
    sharing,
    start,
)

Client = Any
P = "/notte"
COOKIE = {"name": "a", "value": "very secret", "domain": "a.test", "path": "/", "httpOnly": True}


@pytest.fixture(scope="module")
def browsers() -> ScriptedBrowsers:
    return ScriptedBrowsers()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notte")


@pytest.fixture(scope="module")
def service(browsers: ScriptedBrowsers, folder: Path) -> Iterator[Shared]:
    with sharing(folder, browsers=browsers, browsers_max=200) as shared:
        yield shared


@pytest.fixture
async def client(aiohttp_client: Any, service: Shared) -> Client:
    return await client_of(aiohttp_client, service)


def browser_of(browsers: ScriptedBrowsers, session_id: str) -> ScriptedBrowser:
    (browser,) = (each for each in browsers.made if each.wanted.folder.name == session_id)
    return browser


async def started(client: Client) -> str:
    session_id: str = (await ask(client, "POST", f"{P}/sessions/start", json={}))["session_id"]
    return session_id


async def page(client: Client, session_id: str, what: str, status: int = 200, **body: Any) -> Any:
    path = f"{P}/sessions/{session_id}/page/{what}"
    return await ask(client, "POST", path, status, json=body)


async def act(client: Client, session_id: str, type_: str, **fields: Any) -> Any:
    return await page(client, session_id, "execute", type=type_, **fields)


async def visit(client: Client, session_id: str, what: str, status: int = 200) -> Any:
    return await ask(client, "GET", f"{P}/sessions/{session_id}/{what}", status)


async def test_3_6_observe(client: Client) -> None:
    session_id = await started(client)
    await act(client, session_id, "goto", url="https://a.test/")
    seen = await page(client, session_id, "observe", max_nb_actions=4, perception_type="fast")
    assert seen["metadata"]["url"] == "https://a.test/"
    assert seen["metadata"]["tabs"][0]["url"] == "https://a.test/"
    actions = seen["space"]["interaction_actions"]
    assert [action["id"] for action in actions] == ["L1", "L2", "B1", "I1"]
    assert [action["type"] for action in actions] == ["click", "click", "click", "fill"]
    assert actions[3]["param"]["name"] == "name"
    assert base64.b64decode(seen["screenshot"]["raw"]).startswith(b"\xff\xd8")
    assert seen["started_at"] <= seen["ended_at"]
    # Without a body it is the same page, with all that can be done on it.
    path = f"{P}/sessions/{session_id}/page/observe?update_metadata=True"
    again = await ask(client, "POST", path)
    assert len(again["space"]["interaction_actions"]) == len(ACTIONS)


async def test_3_6_observe_goes_to_a_page_first_as_it_did_for_clients_of_old(
    client: Client,
) -> None:
    session_id = await started(client)
    seen = await page(client, session_id, "observe", url="https://a.test/b")
    assert seen["metadata"]["url"] == "https://a.test/b"
    error = await page(client, session_id, "observe", 422, url="https://a.test/refused")
    assert "refused" in error["message"]


async def test_3_6_instructions_need_a_model(client: Client) -> None:
    error = await page(client, await started(client), "observe", 422, instructions="the button")
    assert "not available here" in error["message"]


async def test_3_6_an_action_is_done_and_said_again(
    client: Client, browsers: ScriptedBrowsers
) -> None:
    session_id = await started(client)
    told: dict[str, Any] = {"type": "fill", "id": "I1", "value": "Ada", "timeout": 900}
    told["clear_before_fill"] = False
    done = await page(client, session_id, "execute", **told)
    assert (done["success"], done["exception"], done["action"]) == (True, None, told)
    assert "detail" not in done, "the client takes such an answer for an error"
    browser = browser_of(browsers, session_id)
    assert browser.fields == {"I1": "Ada"}
    acted = browser.actions[-1]
    assert (acted.clear_before_fill, acted.timeout_ms) == (False, 900)
    done = await act(client, session_id, "evaluate_js", code="1 + 1")
    assert done["data"] == {"markdown": "ran 1 + 1"}
    query = "?captcha_timeout_seconds=180.0&target_page_id=x&target_generation=3"
    path = f"{P}/sessions/{session_id}/page/execute{query}"
    assert (await ask(client, "POST", path, json={"type": "go_back"}))["success"]


async def test_3_6_a_failed_action_is_an_answer_and_the_session_goes_on(client: Client) -> None:
    session_id = await started(client)
    done = await act(client, session_id, "click", id="B77")
    assert not done["success"]
    assert done["exception_detail"]["error_type"] == "InvalidActionError"
    assert "B77" in done["exception"]
    done = await act(client, session_id, "goto", url="https://a.test/refused")
    assert not done["success"]
    assert (await act(client, session_id, "click", id="B1"))["success"]


@pytest.mark.parametrize(
    "action",
    [
        {"type": "captcha_solve", "captcha_type": "hcaptcha"},
        {"type": "email_verification_read", "mailbox_id": "m", "sender_domain": "a.test"},
        {"type": "upload_file", "id": "I1", "file_path": "never-uploaded.txt"},
        {"type": "upload_file", "id": "I1", "file_path": "../../../etc/passwd"},
        {"type": "upload_file", "id": "I1", "file_path": "https://a.test/file.txt"},
    ],
)
async def test_3_6_what_cannot_be_done_here_fails_and_nothing_is_done(
    client: Client, browsers: ScriptedBrowsers, action: dict[str, Any]
) -> None:
    session_id = await started(client)
    done = await page(client, session_id, "execute", **action)
    assert (done["success"], done["action"]) == (False, action)
    assert done["exception_detail"]["error_type"] == "InvalidActionError"
    assert browser_of(browsers, session_id).actions == []


async def test_3_6_a_file_is_given_to_the_page(client: Client, browsers: ScriptedBrowsers) -> None:
    session_id = await started(client)
    form = FormData()
    form.add_field("file", b"the bytes", filename="photo.jpg")
    await ask(client, "POST", f"{P}/sessions/{session_id}/files", data=form)
    listed = await visit(client, session_id, "files")
    name = listed["files"][0]["filename"]
    done = await act(client, session_id, "upload_file", id="I1", file_path=name)
    assert done["success"], done
    file = browser_of(browsers, session_id).actions[-1].file
    assert file is not None
    assert file.read_bytes() == b"the bytes"


async def test_3_6_scrape(client: Client) -> None:
    session_id = await started(client)
    await act(client, session_id, "goto", url="https://a.test/")
    read = await page(client, session_id, "scrape")
    assert read["markdown"].startswith("# https://a.test/")
    assert (read["images"], read["structured"]) == (None, None)
    read = await page(client, session_id, "scrape", only_images=True, use_link_placeholders=True)
    assert read["images"] == [{"url": "https://images.test/1.png", "description": "one"}]
    assert read["placeholders"] == {"link1": "https://first.test/"}
    read = await page(client, session_id, "scrape", response_format={"type": "object"})
    assert read["structured"]["success"] is False
    done = await act(client, session_id, "scrape", only_main_content=True)
    assert done["data"]["markdown"].startswith("# https://a.test/")


async def test_3_6_a_page_that_gives_nothing_is_422(client: Client) -> None:
    session_id = await started(client)
    await act(client, session_id, "goto", url="https://a.test/blank")
    for what in ("observe", "scrape", "screenshot"):
        assert "gives nothing" in (await page(client, session_id, what, 422))["message"]


async def test_3_2_a_screenshot_is_json(client: Client) -> None:
    session_id = await started(client)
    taken = await page(client, session_id, "screenshot")
    assert base64.b64decode(taken["raw"]).startswith(b"\xff\xd8")
    path = f"{P}/sessions/{session_id}/page/screenshot?full_page=true"
    whole = await ask(client, "POST", path)
    assert base64.b64decode(whole["raw"]).endswith(b"full")
    kept = await ask(client, "GET", f"{SESSIONS}/{session_id}/artifacts")
    assert len(kept["items"]) == 2


async def test_3_6_cookies_go_in_and_come_out(client: Client) -> None:
    session_id = await started(client)
    path = f"{P}/sessions/{session_id}/cookies"
    body = {"cookies": [{**COOKIE, "expirationDate": 2_000_000_000, "sameSite": "strict"}]}
    answer = await ask(client, "POST", path, json=body)
    assert answer == {"success": True, "message": "1 cookie set"}
    (cookie,) = (await ask(client, "GET", path))["cookies"]
    assert {name: cookie[name] for name in COOKIE} == COOKIE
    assert (cookie["expires"], cookie["sameSite"], cookie["session"]) == (2e9, "Strict", False)
    # They are what a key for reading must not give away.
    reader = bearer((await new_key(client, "default", "sessions:read", name="reader"))["key"])
    await ask(client, "GET", path, 403, headers=reader)


async def test_3_2_the_network_log_is_read_by_links_that_need_no_key(
    aiohttp_client: Any, client: Client
) -> None:
    session_id = await started(client)
    logs = await visit(client, session_id, "network/logs")
    assert logs == {
        "session_id": session_id,
        "batches": [],
        "total_batch_count": 0,
        "format": "batched_v1",
    }
    await act(client, session_id, "goto", url="https://a.test/one")
    keyless = await aiohttp_client(client.server)
    for _ in range(2):  # while it lives, and when it is over
        logs = await visit(client, session_id, "network/logs?limit=5")
        (batch,) = logs["batches"]
        url = batch["download_url"].removeprefix(str(client.make_url("/")).rstrip("/"))
        async with keyless.get(url) as answer:
            text = await answer.read()
        assert (answer.status, len(text)) == (200, batch["size"])
        assert b"https://a.test/one" in text
        await ask(keyless, "GET", url.replace("token=", "token=x"), 401)
        await ask(keyless, "GET", url.partition("?")[0], 401)
        await ask(client, "GET", url.partition("?")[0].replace("/0", "/1"), 404)
        async with client.delete(f"{P}/sessions/{session_id}/stop") as stopped:
            assert stopped.status == 200
    (batch,) = (await visit(client, session_id, "network/logs?download=False"))["batches"]
    assert batch["download_url"] is None
    for limit in ("0", "1001", "x"):
        await visit(client, session_id, f"network/logs?limit={limit}", 422)


async def test_3_2_the_visit_as_a_script(client: Client) -> None:
    session_id = await started(client)
    await visit(client, session_id, "workflow/code", 422)
    await act(client, session_id, "goto", url="https://a.test/")
    await act(client, session_id, "click", id="B77")
    await act(client, session_id, "fill", id="I1", value="Ada")
    await act(client, session_id, "fill", id="I2", value="hunter2")
    await page(client, session_id, "scrape")
    for _ in range(2):  # while it lives, and when it is over
        code = await visit(client, session_id, "workflow/code?as_workflow=True")
        types = [action["type"] for action in code["json_actions"]]
        assert types == ["goto", "fill", "fill", "scrape"]
        script = code["python_script"]
        compile(script, "script", "exec")
        assert "value='Ada'" in script
        assert 'os.environ["SECRET_1"]' in script
        assert "hunter2" not in str(code)
        assert "input#name" in script, "an id means nothing on another day"
        reader = await new_key(client, "default", "sessions:read", name="reader")
        path = f"{P}/sessions/{session_id}/workflow/code?as_workflow=True"
        await ask(client, "GET", path, 403, headers=bearer(reader["key"]))
        await ask(client, "DELETE", f"{P}/sessions/{session_id}/stop?close_reason=manual")


async def test_3_8_a_replay_says_why_it_is_not_there_until_it_is(
    aiohttp_client: Any, client: Client, folder: Path
) -> None:
    session_id = await started(client)
    error = await visit(client, session_id, "replay", 404)
    assert "still active" in error["message"]
    assert (error["status"], error["replay_status"]) == (404, "waiting_for_session")
    assert (await visit(client, session_id, "replay/mouse"))["mouse_chunk_urls"] == []
    await visit(client, session_id, "replay/mouse?offset=-1", 422)
    await visit(client, session_id, "replay/video.mp4", 404)
    await eventually(lambda: any(folder.rglob(f"{session_id}/*.jpg")), 60, "a first picture")
    await ask(client, "DELETE", f"{P}/sessions/{session_id}/stop")
    async with asyncio.timeout(90):
        while "mp4_url" not in (replay := await replay_of(client, session_id)):
            assert "still active" not in replay["message"], "the client would stop asking"
            await asyncio.sleep(0.02)
    assert replay["expires_at"].endswith("Z")
    url = replay["mp4_url"].removeprefix(str(client.make_url("/")).rstrip("/"))
    keyless = await aiohttp_client(client.server)
    async with keyless.get(url) as answer:
        assert (answer.status, answer.content_type) == (200, "video/mp4")
        assert await answer.read() == FILM % 1
    await ask(keyless, "GET", url.replace("expires=", "expires=1"), 401)


async def replay_of(client: Client, session_id: str) -> Any:
    async with client.get(f"{P}/sessions/{session_id}/replay") as answer:
        assert answer.status in (200, 404)
        return await answer.json()


async def test_3_7_a_value_of_ten_megabytes_is_413_and_the_session_goes_on(client: Client) -> None:
    session_id = await started(client)
    large = json.dumps({"type": "fill", "id": "I1", "value": "x" * 10_000_000}).encode()
    path = f"{P}/sessions/{session_id}/page/execute"
    error = await ask(client, "POST", path, 413, data=io.BytesIO(large))
    assert error["status"] == 413
    assert error["message"]
    assert (await act(client, session_id, "fill", id="I1", value="x" * 500_000))["success"]


async def test_a_link_opens_nothing_once_the_session_is_deleted(
    aiohttp_client: Any, client: Client
) -> None:
    session_id = await started(client)
    await act(client, session_id, "goto", url="https://a.test/one")
    (batch,) = (await visit(client, session_id, "network/logs"))["batches"]
    url = batch["download_url"].removeprefix(str(client.make_url("/")).rstrip("/"))
    keyless = await aiohttp_client(client.server)
    async with keyless.get(url) as answer:
        assert answer.status == 200
    async with client.delete(f"{SESSIONS}/{session_id}") as answer:
        assert answer.status == 204
    await ask(keyless, "GET", url, 404)


async def test_3_7_a_browser_that_dies_ends_the_session_and_is_not_asked_again(
    aiohttp_client: Any, tmp_path: Any
) -> None:
    script = Script()
    script.then("act", "die")
    client = await start(aiohttp_client, tmp_path, browsers=ScriptedBrowsers(script))
    session_id = await started(client)
    path = f"{P}/sessions/{session_id}/page/execute"
    async with client.post(path, json={"type": "reload"}) as answer:
        error = await answer.json()
        # A client sends 503 again, and what was asked for may have been done.
        assert answer.status == 502, error
    await ask(client, "GET", f"{SESSIONS}/{session_id}?wait=status:ended&timeout=60")
    error = await page(client, session_id, "observe", 409)
    assert "already closed" in error["message"]
    read = await ask(client, "GET", f"{P}/sessions/{session_id}")
    assert (read["status"], read["close_reason"]) == ("error", "error")


async def test_what_was_typed_is_in_no_list_of_facts(client: Client) -> None:
    session_id = await started(client)
    await act(client, session_id, "fill", id="I2", value="hunter2")
    await act(client, session_id, "evaluate_js", code="'hunter3'")
    await act(client, session_id, "form_fill", value={"password": "hunter4"})
    await ask(client, "POST", f"{P}/sessions/{session_id}/cookies", json={"cookies": [COOKIE]})
    told = str(await ask(client, "GET", f"{SESSIONS}/{session_id}/events"))
    assert "browser.acted" in told
    for secret in ("hunter", "very secret"):
        assert secret not in told
