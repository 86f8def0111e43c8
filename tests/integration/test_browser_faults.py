"""Pages that misbehave, and callers that ask for what cannot be: the session goes on or says why.

One service with real browsers for all of them, as a user has it; what is left is looked at once.
"""

import asyncio
import io
import time

import aiohttp
import msgspec
import pytest

from tests.support.browser_host import hosting
from tests.support.browsers import needs_chromium
from tests.support.process import eventually
from tests.support.sites import sharing

pytestmark = [needs_chromium, pytest.mark.slow(reason="real pages in real browsers")]
REFUSED_URLS = [
    "javascript:document.title='x'",
    " javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "view-source:file:///etc/passwd",
    "chrome://version",
    "chrome://crash",
    "chrome://inducebrowsercrashforrealz",
    "devtools://devtools/bundled/inspector.html",
    "about:inspect",
    "chrome-extension://x/y",
    "filesystem:http://a/b",
    "ftp://127.0.0.1/",
    "http://",
    "http://[",
    "//",
    "",
    "nothing",
    # Where the service itself listens, in all the ways to write it.
    "http://127.0.0.1:PORT/livez",
    "http://localhost:PORT/livez",
    "http://x.localhost:PORT/livez",
    "http://[::1]:PORT/livez",
    "http://2130706433:PORT/livez",
    "http://0x7f.1:PORT/livez",
    "http://0177.0.0.1:PORT/livez",
    "http://127.1:PORT/livez",
    "http://127.0.0.1.:PORT/livez",
    "http://[::ffff:127.0.0.1]:PORT/livez",
    "http://[64:ff9b::7f00:1]:PORT/livez",
    "http://0.0.0.0:PORT/livez",
    "http://user:password@127.0.0.1:PORT/livez",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://a" + "b" * 70_000,
]


@pytest.fixture(scope="module")
def sites():
    with sharing() as served:
        yield served


@pytest.fixture
async def host(sites, tmp_path):
    """A service of its own: a test that breaks it breaks nothing else."""
    async with hosting(tmp_path / "data", sites.host) as running:
        yield running
        await running.ends()


async def goes_on(host, sites, session):
    """The session can still be used, and its page is as it should be."""
    done = await host.user.act(session, "goto", url=f"{sites.url}/form")
    assert done["success"], done
    observed = await host.user.page(session, "observe")
    assert observed["metadata"]["title"] == "Sign up"


def asked_of(sites):
    """What was asked for, but for the icon, which the browser asks for whenever it likes."""
    return [one for one in sites.seen if one != "GET /favicon.ico"]


async def test_urls_that_are_not_for_browsers_of_others_are_refused(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/")
    before = asked_of(sites)
    for url in (each.replace("PORT", str(host.service.port)) for each in REFUSED_URLS):
        for kind in ("goto", "goto_new_tab"):
            status, done = await user.said(
                "POST", f"/notte/sessions/{session}/page/execute", json={"type": kind, "url": url}
            )
            assert status in (200, 422), (kind, url, status, done)
            if status == 200:
                assert not done["success"], (kind, url, done)
                assert done["message"], url
                assert done["exception_detail"]["error_type"], url
                assert "root:" not in str(done)
    where = (await user.page(session, "observe"))["metadata"]
    assert where["title"] != "x"
    for tab in where["tabs"]:
        assert not tab["url"].startswith(("file:", "javascript:", "chrome:", "devtools:"))
    assert asked_of(sites) == before, "nothing but the first page was asked for"
    await goes_on(host, sites, session)


async def test_a_page_cannot_lead_where_its_caller_may_not_go(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/")
    service = f"http://127.0.0.1:{host.service.port}/livez"
    for to in ("http://169.254.169.254/", service, "file:///etc/passwd"):
        done = await user.act(session, "goto", url=f"{sites.url}/redirect?to={to}")
        assert not done["success"], (to, done)
        code = f"fetch({to!r}).then(a => a.text(), e => 'failed: ' + e)"
        read = await user.act(session, "evaluate_js", code=code)
        text = str(read.get("data")) + read["message"]
        assert "root:" not in text
        # Of the guard's own page, on which it may be, the browser can read that it says no.
        assert "failed" in text or "Forbidden" in text, read
    await goes_on(host, sites, session)


async def test_a_page_that_never_ends_costs_no_more_than_its_time(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/")
    for path in ("/never", "/redirects", "/cut", "/still-loading", "/slow?seconds=600"):
        began = time.monotonic()
        done = await user.act(session, "goto", url=sites.url + path, timeout=3000)
        assert time.monotonic() - began < 45
        assert done["success"] or done["message"], path
        observed = await user.page(session, "observe")
        assert observed["metadata"]["tabs"]
    await goes_on(host, sites, session)


async def test_an_action_on_what_is_not_on_the_page_says_so(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/form")
    await user.page(session, "observe")
    for id_ in ("B999", "L0", "I-1", "X1", "", "B1; DROP", "S9", "B" + "9" * 5000, "é"):
        for kind in ("click", "fill", "check", "select_dropdown_option", "upload_file"):
            body = {"type": kind, "id": id_, "value": "x", "file_path": "x", "timeout": 2000}
            status, done = await user.said(
                "POST", f"/notte/sessions/{session}/page/execute", json=body
            )
            assert status in (200, 422), (kind, id_, done)
            assert status == 422 or not done["success"], (kind, id_, done)
    for selector in ("button:nth-child(99)", "///", "::-x", "xpath=//[", "#" + "a" * 10_000):
        body = {"selector": selector, "timeout": 1500}
        done = await user.act(session, "click", **body)
        assert not done["success"], selector
        assert done["exception_detail"]["error_type"], selector
    await goes_on(host, sites, session)


async def test_the_ids_of_another_page_do_nothing_here(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/links?count=50")
    observed = await user.page(session, "observe")
    assert any(one["id"] == "L50" for one in observed["space"]["interaction_actions"])
    await user.act(session, "goto", url=f"{sites.url}/form")
    done = await user.act(session, "click", id="L50", timeout=2000)
    assert not done["success"], done
    assert (await user.page(session, "observe"))["metadata"]["title"] == "Sign up"


async def test_ten_megabytes_in_a_form_are_refused_or_arrive_whole(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/form")
    observed = await user.page(session, "observe")
    about = next(
        one
        for one in observed["space"]["interaction_actions"]
        if one["id"].startswith("I") and "About" in one["text_label"] + one["description"]
    )
    for value in ("x" * 900_000, "x" * 10_000_000):
        body = {"type": "fill", "id": about["id"], "value": value}
        path = f"/notte/sessions/{session}/page/execute"
        whole = io.BytesIO(msgspec.json.encode(body))
        status, done = await user.said("POST", path, data=whole)
        if len(value) > 1 << 20:
            assert status == 413, done
            assert done["status"] == 413
        else:
            assert (status, done["success"]) == (200, True), str(done)[:500]
            read = await user.act(
                session, "evaluate_js", code="document.querySelector('textarea').value.length"
            )
            assert read["data"]["markdown"].strip() == str(len(value))
    await goes_on(host, sites, session)


async def test_of_five_thousand_links_as_many_are_there_as_were_asked_for(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/links?count=5000")
    few = await user.page(session, "observe", max_nb_actions=7)
    assert len(few["space"]["interaction_actions"]) == 7
    usual = await user.page(session, "observe")
    assert len(usual["space"]["interaction_actions"]) == 100
    most = await user.page(session, "observe", max_nb_actions=10_000)
    ids = [one["id"] for one in most["space"]["interaction_actions"]]
    assert len(ids) == len(set(ids)) == 1000, "no answer grows without a bound"
    done = await user.act(session, "click", id="L997")
    assert done["success"], done
    assert (await user.page(session, "observe"))["metadata"]["title"] == "Item 997"
    await user.act(session, "go_back")
    done = await user.act(session, "click", selector="text=Item 4711")
    assert done["success"], "what is not listed can be named"


async def test_dialogs_popups_and_downloads_hold_nobody_up(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/dialogs")
    observed = await user.page(session, "observe")
    for one in observed["space"]["interaction_actions"]:
        if one["id"].startswith("B"):
            done = await user.act(session, "click", id=one["id"], timeout=60_000)
            assert done["success"], done
    await goes_on(host, sites, session)
    await user.act(session, "goto", url=f"{sites.url}/popups")
    observed = await user.page(session, "observe")
    for one in observed["space"]["interaction_actions"]:
        if one["id"].startswith("B"):
            await user.act(session, "click", id=one["id"], timeout=5000)
            await user.act(session, "goto", url=f"{sites.url}/popups")
    where = (await user.page(session, "observe"))["metadata"]
    assert len(where["tabs"]) < 60, "tabs have a bound"
    for path in ("/file.slow", "/file.txt"):
        await user.act(session, "goto", url=sites.url + path, timeout=3000)
    await goes_on(host, sites, session)


async def test_what_runs_in_a_page_for_ever_ends_with_its_action(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/")
    for code in (
        "for(;;){}",
        "new Promise(() => {})",
        "throw new Error('no')",
        "}",
        "x".join(["'a'"] * 3) + "(",
        "'x'.repeat(1 << 24)",
        "window",
        "document.body.innerHTML = '<iframe srcdoc=\"<script>for(;;){}</script>\"></iframe>'",
    ):
        path = f"/notte/sessions/{session}/page/execute"
        status, done = await user.said(
            "POST", path, json={"type": "evaluate_js", "code": code, "timeout": 3000}
        )
        assert status < 500, (code, done)
        shown = await user.status(session)
        if shown["status"] != "active":
            assert shown["error"], code
            session = await user.opened(f"{sites.url}/")
    path = f"/notte/sessions/{session}/page/observe"
    assert (await user.said("POST", path, json={}))[0] < 500
    await host.works(f"{sites.url}/")


async def test_actions_of_many_callers_come_one_after_the_other(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/")
    paths = [f"{sites.url}/item/{number}" for number in range(12)]
    path = f"/notte/sessions/{session}/page/execute"
    said = await asyncio.gather(
        *[user.said("POST", path, json={"type": "goto", "url": url}) for url in paths]
    )
    for status, done in said:
        assert (status == 200 and done["success"]) or status == 429, done
    facts = await user.facts(session)
    done_well = sum(status == 200 for status, _ in said)
    assert facts.count("browser.acted") == done_well + 1


async def test_a_caller_that_goes_away_leaves_the_session_usable(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/")
    path = f"/notte/sessions/{session}/page/execute"
    asked = asyncio.create_task(
        user.said("POST", path, json={"type": "goto", "url": f"{sites.url}/slow?seconds=3&gone"})
    )
    await eventually(lambda: any("gone" in one for one in sites.seen), 60, "the page that is slow")
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    await goes_on(host, sites, session)


async def test_a_session_that_is_stopped_in_mid_action_ends_at_once(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/")
    path = f"/notte/sessions/{session}/page/execute"
    asked = asyncio.create_task(
        user.said("POST", path, json={"type": "goto", "url": f"{sites.url}/slow?seconds=60&mid"})
    )
    await eventually(lambda: any("mid" in one for one in sites.seen), 60, "the slow page")
    await user.stop(session)
    status, done = await asked
    assert status < 500, done
    assert status >= 400 or not done["success"], done
    assert await user.now(session) == ("stopped", "requested")


async def test_deleting_a_session_ends_its_browser_and_its_files(host, sites):
    user = host.user
    session = await user.opened(f"{sites.url}/")
    assert host.files() != [], "or the last assertion would hold of anything"
    await user.ask("DELETE", f"/api/v1/sessions/{session}", 204)
    await eventually(lambda: host.files() == [], 60, "the end of its files")
    status, said = await user.said("POST", f"/notte/sessions/{session}/page/observe", json={})
    assert status == 404, said


@pytest.mark.parametrize(
    "code",
    [
        "'x'.repeat((1 << 28) + 1)",
        "const text = await 'x'.repeat((1 << 28) + 1); text",
        "throw new Error('x'.repeat((1 << 28) + 1))",
        "({ text: 'x'.repeat((1 << 28) + 1) })",
    ],
)
async def test_what_is_too_large_for_the_line_to_chromium_stays_in_the_page(host, sites, code):
    user = host.user
    session, other = [await user.opened(f"{sites.url}/") for _ in range(2)]
    path = f"/notte/sessions/{session}/page/execute"
    body = {"type": "evaluate_js", "code": code, "timeout": 60_000}
    status, said = await user.said("POST", path, json=body)
    assert (status, said["success"]) == (200, False), str(said)[:500]
    assert "longer than" in said["message"] or "Error: xxx" in said["message"]
    for going_on in (session, other):
        read = await user.act(going_on, "evaluate_js", code="1 + 1")
        assert read["data"]["markdown"] == "2"
    await host.works(f"{sites.url}/")


async def test_files_come_from_the_session_and_from_nowhere_else(host, sites):
    user = host.user
    session = await user.start()  # its browser is not up yet, nor any Chromium
    form = aiohttp.FormData()
    form.add_field("file", b"a picture", filename="photo.jpg")
    file = await user.ask("POST", f"/notte/sessions/{session}/files", data=form)
    await user.act(session, "goto", url=f"{sites.url}/form")
    selector = "input[type=file]"
    for name in ("/etc/passwd", "../../../../etc/passwd", "..", "photo.jpg/../.."):
        body = {"type": "upload_file", "selector": selector, "file_path": name}
        path = f"/notte/sessions/{session}/page/execute"
        status, done = await user.said("POST", path, json=body)
        assert status in (200, 404, 422), (name, done)
        assert status != 200 or not done["success"], (name, done)
    for name in (file["filename"], file["id"]):
        done = await user.act(session, "upload_file", selector=selector, file_path=name)
        assert done["success"], done
        code = "document.querySelector('input[type=file]').files[0].text()"
        read = await user.act(session, "evaluate_js", code=code)
        assert read["data"]["markdown"] == "a picture"
