"""What a user of Notte's client of old (notte 1.2.0) does; runs in the environment of that client.

python notte_early_driver.py SCENARIO URL KEY SITE [MORE]
"""

from __future__ import annotations

import base64
import datetime
import importlib
import sys
import urllib.parse
from typing import Any

# They are in the environment of the client, and not where this file is checked.
notte: Any = importlib.import_module("notte.sdk.client")
types: Any = importlib.import_module("notte.sdk.types")

CATEGORIES = {
    "homepage",
    "search-results",
    "data-feed",
    "item",
    "auth",
    "form",
    "manage-cookies",
    "payment",
    "captcha",
    "other",
}
JPEG = b"\xff\xd8\xff"


def equal(seen: Any, wanted: Any) -> None:
    """Fail with both where they differ."""
    if seen != wanted:
        raise AssertionError(f"seen   {seen!r}\nwanted {wanted!r}")


def refused(status: int, call: Any, *args: Any, **named: Any) -> str:
    """What the refusal of a call says; the client raises it with the whole body."""
    try:
        answer = call(*args, **named)
    except ValueError as error:
        (body,) = error.args
        equal(body["status"], status)
        return str(body["message"])
    raise AssertionError(f"not refused: {answer!r}")


def client(url: str, key: str) -> Any:
    """A client."""
    return notte.NotteClient(api_key=key, server_url=url)


def action_of(seen: Any, words: str) -> Any:
    """The action that the words describe."""
    found = [each for each in seen.space.actions() if words in each.description]
    if len(found) != 1:
        raise AssertionError(f"{words!r}: {[each.description for each in seen.space.actions()]}")
    return found[0]


def life(url: str, key: str, site: str) -> None:
    """Sections 2.2 and 2.3: start, look, close, and all that may go wrong with it."""
    user = client(url, key)
    with user:
        first = user.session_id
        seen = user.observe(url=site)
        equal(seen.clean_url, site.split("://")[1].rstrip("/"))
        equal(seen.screenshot, None)
        equal(user.session_id, first)
    equal(user.session_id, None)
    began = user.start(session_timeout_minutes=7, screenshot=True)
    equal((began.status, began.timeout_minutes, began.error), ("active", 7, None))
    assert began.created_at.tzinfo is not None
    assert began.duration >= datetime.timedelta(0)
    # The second start closes the first session by itself.
    again = user.start()
    assert again.session_id != began.session_id
    user.session_id = began.session_id
    assert "already closed" in refused(409, user.observe)
    equal(user.close().status, "closed")
    refused(400, user.close)
    refused(400, client(url, key).close)
    refused(401, client(url, "wrong").start)
    user.start()
    user.session_id = "01a200a3-4bc9-74da-9f5a-33d114fc16b0"
    refused(404, user.observe)
    refused(404, user.close)


def pages(url: str, key: str, site: str) -> None:
    """Section 2.2: what a page offers, and doing it."""
    user = client(url, key)
    user.start(screenshot=True)
    seen = user.observe(url=f"{site}/form")
    equal(seen.metadata.title, "Sign up")
    assert base64.b64decode(seen.screenshot).startswith(JPEG)
    assert seen.space.category.value in CATEGORIES
    assert "# " in seen.space.markdown()
    for each in seen.space.actions():
        equal(len(each.params), 1 if each.id[0] == "I" else 0)
    name = action_of(seen, "Full name")
    seen = user.step(action_id=name.id, value="Ada Lovelace", enter=False)
    country = action_of(seen, "Country")
    assert country.params[0].values, country
    seen = user.step(action_id=country.id, value=country.params[0].values[-1])
    seen = user.step(action_id=action_of(seen, "terms").id, value="true")
    seen = user.step(action_id=action_of(seen, "Create the account").id)
    equal(seen.metadata.url, f"{site}/submitted")
    said = user.scrape().data.markdown
    assert "Ada Lovelace" in said, said
    assert "terms" in said, said
    user.close()


def specials(url: str, key: str, site: str) -> None:
    """Section 2.2: what can be done on any page, S1 to S8."""
    user = client(url, key)
    user.start()
    seen = user.step(action_id="S1", value=site)
    equal((seen.metadata.title, seen.screenshot), ("Home", None))
    seen = user.step(action_id="S1", value=f"{site}/article")
    title = seen.metadata.title
    assert user.step(action_id="S2").data.markdown
    assert base64.b64decode(user.step(action_id="S3").screenshot).startswith(JPEG)
    equal(user.step(action_id="S4").metadata.title, "Home")
    equal(user.step(action_id="S5").metadata.title, title)
    equal(user.step(action_id="S6").metadata.title, title)
    equal(user.step(action_id="S7", value="0.1").metadata.title, title)
    refused(400, user.step, action_id="S1")
    refused(400, user.step, action_id="S7", value="100")
    seen = user.step(action_id="L99999")
    assert seen.space.description.startswith("L99999 failed: "), seen.space.description
    user.step(action_id="S8")
    assert "already closed" in refused(409, user.observe)
    equal(user.close().status, "closed")


def scraping(url: str, key: str, site: str) -> None:
    """Section 2.2: what a page says, with or without its frame and pictures."""
    user = client(url, key)
    user.start()
    whole = user.scrape(url=f"{site}/article", only_main_content=False, scrape_images=True)
    main = user.scrape()
    assert 0 < len(main.data.markdown) < len(whole.data.markdown)
    equal(main.data.images, None)
    assert whole.data.images[0].url.startswith(site), whole.data.images
    equal(main.has_space(), False)
    user.close()


def one_shots(url: str, key: str, site: str) -> None:
    """Section 2.3: who names no session gets one, which ends with the call unless it is kept."""
    user = client(url, key)
    seen = user.observe(url=site)
    equal(seen.metadata.title, "Home")
    equal(user.scrape(url=site).metadata.title, "Home")
    equal(user.session_id, None)
    refused(422, user.observe, url="file:///etc/passwd")
    refused(422, user.scrape, url="http://169.254.169.254/latest/meta-data/")
    refused(400, user.step, action_id="S6")
    kept = raw(user, "env/observe", types.ObserveRequest(url=site, keep_alive=True))
    equal(kept["session"]["status"], "active")
    user.start()
    user.close()
    ended = raw(user, "env/observe", types.ObserveRequest(url=site))
    equal(ended["session"]["status"], "closed")
    once = client(url, key)
    once.start(keep_alive=False)
    equal(once.observe(url=site).metadata.title, "Home")
    assert "already closed" in refused(409, once.observe)
    kept_id = kept["session"]["session_id"]
    closed = raw(user, "session/close", types.SessionRequest(session_id=kept_id))
    equal(closed["status"], "closed")


def raw(user: Any, path: str, request: Any) -> Any:
    """The answer as the client reads it before it takes it apart."""
    return user._request(path, request)


def main() -> None:
    """Play one scenario."""
    name, url, key, *more = sys.argv[1:]
    assert urllib.parse.urlsplit(url).hostname == "127.0.0.1", url
    globals()[name](url, key, *more)


if __name__ == "__main__":
    main()
