"""Actions on pages of a real Chromium (sections 2.2 and 3.6)."""

import json

import pytest
import pytest_asyncio

from sessions.runtimes.browser.page import downloads
from tests.support.browsers import needs_chromium
from tests.support.visits import chromium, css, visiting

pytestmark = [
    pytest.mark.slow,  # a Chromium for all of them
    pytest.mark.asyncio(loop_scope="module"),
    needs_chromium,
]
INVALID = "InvalidActionError"
FAILED = "ActionExecutionError"
TIMEOUT = "NotteTimeoutError"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened():
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(opened, tmp_path):
    async with visiting(opened, tmp_path) as visitor:
        yield visitor


async def test_a_visit_says_where_it_came_to(visitor):
    done = await visitor.goto("/")
    assert done.place.url == f"{visitor.sites.url}/"
    assert done.place.title == "Home"
    assert [(tab.id, tab.title) for tab in done.place.tabs] == [(0, "Home")]
    view = done.place.viewport
    assert (view.width, view.height, view.scroll_y) == (1280, 720, 0)


async def test_a_redirect_is_followed_and_an_endless_one_is_not(visitor):
    done = await visitor.goto("/redirect?to=/form")
    assert done.place.url.endswith("/form")
    message, kind = await visitor.fails("goto", url=visitor.sites.url + "/redirects")
    assert (message, kind) == ("the site redirects without an end", FAILED)
    assert (await visitor.goto("/")).place.title == "Home"


@pytest.mark.parametrize("path", ["/status?code=404", "/status?code=500"])
async def test_a_page_of_an_error_is_a_page(visitor, path):
    done = await visitor.goto(path)
    assert f"status {path[-3:]}" in done.message
    assert done.place.title == f"Status {path[-3:]}"


async def test_a_site_that_gives_no_page_fails(visitor):
    await visitor.goto("/")
    message, kind = await visitor.fails("goto", url=visitor.sites.url + "/cut")
    assert (message, kind) == ("the site closed the connection without an answer", FAILED)
    message, _ = await visitor.fails("goto", url=visitor.sites.url + "/status?code=204")
    assert message == "the site sent no page"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "javascript:document.title='x'", "chrome://version", "", "http://"],
)
async def test_what_is_not_a_page_is_not_visited(visitor, url):
    await visitor.goto("/")
    _, kind = await visitor.fails("goto", url=url)
    assert kind == INVALID
    assert await visitor.title() == "Home"


async def test_back_forward_and_reload(visitor):
    await visitor.goto("/")
    await visitor.goto("/form")
    assert (await visitor.do("go_back")).place.title == "Home"
    assert (await visitor.do("go_forward")).place.title == "Sign up"
    message, kind = await visitor.fails("go_forward")
    assert (message, kind) == ("there is no page to go forward to", INVALID)
    await visitor.text("document.title = 'changed'")
    assert (await visitor.do("reload")).place.title == "Sign up"


async def test_a_click_on_a_link_waits_for_the_page_behind_it(visitor):
    await visitor.goto("/")
    link = await visitor.named("The form")
    done = await visitor.do("click", id=link.id)
    assert done.place.title == "Sign up"
    assert done.label == "The form"
    assert done.selector == link.selector


async def test_an_element_is_found_by_id_css_xpath_and_the_drivers_words(visitor):
    await visitor.goto("/")
    action = await visitor.named("Say hello")
    selector = action.selector
    for fields in (
        {"id": action.id},
        {"selector": css(selector.css)},
        {"selector": type(selector)(xpath=selector.xpath)},
        {"selector": type(selector)(playwright="text=Say hello")},
    ):
        await visitor.text("document.title = 'not yet'")
        done = await visitor.do("click", **fields)
        assert done.place.title == "Greeted"
        assert done.selector.css == selector.css


async def test_a_selector_waits_for_its_element(visitor):
    await visitor.goto("/empty")
    await visitor.text(
        "setTimeout(() => { document.body.innerHTML = '<button id=late>Late</button>' }, 500)"
    )
    await visitor.do("click", selector=css("#late"))


@pytest.mark.parametrize(
    ("fields", "why", "kind"),
    [
        ({"id": "B99"}, "there is no B99", INVALID),
        ({"id": "x"}, "there is no x", INVALID),
        ({}, "names no element", INVALID),
        ({"selector": css("")}, "the selector is empty", INVALID),
        ({"selector": css("button[")}, "the selector is not valid", INVALID),
        ({"selector": css("#nowhere"), "timeout_ms": 1_000}, "no element of the page", INVALID),
        ({"selector": css("b", "#noframe"), "timeout_ms": 1_000}, "no element", INVALID),
        ({"selector": css("b", *["i"] * 11)}, "at most 10 frames", INVALID),
    ],
)
async def test_an_element_that_is_not_there_fails(visitor, fields, why, kind):
    await visitor.goto("/")
    await visitor.observe()
    message, error_type = await visitor.fails("click", **fields)
    assert why in message
    assert error_type == kind


async def test_an_id_is_good_for_the_page_that_was_observed(visitor):
    await visitor.goto("/")
    assert "observe the page first" in (await visitor.fails("click", id="L1"))[0]
    action = await visitor.named("Say hello")
    await visitor.goto("/form")
    message, kind = await visitor.fails("click", id=action.id)
    assert (message, kind) == ("B1 is not on the page any more: observe it again", INVALID)


async def test_what_is_covered_cannot_be_clicked(visitor):
    await visitor.goto("/")
    await visitor.text(
        "document.body.insertAdjacentHTML('beforeend', '<div id=veil style=\"position:fixed;"
        "inset:0\"></div>'); 1"
    )
    action = await visitor.named("Say hello")
    done = await visitor.out_of_time("click", id=action.id)
    assert not done.success
    assert done.message.startswith("the element is covered by")
    assert done.error_type == FAILED


async def test_keys_and_scrolling(visitor):
    await visitor.goto("/tall")
    done = await visitor.do("scroll_down")
    assert done.place.viewport.scroll_y == 720
    done = await visitor.do("scroll_up", amount=100)
    assert done.place.viewport.scroll_y == 620
    done = await visitor.do("scroll_down", amount=1_000_000)
    view = done.place.viewport
    assert view.scroll_y == view.total_height - 720
    assert (await visitor.do("scroll_down")).message == "Nothing scrolls further down"
    await visitor.do("press_key", key="Home")
    message, kind = await visitor.fails("press_key", key="NoSuchKey")
    assert "NoSuchKey" in message
    assert kind == INVALID
    assert (await visitor.fails("scroll_down", amount=-1))[1] == INVALID


async def test_what_scrolls_inside_a_page_scrolls(visitor):
    await visitor.goto("/empty")
    await visitor.text(
        'document.body.innerHTML = \'<div id=box style="height:200px;overflow:auto"><p '
        'style="height:900px">long</p></div>\'; 1'
    )
    done = await visitor.do("scroll_down", amount=50, selector=css("#box"))
    assert done.message == "Scrolled down by 50 pixels"
    await visitor.do("scroll_down")
    assert int(await visitor.text("box.scrollTop")) > 50


async def test_waiting_has_a_limit(visitor):
    await visitor.do("wait", time_ms=10)
    for time_ms in (-1, 60_001):
        assert (await visitor.fails("wait", time_ms=time_ms))[1] == INVALID


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("1 + 1", "2"),
        ("'a text'", "a text"),
        ("({a: [1, null]})", '{"a":[1,null]}'),
        ("null", "null"),
        ("undefined", "null"),
        ("() => document.title", "Home"),
        ("async () => 7", "7"),
        ("Promise.resolve('later')", "later"),
        ("await Promise.resolve('later')", "later"),
        ("return document.title", "Home"),
        ("const t = await Promise.resolve('a;b')\nt.length;", "3"),
        ("let n = 1; if (n) { await null; n = 2 } n", "2"),
        ("let n = 1\nwhile (n < 3)\n  n += await 1\nn", "3"),
        ("const a = await 1\n + 2; a", "3"),
        ("[await 1, '}{']", '[1,"}{"]'),
        ("for (const n of [1, 2]) { if (await n == 2) return n; }", "2"),
        ("() => () => 1", "() => 1"),
        ("Symbol('s')", "Symbol(s)"),
        ("-0", "-0"),
        ("const a = 2; a * 2", "4"),
        ("10n ** 20n", "100000000000000000000n"),
        ("NaN", "NaN"),
        ("const one = {}; one.self = one; one", "[object Object]"),
        ("'\\ud800'", "\ufffd"),
    ],
)
async def test_javascript_says_what_it_comes_to(visitor, code, text):
    await visitor.goto("/")
    said = await visitor.text(code)
    assert said in {text, "?"} if text == "\ufffd" else said == text


@pytest.mark.parametrize(
    ("code", "why", "kind"),
    [
        ("throw new Error('boom')", "the code failed: Error: boom", FAILED),
        ("no such code", "the code failed: SyntaxError", FAILED),
        ("Promise.reject('no')", "the code failed: no", FAILED),
        ("  ", "there is no code", INVALID),
        ("'x'.repeat(2000000)", "longer than", "EvaluateJsResultLimitError"),
        ("() => 'x'.repeat(2000000)", "longer than", "EvaluateJsResultLimitError"),
        ("const a = await 1; 'x'.repeat(2000000)", "longer than", "EvaluateJsResultLimitError"),
        ("throw 'x'.repeat(1 << 28)", "the code failed: xxx", FAILED),
        ("throw new Error('y'.repeat(1 << 28))", "the code failed: Error: yyy", FAILED),
        ("await (", "the code failed: SyntaxError", FAILED),
        ("JSON.parse('{'); await_ = 1", "the code failed: SyntaxError", FAILED),
        ("throw null", "the code failed: null", FAILED),
        (
            "JSON.stringify = () => 'x'.repeat(1 << 28); ({})",
            "longer than",
            "EvaluateJsResultLimitError",
        ),
        ("Array(1e6).fill('abc')", "longer than", "EvaluateJsResultLimitError"),
        ("for(;;);", "did not end", TIMEOUT),
        ("new Promise(() => {})", "not done", TIMEOUT),
    ],
)
async def test_javascript_that_fails_says_why(visitor, code, why, kind):
    await visitor.goto("/")
    timeout = {"timeout_ms": 1_000} if kind == TIMEOUT else {}
    message, error_type = await visitor.fails("evaluate_js", code=code, **timeout)
    assert why in message
    assert error_type == kind
    assert await visitor.text("'still here'") == "still here"


async def test_downloads_are_stored(visitor):
    await visitor.goto("/downloads")
    done = await visitor.click("A file")
    assert done.file == visitor.folder / "downloads" / "report of today.txt"
    assert done.file.read_bytes() == b"the text of a file\n"
    action = await visitor.named("Another file")
    done = await visitor.do("download_file", id=action.id)
    assert done.file.name == "data.bin"
    assert done.file.stat().st_size == 256 * 64
    done = await visitor.do("goto", url=visitor.sites.url + "/file.txt")
    assert done.file.name == "report of today (2).txt"
    action = await visitor.named("Not a file")
    done = await visitor.do("download_file", id=action.id)
    assert b"<h1>Item 1</h1>" in done.file.read_bytes()


async def test_what_is_no_download_fails(visitor):
    await visitor.goto("/")
    action = await visitor.named("Say hello")
    done = await visitor.out_of_time("download_file", id=action.id)
    assert not done.success
    assert done.message.endswith("started no download")
    assert done.error_type == FAILED


async def test_a_download_without_an_end_does_not_hold_anybody(visitor):
    await visitor.goto("/downloads")
    done = await visitor.out_of_time("click", id=(await visitor.named("A slow file")).id)
    assert done.success
    assert "still goes on" in done.message
    assert done.file is None


async def test_a_download_that_grows_for_ever_is_broken_off(visitor, monkeypatch):
    monkeypatch.setattr(downloads, "BYTES_MAX", 1 << 20)
    url = visitor.sites.url
    message, kind = await visitor.fails("goto", url=url + "/file.endless")
    assert message.startswith("a download has at most")
    assert kind == FAILED
    assert list((visitor.folder / "downloads").glob("*")) == []
    # A small one is stored afterwards, until all together are too large.
    assert (await visitor.do("goto", url=url + "/file.bin")).file is not None
    monkeypatch.setattr(downloads, "ALL_BYTES_MAX", 256 * 64 + 1)
    await visitor.fails("goto", url=url + "/file.bin")


async def test_cookies_go_both_ways(visitor):
    await visitor.goto("/cookies?set=flavour=plain")
    (cookie,) = await visitor.pages.cookies()
    assert (cookie["name"], cookie["value"]) == ("flavour", "plain")
    url = visitor.sites.url
    await visitor.pages.set_cookies([{"name": "size", "value": "large", "url": url, "extra": 1}])
    await visitor.goto("/cookies")
    said = json.loads(await visitor.text("document.body.innerText"))
    assert said == {"flavour": "plain", "size": "large"}
