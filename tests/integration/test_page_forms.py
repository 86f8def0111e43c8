"""Forms on pages of a real Chromium: what is filled in is what arrives (section 3.6)."""

import json

import pytest
import pytest_asyncio

from tests.support.browsers import needs_chromium
from tests.support.visits import chromium, css, visiting

pytestmark = [
    pytest.mark.slow,  # a Chromium for all of them
    pytest.mark.asyncio(loop_scope="module"),
    needs_chromium,
]
INVALID = "InvalidActionError"
FAILED = "ActionExecutionError"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened():
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(opened, tmp_path):
    async with visiting(opened, tmp_path) as visitor:
        await visitor.goto("/form")
        yield visitor


async def submitted(visitor):
    await visitor.click("Create the account")
    return json.loads(await visitor.text("document.body.innerText"))


async def test_all_that_is_filled_in_arrives(visitor):
    photo = visitor.folder / "photo.png"
    photo.write_bytes(b"picture")
    ids = {one.label: one.id for one in (await visitor.observe()).actions}
    for label, value in (
        ("Full name", "Ada Löwe"),
        ("Email", "ada@example.org"),
        ("Password", "hunter2"),
        ("About you", "two\nlines"),
        ("Born", "1815-12-10"),
    ):
        done = await visitor.do("fill", id=ids[label], value=value)
        assert done.secret is (label == "Password")
        assert done.label == label
    await visitor.do("select_dropdown_option", id=ids["Country"], value="Germany")
    await visitor.do("check", id=ids["I accept the terms"], value=True)
    await visitor.do("check", id=ids["Large"], value="true")
    await visitor.do("upload_file", id=ids["Photo"], file=photo)
    assert await submitted(visitor) == {
        "name": "Ada Löwe",
        "email": "ada@example.org",
        "password": "hunter2",
        "phone": "",
        "about": "two\r\nlines",
        "country": "de",
        "terms": "yes",
        "plan": "large",
        "photo": "file photo.png",
        "born": "1815-12-10",
        "hidden": "secret",
    }


async def test_a_field_is_cleared_or_added_to_and_enter_submits(visitor):
    field = await visitor.named("Full name")
    await visitor.do("fill", id=field.id, value=" else", clear_before_fill=False)
    assert await visitor.text("document.querySelector('#name').value") == "nobody else"
    done = await visitor.do("fill", id=field.id, value="Ada", press_enter=True)
    assert done.place.url.endswith("/submitted")


async def test_text_that_can_be_edited_is_filled(visitor):
    note = await visitor.named("A note")
    await visitor.do("fill", id=note.id, value="a note of mine")
    assert await visitor.text("note.textContent") == "a note of mine"


async def test_a_box_is_checked_and_cleared(visitor):
    box = await visitor.named("I accept the terms")
    state = "document.querySelector('[name=terms]').checked"
    for value, checked in ((True, "true"), (False, "false"), (None, "true"), ("no", "false")):
        await visitor.do("check", id=box.id, value=value)
        assert await visitor.text(state) == checked
    assert (await visitor.fails("check", id=box.id, value="perhaps"))[1] == INVALID


async def test_a_box_that_is_only_a_picture_is_checked(visitor):
    await visitor.text(
        "document.body.innerHTML = '<label for=a>Fancy</label><input id=a type=checkbox "
        'style="position:absolute;left:-999px;opacity:0">\'; 1'
    )
    await visitor.do("check", id=(await visitor.named("Fancy")).id, value=True)
    assert await visitor.text("a.checked") == "true"


async def test_a_box_that_changes_slowly_is_not_changed_back(visitor, monkeypatch):
    monkeypatch.setattr("sessions.runtimes.browser.page.fields.PATIENCE_MS", 500)
    await visitor.text(
        "document.body.innerHTML = '<label>Slow <input id=a type=checkbox></label>'; a.onclick = "
        "() => { const began = Date.now(); while (Date.now() - began < 1500); }; 1"
    )
    await visitor.do("check", id=(await visitor.named("Slow")).id, value=True)
    assert await visitor.text("a.checked") == "true"


async def test_an_option_is_found_by_label_or_value(visitor):
    country = await visitor.named("Country")
    for value, option in (("Germany", "de"), ("fr", "fr"), ("GERMANY ", "de"), ("choose", "")):
        await visitor.do("select_dropdown_option", id=country.id, value=value)
        assert await visitor.text("document.querySelector('[name=country]').value") == option
    message, kind = await visitor.fails("select_dropdown_option", id=country.id, value="Italy")
    assert "has no option 'Italy'" in message
    assert "'Germany'" in message
    assert kind == INVALID


@pytest.mark.parametrize(
    ("type", "label", "fields", "why"),
    [
        ("fill", "Create the account", {"value": "x"}, "takes no text"),
        ("fill", "Full name", {}, "no text to fill in"),
        ("fill", "Full name", {"value": "x" * 1_048_577}, "longer than 1048576"),
        ("fill", "Born", {"value": "yesterday"}, "no such value"),
        ("check", "Full name", {"value": True}, "ot a checkbox"),
        ("select_dropdown_option", "Full name", {"value": "x"}, "has no options"),
        ("select_dropdown_option", "Country", {}, "names no option"),
        ("upload_file", "Photo", {}, "names no file"),
    ],
)
async def test_what_a_field_does_not_take_fails(visitor, type, label, fields, why):
    action = await visitor.named(label)
    message, kind = await visitor.fails(type, id=action.id, **fields)
    assert why in message
    assert kind == INVALID


async def test_a_file_goes_to_a_button_that_asks_for_one(visitor):
    file = visitor.folder / "a.txt"
    file.write_text("a")
    await visitor.text(
        "document.body.innerHTML = '<button onclick=pick.click()>Choose</button>"
        '<input id=pick type=file style="display:none">\'; 1'
    )
    await visitor.do("upload_file", selector=css("button"), file=file)
    assert await visitor.text("pick.files[0].name") == "a.txt"
    (visitor.folder / "a.txt").unlink()
    assert "no file" in (await visitor.fails("upload_file", selector=css("#pick"), file=file))[0]


async def test_a_form_is_filled_by_what_its_fields_are_for(visitor):
    done = await visitor.do(
        "form_fill",
        values={
            "full_name": "Ada",
            "email": "ada@example.org",
            "new_password": "hunter2",
            "phone": "0123",
            "country": "France",
        },
    )
    assert done.secret
    assert "hunter2" not in done.message
    said = await submitted(visitor)
    assert said["name"] == "Ada"
    assert said["email"] == "ada@example.org"
    assert said["password"] == "hunter2"
    assert said["phone"] == "0123"
    assert said["country"] == "fr"


async def test_a_login_and_a_card_are_found_too(visitor):
    await visitor.goto("/login")
    await visitor.do("form_fill", values={"username": "ada", "password": "hunter2"})
    assert await visitor.text("document.querySelector('[name=user]').value") == "ada"
    assert await visitor.text("document.querySelector('[name=password]').value") == "hunter2"
    await visitor.goto("/payment")
    done = await visitor.do("form_fill", values={"cc_number": "4111", "cc_cvv": "123"})
    assert done.secret
    assert await visitor.text("document.querySelector('[name=cvc]').value") == "123"


async def test_what_a_form_has_no_field_for_is_told(visitor):
    message, kind = await visitor.fails("form_fill", values={"email": "a@b.c", "totp": "1"})
    assert message == "Filled email; the page has no field for totp"
    assert kind == FAILED
    assert (await visitor.fails("form_fill", values={}))[1] == INVALID


async def test_half_a_character_breaks_nothing(visitor):
    half = "\ud800"
    field = await visitor.named("Full name")
    for type, fields in (
        ("fill", {"id": field.id, "value": half}),
        ("fill", {"id": half, "value": "x"}),
        ("click", {"selector": css(f"#a{half}"), "timeout_ms": 300}),
        ("press_key", {"key": half}),
        ("evaluate_js", {"code": f"'{half}'"}),
        ("goto", {"url": f"{visitor.sites.url}/{half}"}),
        ("form_fill", {"values": {half: half}}),
    ):
        done = await visitor.act(type, **fields)
        assert done.message.encode()
        assert done.place is not None
        assert done.place.url.encode()
