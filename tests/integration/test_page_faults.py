"""Pages that misbehave, in a real Chromium: each call has an end, and the tab a way out."""

import asyncio
import contextlib

import pytest
import pytest_asyncio
from playwright.async_api import Error

from sessions.runtimes.browser.page.tabs import TABS_MAX
from sessions.runtimes.browser.port import BrowserFailed, PageRefused, ScrapeWanted
from tests.support.browsers import needs_chromium
from tests.support.process import eventually
from tests.support.visits import PATIENCE_S, chromium, css, visiting

pytestmark = [
    pytest.mark.slow,  # a Chromium for all of them
    pytest.mark.asyncio(loop_scope="module"),
    needs_chromium,
]


# Is done when there is another button than there was.
CHANGED = """new Promise((done) => {
  const button = document.querySelector('button');
  const look = () => button.isConnected ? setTimeout(look, 5) : done('changed');
  look();
})"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened():
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(opened, tmp_path):
    async with visiting(opened, tmp_path) as visitor:
        yield visitor


async def hang(visitor):
    await visitor.goto("/hanging")
    await visitor.text("setTimeout(() => document.querySelector('button').click()); 1")
    return await visitor.fails("click", selector=css("button"), timeout_ms=500)


async def crash(visitor):
    await visitor.goto("/")
    page = visitor.context.pages[-1]
    crashed = asyncio.get_running_loop().create_future()
    page.on("crash", lambda page: crashed.set_result(page))
    with contextlib.suppress(Error):
        await page.goto("chrome://crash")
    await asyncio.wait_for(crashed, PATIENCE_S)


async def test_a_page_that_hangs_ends_each_call_and_can_be_left(visitor):
    await visitor.goto("/hanging")
    button = await visitor.named("Hang")
    done = await visitor.out_of_time("click", id=button.id)
    assert not done.success
    assert done.message.startswith("the page does not answer")
    assert done.error_type == "NotteTimeoutError"
    assert (await visitor.pages.place()).title == "Hangs"
    for call in (
        visitor.observe(),
        visitor.pages.screenshot(),
        visitor.pages.scrape(ScrapeWanted()),
    ):
        with pytest.raises(PageRefused, match="does not answer"):
            await call
    await visitor.fails("evaluate_js", code="1", timeout_ms=500)
    done = await visitor.goto("/")
    assert [(tab.id, tab.title) for tab in done.place.tabs] == [(0, "Home")]
    await eventually(lambda: len(visitor.context.pages) == 1, PATIENCE_S, "the end of its page")


@pytest.mark.parametrize("way", ["reload", "close_tab", "goto_new_tab"])
async def test_there_are_other_ways_out_of_a_page_that_hangs(visitor, way):
    await hang(visitor)
    done = await visitor.do(way, url=visitor.sites.url)
    assert done.place.title == {"reload": "Hangs", "close_tab": "", "goto_new_tab": "Home"}[way]
    assert await visitor.text("'answers'") == "answers"


async def test_a_page_that_has_crashed_says_so_and_can_be_loaded_again(visitor):
    await crash(visitor)
    for call in (visitor.observe(), visitor.pages.screenshot()):
        with pytest.raises(PageRefused, match="has crashed"):
            await call
    message, _ = await visitor.fails("click", selector=css("a"))
    assert message == "the page has crashed: reload it or go elsewhere"
    done = await visitor.goto("/form")
    assert [(tab.id, tab.title) for tab in done.place.tabs] == [(0, "Sign up")]
    await crash(visitor)
    await visitor.do("reload")


async def test_a_page_that_never_ends_is_there_as_far_as_it_came(visitor):
    done = await visitor.goto("/never")
    assert done.message.endswith("parts of the page still load")
    assert done.place.title == "Never done"
    assert (await visitor.pages.scrape(ScrapeWanted())).markdown == "The first part"
    assert (await visitor.observe()).actions == ()
    done = await visitor.goto("/still-loading")
    assert (await visitor.named("Home")).role == "link"
    message, kind = await visitor.fails(
        "goto", url=visitor.sites.url + "/never", wait_until="load", timeout_ms=500
    )
    assert kind == "NotteTimeoutError", message


async def test_a_slow_page_is_waited_for_as_long_as_was_said(visitor):
    await visitor.goto("/")
    url = visitor.sites.url + "/slow?seconds=60"
    message, kind = await visitor.fails("goto", url=url, timeout_ms=500)
    assert kind == "NotteTimeoutError", message
    assert await visitor.title() == "Home"
    assert (await visitor.goto("/slow?seconds=0.5")).place.title == "Slow"


async def test_dialogs_are_answered_and_told(visitor):
    await visitor.goto("/dialogs")
    done = await visitor.click("Warn")
    assert 'the page said "a warning"' in done.message
    assert done.place.title == "warned"
    assert (await visitor.click("Ask")).place.title == "said true"
    assert (await visitor.click("Name")).place.title == "named Ada"
    done = await visitor.click("Insist")
    assert done.message.count("the page said") == 5
    await visitor.click("Guard")
    assert "wanted to keep" in (await visitor.click("Leave")).message
    assert await visitor.title() == "Home"


async def test_tabs_open_close_and_keep_their_ids(visitor):
    await visitor.goto("/popups")
    done = await visitor.click("Opens a tab")
    assert "a new tab was opened (1)" in done.message
    assert done.place.title == "Item 1"
    done = await visitor.do("goto_new_tab", url=visitor.sites.url)
    assert [tab.id for tab in done.place.tabs] == [0, 1, 2]
    assert (await visitor.do("switch_tab", tab_index=1)).place.title == "Item 1"
    done = await visitor.do("close_tab")
    assert [tab.id for tab in done.place.tabs] == [0, 2]
    assert done.place.title == "Popups"
    assert (await visitor.do("switch_tab", tab_index=2)).place.title == "Home"
    assert (await visitor.do("switch_tab", tab_index=-2)).place.title == "Popups"
    assert (await visitor.do("switch_tab", tab_index=1)).place.title == "Home"
    for index in (7, -3):
        message, _ = await visitor.fails("switch_tab", tab_index=index)
        assert message == f"there is no tab {index}: the tabs are 0, 2"


async def test_a_tab_that_closes_itself_is_gone_and_there_is_always_one(visitor):
    await visitor.goto("/popups")
    done = await visitor.click("Opens a window")
    assert done.place.title == "Item 2"
    done = await visitor.do("evaluate_js", code="setTimeout(() => window.close()); 1")
    assert [tab.title for tab in await visitor.tabs(1)] == ["Popups"]
    done = await visitor.do("close_tab")
    assert [(tab.title, tab.url) for tab in done.place.tabs] == [("", "about:blank")]
    assert (await visitor.goto("/")).place.title == "Home"


async def test_the_tabs_of_a_page_that_opens_many_are_bounded(visitor):
    await visitor.goto("/popups")
    done = await visitor.click("Opens many", timeout_ms=90_000)
    assert 2 <= len(done.place.tabs) <= TABS_MAX
    await visitor.tabs(TABS_MAX)
    message, _ = await visitor.fails("goto_new_tab", url=visitor.sites.url)
    assert message == f"there are {TABS_MAX} tabs already: close one first"


async def test_a_page_that_always_changes_is_observed(visitor):
    await visitor.goto("/always-changing")
    (action,) = (await visitor.observe()).actions
    await visitor.text(CHANGED)
    message, _ = await visitor.fails("click", id=action.id)
    assert message == f"{action.id} is not on the page any more: observe it again"
    # No button is there long enough to be pressed, and that is said in time.
    message, _ = await visitor.fails("click", selector=css("button"))
    assert message == "the page changed while this was done"


async def test_a_page_that_goes_elsewhere_all_the_time_ends_each_call(visitor):
    await visitor.goto("/")
    await visitor.text("setTimeout(() => { location = '/item/1' }, 30); 1")
    await visitor.observe()
    await visitor.goto("/redirect?to=/item/2")
    assert await visitor.title() == "Item 2"


@pytest.mark.parametrize(
    "cookie",
    [{}, {"name": "x"}, {"name": 1, "value": 2}, {"name": "a", "value": "b", "url": "nowhere"}],
)
async def test_a_cookie_that_cannot_be_is_refused(visitor, cookie):
    with pytest.raises(PageRefused):
        await visitor.pages.set_cookies([cookie])
    with pytest.raises(PageRefused):
        await visitor.pages.set_cookies([cookie] * 1_001)
    assert await visitor.pages.cookies() == []


async def test_a_browser_that_is_gone_fails_every_call(tmp_path):
    async with chromium() as opened, visiting(opened, tmp_path) as visitor:
        await visitor.goto("/")
        await opened.browser.close()
        with pytest.raises(BrowserFailed):
            await visitor.act("click", selector=css("a"))
        for call in (
            visitor.observe(),
            visitor.pages.place(),
            visitor.pages.cookies(),
            visitor.pages.screenshot(),
        ):
            with pytest.raises((BrowserFailed, PageRefused)):
                await call
