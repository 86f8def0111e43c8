"""What can be done on a page of a real Chromium, and what it says (sections 2.2 and 3.6)."""

import contextlib

import pytest
import pytest_asyncio

from sessions.runtimes.browser.port import PageRefused, ScrapeWanted
from tests.support.browsers import needs_chromium
from tests.support.visits import chromium, css, visiting

pytestmark = [
    pytest.mark.slow,  # a Chromium for all of them
    pytest.mark.asyncio(loop_scope="module"),
    needs_chromium,
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened():
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(opened, tmp_path):
    async with visiting(opened, tmp_path) as visitor:
        yield visitor


def told(observation):
    return [(one.id, one.type, one.label) for one in observation.actions]


async def test_a_home_page(visitor):
    await visitor.goto("/")
    seen = await visitor.observe()
    assert told(seen) == [
        ("L1", "click", "Home"),
        ("L2", "click", "The form"),
        ("L3", "click", "The app"),
        ("L4", "click", "Links"),
        ("L5", "click", "An article"),
        ("B1", "click", "Say hello"),
        ("L6", "click", "Imprint"),
    ]
    assert seen.category == "homepage"
    assert seen.description == 'Home: 6 links, 1 button. Its heading is "A small site".'
    assert [one.category for one in seen.actions][::3] == [
        "Navigation",
        "Main content",
        "Footer",
    ]
    assert seen.screenshot == b""


async def test_every_kind_of_field_has_one_parameter(visitor):
    await visitor.goto("/form")
    inputs = {one.label: one for one in (await visitor.observe()).actions if one.role == "input"}
    assert {label: one.type for label, one in inputs.items()} == {
        "Full name": "fill",
        "Email": "fill",
        "Password": "fill",
        "Phone number": "fill",
        "About you": "fill",
        "Country": "select_dropdown_option",
        "I accept the terms": "check",
        "Small": "check",
        "Large": "check",
        "Photo": "upload_file",
        "Born": "fill",
        "A note": "fill",
    }
    assert all(one.param is not None for one in inputs.values())
    assert inputs["Country"].param.values == ("choose", "Germany", "France")
    assert inputs["Small"].param.default == "true"
    assert inputs["Full name"].param.default == "nobody"


async def test_a_secret_that_was_filled_in_is_not_shown(visitor):
    await visitor.goto("/form")
    action = await visitor.named("Password")
    done = await visitor.do("fill", id=action.id, value="hunter2")
    assert done.secret
    assert "hunter2" not in done.message
    assert "hunter2" not in repr(await visitor.observe())


async def test_ids_last_while_the_page_changes(visitor):
    await visitor.goto("/app")
    field = await visitor.named("What is to do")
    for text in ("milk", "bread"):
        await visitor.do("fill", id=field.id, value=text)
        await visitor.click("Add")
    seen = {one.id: one.label for one in (await visitor.observe()).actions}
    # Each click has drawn the page anew, with new elements for the same things.
    assert seen["I1"] == "What is to do"
    assert (seen["B1"], seen["B2"]) == ("Add", "About")
    assert list(seen.values()).count("Done") == 2
    await visitor.click("About")
    assert (await visitor.pages.place()).url.endswith("/app/about")
    assert told(await visitor.observe()) == [("L1", "click", "Back to the list")]


async def test_frames_and_shadow_roots_are_part_of_the_page(visitor):
    await visitor.goto("/frames")
    done = await visitor.click("Press deep")
    assert done.place.title == "deep"
    action = await visitor.named("Press inside")
    assert action.selector.frames == ("css=#first",)
    done = await visitor.do("click", selector=action.selector)
    assert done.place.title == "pressed"
    done = await visitor.click("Seven")
    assert done.place.title == "Item 7"
    await visitor.goto("/shadow")
    action = await visitor.named("Shadow button")
    assert action.selector.in_shadow_root
    for fields in ({"id": action.id}, {"selector": action.selector}):
        await visitor.text("document.title = ''")
        assert (await visitor.do("click", **fields)).place.title == "shadow pressed"


async def test_what_nobody_can_use_is_left_out(visitor):
    await visitor.goto("/empty")
    await visitor.text(
        """document.body.innerHTML = `
        <button style="display:none">a</button><button style="visibility:hidden">b</button>
        <button disabled>c</button><div inert><button>d</button></div><a>no address</a>
        <input type=hidden><button aria-disabled=true>e</button><fieldset disabled></fieldset>
        <details><summary>Seen</summary><button>f</button></details>
        <div style="cursor:pointer">Pointed at</div><div onclick="1">Clicked</div>
        <label>Boxed <input type=checkbox style="opacity:0"></label>`; 1"""
    )
    assert {one.label for one in (await visitor.observe()).actions} == {
        "Seen",
        "Pointed at",
        "Clicked",
        "Boxed",
    }
    await visitor.click("Seen")
    assert (await visitor.named("f")).role == "button"


async def test_five_thousand_links_are_bounded_and_in_order(visitor):
    await visitor.goto("/links?count=5000")
    seen = await visitor.observe(100)
    assert [one.id for one in seen.actions] == [f"L{number}" for number in range(1, 101)]
    assert "4900 more things can be done here" in seen.description
    assert seen.category == "data-feed"
    await visitor.do("scroll_down", amount=1_000_000)
    low = await visitor.observe(100)
    assert "Item 5000" in {one.label for one in low.actions}
    # What is out of sight keeps its id, and can be used by it.
    assert (await visitor.do("click", id="L1")).place.title == "Item 1"


@pytest.mark.parametrize(
    ("path", "category"),
    [
        ("/login", "auth"),
        ("/payment", "payment"),
        ("/cookie-banner", "manage-cookies"),
        ("/captcha", "captcha"),
        ("/search?q=bees", "search-results"),
        ("/item/3", "item"),
        ("/article", "item"),
        ("/links?count=30", "data-feed"),
        ("/empty", "other"),
    ],
)
async def test_the_category_of_a_page(visitor, path, category):
    await visitor.goto(path)
    assert (await visitor.observe()).category == category


async def test_a_screenshot_is_a_jpeg_and_a_full_one_is_longer(visitor):
    await visitor.goto("/tall")
    seen = await visitor.pages.observe(actions_max=10, screenshot=True, markdown=True)
    assert seen.screenshot.startswith(b"\xff\xd8\xff")
    assert "Part 29" in seen.markdown
    full = await visitor.pages.screenshot(full_page=True)
    assert full.startswith(b"\xff\xd8\xff")
    assert len(full) > len(seen.screenshot)


async def test_an_article_is_read_without_what_is_around_it(visitor):
    await visitor.goto("/article")
    read = await visitor.pages.scrape(ScrapeWanted(images=True))
    url = visitor.sites.url
    for part in (
        "# How bees dance",
        f"[flowers]({url}/item/3)",
        "- the **waggle** dance",
        "| round | near |",
        "> Dance!",
        "angle = sun + food",
        f"![A bee on a flower]({url}/picture.png)",
    ):
        assert part in read.markdown
    for part in ("Advertisement", "Archive", "Imprint", "not to be seen", "dataset"):
        assert part not in read.markdown
    assert [(one.url, one.description) for one in read.images] == [
        (f"{url}/picture.png", "A bee on a flower")
    ]


async def test_what_to_read_can_be_chosen(visitor):
    await visitor.goto("/article")
    scrape = visitor.pages.scrape
    whole = (await scrape(ScrapeWanted(only_main_content=False))).markdown
    assert "Advertisement" in whole
    assert "Imprint" in whole
    plain = await scrape(ScrapeWanted(links=False))
    assert "](" not in plain.markdown
    assert "flowers" in plain.markdown
    assert plain.images == ()
    numbered = await scrape(ScrapeWanted(link_placeholders=True))
    assert "[flowers](link1)" in numbered.markdown
    assert numbered.placeholders["link1"] == visitor.sites.url + "/item/3"
    assert (await scrape(ScrapeWanted(selector="h2"))).markdown == "## Two dances"
    less = await scrape(ScrapeWanted(ignored_tags=("table", "H1")))
    assert "round | near" not in less.markdown
    assert "How bees dance" not in less.markdown


@pytest.mark.parametrize("selector", ["#nowhere", "h2["])
async def test_nothing_is_read_where_nothing_is(visitor, selector):
    await visitor.goto("/article")
    with pytest.raises(PageRefused):
        await visitor.pages.scrape(ScrapeWanted(selector=selector))


async def test_a_list_of_ten_thousand_is_read_without_numbers(visitor):
    await visitor.goto("/empty")
    await visitor.text("document.body.innerHTML = '<ol>' + '<li>a</li>'.repeat(10000); 1")
    assert (await visitor.pages.scrape(ScrapeWanted())).markdown.startswith("- a\n- a\n")
    await visitor.text("document.body.innerHTML = '<ol><li>a</li><li>b</li></ol>'; 1")
    assert (await visitor.pages.scrape(ScrapeWanted())).markdown == "1. a\n2. b"


async def test_a_huge_page_is_read_in_part(visitor):
    await visitor.goto("/huge?mib=5")
    read = await visitor.pages.scrape(ScrapeWanted())
    assert len(read.markdown) < 500_000
    assert read.markdown.endswith("(The page is longer than this.)")


async def test_a_page_cannot_spoil_what_is_said_of_it(visitor):
    await visitor.goto("/")
    await visitor.text(
        "document.title = '\\ud800' + 'x'.repeat(5e6); "
        "const one = document.querySelector('button'); one.textContent = 'y\\udc00'.repeat(1e5);"
        "one.id = '\\ud800'; one.setAttribute('name', '\\udc00'); 1"
    )
    seen = await visitor.observe()
    assert len(seen.place.title) <= 500
    (button,) = [one for one in seen.actions if one.role == "button"]
    assert 0 < len(button.label) <= 160
    assert button.label.encode()
    await visitor.text("JSON.stringify = () => 'x'.repeat(100); 1")
    with pytest.raises(PageRefused, match="cannot be read"):
        await visitor.observe()
    assert (await visitor.pages.place()).url == f"{visitor.sites.url}/"


async def test_selectors_of_odd_ids_find_their_elements(visitor):
    await visitor.goto("/empty")
    await visitor.text(
        """document.body.innerHTML = `<button id="1:a.b">one</button><button id=same>two</button>
        <p><button id=same>three</button></p><button id='q"q'>four</button><svg width=9 height=9
        onclick="1"><title>five</title><rect width=9 height=9 /></svg>`;
        document.querySelectorAll('button, svg').forEach(one => one.addEventListener('click',
          () => document.title = one.textContent.trim())); 1"""
    )
    for action in (await visitor.observe()).actions:
        for selector in (
            css(action.selector.css),
            type(action.selector)(xpath=action.selector.xpath),
        ):
            done = await visitor.do("click", selector=selector)
            assert done.place.title == action.label


async def test_a_frame_of_another_site_is_part_of_the_page(visitor):
    await visitor.goto("/empty")
    elsewhere = visitor.sites.url.replace("127.0.0.1", "localhost")
    await visitor.text(
        "new Promise((done) => { document.body.innerHTML = "
        f"'<iframe width=600 height=300 src={elsewhere}/frame/inner>'; "
        "document.querySelector('iframe').onload = () => done('loaded'); })"
    )
    button = await visitor.named("Press inside")
    await visitor.do("click", id=button.id)
    field = await visitor.named("Inside text")
    await visitor.do("fill", selector=field.selector, value="over there")
    assert (await visitor.named("Inside text")).param.default == "over there"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/text", "Nothing but <text>"),
        ("/feed.xml", "One"),
        ("/drawing.svg", ""),
        ("/picture.png", ""),
        ("/headers", "Host"),
    ],
)
async def test_what_is_no_html_is_observed_and_read(visitor, path, text):
    await visitor.goto(path)
    assert (await visitor.observe()).category == "other"
    assert text in (await visitor.pages.scrape(ScrapeWanted(only_main_content=False))).markdown
    assert (await visitor.pages.screenshot(full_page=True)).startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(
    "harm",
    [
        "window.Map = window.WeakMap = null",
        "window.Array.from = () => { throw 1 }",
        "Element.prototype.getBoundingClientRect = () => null",
        "Document.prototype.querySelectorAll = () => ({length: 1e6})",
        "Object.defineProperty(document, 'title', {get() { throw new Error('no') }})",
        "window.Promise = window.MutationObserver = undefined",
        "Object.defineProperty(HTMLElement.prototype, 'innerText', {get: () => ({})})",
    ],
)
async def test_a_page_that_breaks_its_own_world_only_harms_itself(visitor, harm):
    await visitor.goto("/")
    await visitor.act("evaluate_js", code=f"{harm}; 1")
    for call in (visitor.observe(), visitor.pages.scrape(ScrapeWanted())):
        with contextlib.suppress(PageRefused):
            await call
    await visitor.act("click", selector=css("button"), timeout_ms=2_000)
    await visitor.pages.place()
    assert (await visitor.goto("/form")).place.title == "Sign up"


async def test_what_a_page_asks_for_all_the_time_is_not_waited_for(visitor):
    await visitor.goto("/")
    await visitor.text("fetch('/slow?seconds=60'); document.title = 'asks'")
    seen = visitor.sites.seen
    await visitor.click("Say hello")
    assert seen.count("GET /slow?seconds=60") == 1
    assert await visitor.title() == "Greeted"
