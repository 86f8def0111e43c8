"""What a user of Notte's client of today does; runs in the environment of that client.

python notte_sdk_driver.py SCENARIO URL KEY SITES [MORE]
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# They are in the environment of the client, and not where this file is checked.
notte_sdk: Any = importlib.import_module("notte_sdk")
notte_errors: Any = importlib.import_module("notte_core.errors")
sdk_errors: Any = importlib.import_module("notte_sdk.errors")
requests: Any = importlib.import_module("requests")

PATIENCE_S = 180


def equal(seen: Any, wanted: Any) -> None:
    """Fail with both where they differ."""
    if seen != wanted:
        raise AssertionError(f"seen   {seen!r}\nwanted {wanted!r}")


def refused(error_type: str, call: Any, *args: Any, **named: Any) -> Any:
    """The error that the call ends in, whose class has this name."""
    try:
        answer = call(*args, **named)
    except Exception as error:
        if type(error).__name__ == error_type:
            return error
        raise
    raise AssertionError(f"not refused: {answer!r}")


def client(url: str, key: str) -> Any:
    """A client."""
    return notte_sdk.NotteClient(api_key=key, server_url=url)


def found(space: Any, label: str) -> Any:
    """The observed action on the element of that label."""
    matching = [each for each in space.interaction_actions if label in (each.text_label or "")]
    if len(matching) != 1:
        labels = [each.text_label for each in space.interaction_actions]
        raise AssertionError(f"{len(matching)} elements {label!r} among {labels}")
    return matching[0]


def visit(url: str, key: str, sites: str) -> None:
    """Sections 3.2, 3.4 and 3.6: observe, act by id, read, and end."""
    with client(url, key).Session(idle_timeout_minutes=5) as session:
        result = session.execute(type="goto", url=f"{sites}/form")
        assert result.success, result
        observation = session.observe()
        equal(observation.metadata.title, "Sign up")
        equal(observation.metadata.tabs[0].url, f"{sites}/form")
        assert observation.screenshot.bytes().startswith(b"\xff\xd8")
        assert "Sign up" in observation.space.description or observation.space.description
        equal(str(observation.space.category.value), "auth")
        assert observation.space.markdown
        name = found(observation.space, "Full name")
        equal((name.type, name.id[0]), ("fill", "I"))
        session.execute(type="fill", id=name.id, value="Ada")
        email = found(observation.space, "Email")
        session.execute(type="fill", selector=email.selector, value="ada@a.test")
        terms = found(observation.space, "terms")
        equal(terms.type, "check")
        session.execute(type="check", id=terms.id, value=True)
        country = found(observation.space, "Country")
        equal(country.type, "select_dropdown_option")
        session.execute(type="select_dropdown_option", id=country.id, value="France")
        session.execute(found(observation.space, "Create the account"))
        sent = json.loads(session.evaluate_js("document.body.innerText"))
        equal((sent["name"], sent["email"], sent["country"]), ("Ada", "ada@a.test", "fr"))
        equal(sent["terms"], "yes")
        equal(session.status().status, "active")
        assert session.offset() > 0
        few = session.observe(max_nb_actions=1, perception_type="fast")
        assert len(few.space.interaction_actions) <= 1
    equal(session.response.status, "closed")
    session.stop()  # once more, which is no error


def actions(url: str, key: str, sites: str) -> None:
    """Section 3.6: every kind of action does what it is called."""
    with client(url, key).Session() as session:

        def title() -> str:
            text: str = session.evaluate_js("document.title")
            return text

        do = session.execute
        do(type="goto", url=f"{sites}/", wait_until="domcontentloaded")
        do(type="click", selector="text=Say hello")
        equal(title(), "Greeted")
        do(type="reload")
        equal(title(), "Home")
        do(type="goto", url=f"{sites}/article")
        do(type="go_back")
        equal(title(), "Home")
        do(type="go_forward")
        equal(title(), "How bees dance")
        do(type="goto_new_tab", url=f"{sites}/tall")
        equal(title(), "Tall")
        equal(len(session.observe().metadata.tabs), 2)
        do(type="scroll_down", amount=500)
        equal(int(float(session.evaluate_js("scrollY"))), 500)
        do(type="scroll_up")
        equal(int(float(session.evaluate_js("scrollY"))), 0)
        do(type="switch_tab", tab_index=0)
        equal(title(), "How bees dance")
        do(type="switch_tab", tab_index=1)
        do(type="close_tab")
        equal(title(), "How bees dance")
        before = time.monotonic()
        do(type="wait", time_ms=300)
        assert time.monotonic() - before >= 0.3
        do(type="goto", url=f"{sites}/login")
        do(type="form_fill", value={"username": "ada", "password": "hunter2"})
        do(type="press_key", key="Enter")
        sent = json.loads(session.evaluate_js("document.body.innerText"))
        equal(sent, {"user": "ada", "password": "hunter2"})
        do(type="goto", url=f"{sites}/payment")
        do(type="multi_factor_fill", selector="input[name=cvc]", value="123")
        do(type="fallback_fill", selector="input[name=card]", value="4111")
        equal(
            session.evaluate_js("[...document.querySelectorAll('input')].map(i => i.value)[1]"),
            "123",
        )
        equal(json.loads(session.evaluate_js("({a: [1, null]})")), {"a": [1, None]})
        equal(session.evaluate_js("null"), "null")
        answer = session.execute(type="evaluate_js", code="1 + 1")
        equal(answer.data.markdown, "2")


def fetching(url: str, key: str, sites: str) -> None:
    """The client's `fetch` is a script that the page runs."""
    with client(url, key).Session() as session:
        session.execute(type="goto", url=f"{sites}/")
        answer = session.fetch(f"{sites}/headers", headers={"X-Mine": "1"})
        equal((answer.status_code, answer.json()["X-Mine"]), (200, "1"))
        equal(session.fetch(f"{sites}/status?code=418").status_code, 418)


def frames(url: str, key: str, sites: str) -> None:
    """Section 3.6: what was observed inside of frames and of shadow roots can be used."""
    with client(url, key).Session() as session:
        session.execute(type="goto", url=f"{sites}/frames")
        inside = found(session.observe().space, "Press inside")
        assert inside.selector.in_iframe
        assert inside.selector.iframe_parent_css_selectors
        session.execute(inside)
        equal(session.evaluate_js("document.title"), "pressed")
        # The selector alone does as well, on another day.
        session.execute(type="goto", url=f"{sites}/frames")
        session.execute(type="click", selector=inside.selector)
        equal(session.evaluate_js("document.title"), "pressed")
        session.execute(type="goto", url=f"{sites}/shadow")
        session.execute(found(session.observe().space, "Shadow button"))
        equal(session.evaluate_js("document.title"), "shadow pressed")


def pages(url: str, key: str, sites: str) -> None:
    """Pages that change, ask, redirect, wait and never end: each is used, or its failure told."""
    with client(url, key).Session() as session:
        do = session.execute
        do(type="goto", url=f"{sites}/app")
        entry = found(session.observe().space, "What is to do")
        do(type="fill", id=entry.id, value="bees")
        do(found(session.observe().space, "Add"))
        do(type="wait", time_ms=200)
        do(found(session.observe().space, "Done"))  # a button that was not there before
        do(found(session.observe().space, "About"))
        equal(session.evaluate_js("location.pathname"), "/app/about")
        do(type="goto", url=f"{sites}/dialogs")
        do(type="click", selector="text=Warn")
        equal(session.evaluate_js("document.title"), "warned")
        do(type="click", selector="text=Ask")
        assert session.evaluate_js("document.title").startswith("said ")
        do(type="goto", url=f"{sites}/popups")
        do(type="click", selector="text=Opens a tab")
        equal(len(session.observe().metadata.tabs), 2)
        do(type="goto", url=f"{sites}/slow?seconds=2")
        equal(session.evaluate_js("document.title"), "Slow")
        result = do(type="goto", url=f"{sites}/redirects", raise_on_failure=False)
        equal(result.success, False)
        assert "redirect" in result.message.lower(), result.message
        do(type="goto", url=f"{sites}/links?count=5000")
        observation = session.observe(max_nb_actions=5000)
        assert len(observation.space.interaction_actions) >= 1000
        do(observation.space.interaction_actions[832])
        equal(session.evaluate_js("document.title"), "Item 833")
        few = session.observe()
        assert 0 < len(few.space.interaction_actions) <= 100
        do(type="goto", url=f"{sites}/still-loading", wait_until="domcontentloaded")
        assert "There is text" in session.scrape()
        equal(session.observe().metadata.title, "Still loading")


def failures(url: str, key: str, sites: str) -> None:
    """Sections 3.6 and 3.7: failed actions raise by name, or are results; the session goes on."""
    with client(url, key).Session() as session:
        session.execute(type="goto", url=f"{sites}/")
        error = refused("InvalidActionError", session.execute, type="click", id="B77")
        assert "B77" in str(error), error
        result = session.execute(type="click", id="B77", raise_on_failure=False)
        equal((result.success, type(result.exception).__name__), (False, "InvalidActionError"))
        for address in ("javascript:alert(1)", "file:///etc/passwd", "chrome://version"):
            result = session.execute(type="goto", url=address, raise_on_failure=False)
            equal(result.success, False)
            assert result.message, address
        result = session.execute(type="goto", url="http://127.0.0.1:1/", raise_on_failure=False)
        equal(result.success, False)
        error = refused("InvalidActionError", session.execute, type="captcha_solve")
        assert "not available here" in str(error), error
        result = session.execute(type="evaluate_js", code="nothing.here", raise_on_failure=False)
        equal(result.success, False)
        assert "nothing" in result.message, result.message
        error = refused("ScrapeFailedError", session.scrape, instructions="the price")
        assert "language model" in str(error), error
        error = refused("NotteAPIError", session.observe, instructions="the price")
        equal(error.status_code, 422)
        equal(session.evaluate_js("1 + 1"), "2")
    error = refused("NotteAPIError", session.execute, type="reload")
    assert "already closed" in str(error.error), error
    error = refused("NotteAPIError", session.client.status, "01a200a3-4bc9-74da-9f5a-33d114fc16b0")
    equal(error.status_code, 404)


def reading(url: str, key: str, sites: str) -> None:
    """Section 3.6: scrape with its parameters, and a screenshot."""
    with client(url, key).Session() as session:
        session.execute(type="goto", url=f"{sites}/article")
        text = session.scrape()
        for wanted in ("# How bees dance", "- ", "waggle", "| round", "angle = sun + food"):
            assert wanted in text.replace("* ", "- "), (wanted, text)
        assert "not to be seen" not in text
        assert f"{sites}/item/3" in text, text
        main = session.scrape(only_main_content=True)
        assert "bees" in main
        assert "Advertisement" not in main, main
        assert f"{sites}/item/3" not in session.scrape(scrape_links=False)
        assert "picture.png" in session.scrape(scrape_images=True)
        part = session.scrape(selector="blockquote")
        assert "Dance!" in part, part
        assert "waggle" not in part, part
        if not OLD:
            taken = session.client.page_screenshot(session.session_id)
            assert taken["raw"], taken


def cookies(url: str, key: str, sites: str) -> None:
    """Section 3.6: cookies go in, reach the site, and come out as they can go in again."""
    host = sites.partition("//")[2].partition(":")[0]
    mine = {"name": "mine", "value": "1", "domain": host, "path": "/", "httpOnly": True}
    with client(url, key).Session() as session:
        session.set_cookies(cookies=[mine])
        session.execute(type="goto", url=f"{sites}/cookies?set=theirs=2")
        session.execute(type="reload")
        equal(
            json.loads(session.evaluate_js("document.body.innerText")), {"mine": "1", "theirs": "2"}
        )
        kept = session.get_cookies()
        equal({each["name"]: each["value"] for each in kept}, {"mine": "1", "theirs": "2"})
    with client(url, key).Session() as session:
        session.set_cookies(cookies=kept)
        session.execute(type="goto", url=f"{sites}/cookies")
        equal(
            json.loads(session.evaluate_js("document.body.innerText")), {"mine": "1", "theirs": "2"}
        )


def files(url: str, key: str, sites: str) -> None:
    """Sections 3.2 and 3.6: a file goes to a page, and one that a page gives comes back."""
    with client(url, key).Session() as session, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a photo.txt"
        path.write_text("bytes")
        session.storage.upload(str(path))
        session.execute(type="goto", url=f"{sites}/form")
        photo = found(session.observe().space, "Photo")
        equal(photo.type, "upload_file")
        session.execute(type="upload_file", id=photo.id, file_path="a photo.txt")
        session.execute(type="click", selector="button[type=submit]")
        sent = json.loads(session.evaluate_js("document.body.innerText"))
        equal(sent["photo"], "file a photo.txt")
        session.execute(type="goto", url=f"{sites}/downloads")
        link = found(session.observe().space, "Another file")
        session.execute(type="download_file", id=link.id)
        listed = session.client.list_session_files(session.session_id)
        names = {each.filename: each for each in listed.files}
        equal(sorted(names), ["a photo.txt", "data.bin"])
        raw = session.client.download_session_file(session.session_id, names["data.bin"].id)
        equal(bytes(raw), bytes(range(256)) * 64)


def afterwards(url: str, key: str, sites: str) -> None:
    """Sections 3.2 and 3.8: what is known of a visit that is over; its script does it again."""
    with client(url, key).Session() as session:
        session.execute(type="goto", url=f"{sites}/form")
        name = found(session.observe().space, "Full name")
        session.execute(type="fill", id=name.id, value="Grace")
        session.execute(type="click", selector="button[type=submit]")
        time.sleep(0.5)
        if not OLD:
            error = refused("ValueError", session.replay)
            assert "still active" in str(error), error
    if OLD:
        return
    sessions, session_id = session.client, session.session_id
    logs = sessions.network_logs(session_id)
    lines = requests.get(logs.batches[0].download_url, timeout=PATIENCE_S).text.splitlines()
    asked = [(each["method"], each["url"]) for each in map(json.loads, lines)]
    assert ("GET", f"{sites}/form") in asked, asked
    code = sessions.get_session_script(session_id, as_workflow=True)
    equal([each["type"] for each in code.json_actions], ["goto", "fill", "click"])
    os.environ["NOTTE_API_KEY"], os.environ["NOTTE_API_URL"] = key, url
    scope: dict[str, Any] = {"__name__": "script"}
    exec(compile(code.python_script, "script", "exec"), scope)
    scope["run"]()
    replay = session.replay(timeout=PATIENCE_S, poll_interval=0.5)
    with tempfile.TemporaryDirectory() as folder:
        film = replay.download(Path(folder) / "film.mp4").read_bytes()
    equal(film[4:8], b"ftyp")
    assert replay.video_duration_ms > 0, replay
    newest = sessions.list(only_active=False, page_size=2)
    assert session_id in [each.session_id for each in newest], newest


def debugging(url: str, key: str, sites: str) -> None:
    """Sections 3.6 and 3.9: the debugger and the pictures, by addresses that need no key."""
    connect = importlib.import_module("websockets.sync.client").connect
    with client(url, key).Session() as session:
        session.execute(type="goto", url=f"{sites}/form")
        debug = session.client.debug_info(session.session_id)
        equal(debug.tabs[0].metadata.url, f"{sites}/form")
        assert requests.get(debug.debug_url, timeout=PATIENCE_S).ok
        for address in (session.cdp_url(), debug.ws.cdp):
            with connect(address) as socket:
                socket.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
                told = json.loads(socket.recv(timeout=PATIENCE_S))
                seen = [each["url"] for each in told["result"]["targetInfos"]]
                equal(seen, [f"{sites}/form"])
        with connect(debug.ws.recording) as socket:
            assert socket.recv(timeout=PATIENCE_S).startswith(b"\xff\xd8")


OLD = notte_sdk.__version__ != "1.10.0"

if __name__ == "__main__":
    scenario, *rest = sys.argv[1:]
    globals()[scenario](*rest)
