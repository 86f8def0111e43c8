"""How a user of Notte's client of today begins and ends sessions; runs where that client is.

python notte_life_driver.py SCENARIO URL KEY [MORE]
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

# They are in the environment of the client, and not where this file is checked.
notte_sdk: Any = importlib.import_module("notte_sdk")


def equal(seen: Any, wanted: Any) -> None:
    """Fail with both where they differ."""
    if seen != wanted:
        raise AssertionError(f"seen   {seen!r}\nwanted {wanted!r}")


def refused(status: int, call: Any, *args: Any, **named: Any) -> str:
    """What the refusal of a call says."""
    try:
        answer = call(*args, **named)
    except Exception as error:
        if type(error).__name__ != "NotteAPIError":
            raise
        body: Any = getattr(error, "error", None)
        equal((getattr(error, "status_code", None), body["status"]), (status, status))
        return str(body["message"])
    raise AssertionError(f"not refused: {answer!r}")


def client(url: str, key: str) -> Any:
    """A client."""
    return notte_sdk.NotteClient(api_key=key, server_url=url)


def life(url: str, key: str) -> None:
    """Sections 3.2 to 3.8: a session from its beginning to its end, and past it."""
    user = client(url, key)
    user.health_check()
    with user.Session() as session:
        began = session.status()
        equal(
            (began.status, began.idle_timeout_minutes, began.max_duration_minutes),
            ("active", 3, 15),
        )
        assert began.created_at.tzinfo is not None
        assert session.cdp_url().startswith("ws")
        equal(session.offset(), 0)
        equal(user.sessions.auth_readiness(session.session_id).status, "active")
        assert session.session_id in [each.session_id for each in user.sessions.list()]
        attached = user.Session(session.session_id)
        equal(attached.session_id, session.session_id)
    session_id = session.session_id
    equal((session.response.status, session.response.close_reason), ("closed", "manual"))
    session.stop()
    equal(user.sessions.stop(session_id).status, "closed")
    equal(user.sessions.status(session_id).status, "closed")
    assert session_id not in [each.session_id for each in user.sessions.list()]
    over = user.sessions.list(only_active=False, page=1, page_size=1)
    equal([each.session_id for each in over], [session_id])
    assert "already closed" in refused(409, session.observe)
    broken = user.Session(idle_timeout_minutes=1, max_duration_minutes=2)
    with contextlib.suppress(KeyError), broken:
        raise KeyError("of the user's own")
    equal((broken.response.status, broken.response.close_reason), ("closed", "error"))


def choices(url: str, key: str) -> None:
    """Section 3.3: what a session may be asked to be, and what it may not."""
    user = client(url, key)
    every = {
        "solve_captchas": False,
        "browser_type": "chrome",
        "viewport_width": 900,
        "viewport_height": 700,
        "user_agent": "Lab/1",
        "extra_http_headers": {"X-Lab": "1"},
        "proxies": [{"type": "external", "server": "http://proxy.test:3128"}],
        "idle_timeout_minutes": 30,
        "max_duration_minutes": 1440,
    }
    with user.Session(**every) as session:
        # The browser says of itself what it is once it answers.
        session.execute(type="goto", url="http://site.test/")
        seen = session.status()
        equal((seen.viewport_width, seen.viewport_height), (900, 700))
        equal((seen.user_agent, seen.proxies), ("Lab/1", True))
    with user.Session(proxies=True) as session:
        equal(session.response.proxies, False)
    for wrong in (
        {"idle_timeout_minutes": 31},
        {"idle_timeout_minutes": 16},
        {"max_duration_minutes": 0},
        {"viewport_width": 800},
        {"viewport_width": 499, "viewport_height": 800},
        {"proxies": [{"type": "notte", "country": "us"}]},
        {"chrome_args": ["--x"]},
        {"web_bot_auth": True},
    ):
        assert refused(422, user.Session(**wrong).start), wrong
    refused(401, client(url, "wrong").Session().start)
    nothing = "01a200a3-4bc9-74da-9f5a-33d114fc16b0"
    for call in (user.sessions.status, user.sessions.stop, user.sessions.offset, user.Session):
        refused(404, call, nothing)
    assert "does not offer" in refused(501, user.vaults.list)
    assert "does not offer" in refused(501, user.personas.list)


def storage(url: str, key: str) -> None:
    """Section 3.2: files go up, are listed, come down and go."""
    user = client(url, key)
    with user.Session() as session, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a file.txt"
        path.write_bytes(b"\0\r\n--bytes" * 9999)
        up = session.storage.upload(str(path), upload_file_name="ein \u00fc file.txt")
        equal((up.filename, up.size), ("ein \u00fc file.txt", path.stat().st_size))
        listed = session.storage.list()
        equal([each.id for each in listed.files], [up.id])
        equal(session.storage.list("session_download").total, 0)
        down = session.storage.download(up.id, f"{folder}/down")
        equal(Path(down).read_bytes(), path.read_bytes())
        session.storage.delete(up.id)
        equal(session.storage.list().total, 0)
        refused(404, session.storage.delete, up.id)


if __name__ == "__main__":
    scenario, *rest = sys.argv[1:]
    globals()[scenario](*rest)
