"""Handlers of WAVE's results API, but for the one by which a device reports a test."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Final

from aiohttp import web

from eventstore.errors import ArtifactTooLarge
from projections.folds.session import Session
from projections.views.lists import sessions_by_id_prefix
from sessions.caller import Caller
from sessions.dialects.wave import archives, report_page, viewer, wire, wire_imports, wire_results
from sessions.dialects.wave.access import wave_caller
from sessions.dialects.wave.outcomes import shown
from sessions.dialects.wave.run_results import UPLOAD_BYTES_MAX
from sessions.dialects.wave.sessions import answer, done, test_run, test_run_or_none
from sessions.domain.rejections import NotFound
from sessions.failure import Failure
from sessions.web.appkeys import ARTIFACTS, CLOCK_US, FOLLOWER, LOG, RESULTS, RUNS, SETTINGS, VIEWS
from sessions.web.bodies import body_parts

# A comparison's name has only the fronts of tokens: so many sessions may share one.
_SHARING_MAX: Final = 8
_TRIED_MAX: Final = 4_096


async def config(request: web.Request) -> web.Response:
    """What the results API can do here (section 1.9)."""
    wave_caller(request, "sessions:read")
    return answer(wire_results.Config(request.app[SETTINGS].wave_import, reports_enabled=True))


async def read(request: web.Request) -> web.Response:
    """All results of a session, or those below `path` (sections 1.4 and 1.9)."""
    who = wave_caller(request, "sessions:read")
    results = await request.app[RESULTS].results((await _session(request, who)).id, who)
    return answer(wire_results.selected(results, request.query.get("path", "")))


async def compact(request: web.Request) -> web.Response:
    """What the results of each API add up to (section 1.4)."""
    who = wave_caller(request, "sessions:read")
    state = await _session(request, who)
    return answer(wire_results.compact(await request.app[RUNS].counts(state.id, who)))


async def json_zip(request: web.Request) -> web.Response:
    """A zip with one file of results for each API; empty for a session of nobody (1.4)."""
    who = wave_caller(request, "sessions:read")
    state = await test_run_or_none(request, who)
    files = {} if state is None else await request.app[RESULTS].files(state.id, who)
    packed = await asyncio.to_thread(
        archives.pack, [(f"{wire_results.folder(api)}.json", files[api]) for api in sorted(files)]
    )
    front = wire_results.folder(request.match_info["token"][: wire_results.FRONT_CHARS])
    return _download(packed, f"{front}_results_json.zip")


async def export(request: web.Request) -> web.Response:
    """A zip of everything about a completed session, which `import` takes (section 1.4)."""
    who = wave_caller(request, "sessions:read")
    state = await _session(request, who)
    if state.status != "completed":
        raise NotFound("The session is not completed.")
    files = await request.app[RESULTS].files(state.id, who)
    info = wire.text(await _info(request, state, who))
    name = wire_results.file_name(state)
    folders = [(f"{wire_results.folder(api)}/{name}.json", files[api]) for api in sorted(files)]
    packed = await asyncio.to_thread(archives.pack, [(wire_imports.INFO, info), *folders])
    return _download(packed, f"{state.id}.zip")


async def overview(request: web.Request) -> web.Response:
    """A zip with a page that shows the sums of a session without any server (section 1.4)."""
    who = wave_caller(request, "sessions:read")
    state = await _session(request, who)
    sums = wire_results.compact(await request.app[RUNS].counts(state.id, who))
    entries = [
        ("index.html", viewer.PAGE),
        ("results.json.js", wire_results.script("results", sums)),
        ("details.json.js", wire_results.script("details", await _info(request, state, who))),
    ]
    packed = await asyncio.to_thread(archives.pack, entries)
    return _download(packed, f"{state.id[: wire_results.FRONT_CHARS]}_results_html.zip")


async def api_json(request: web.Request) -> web.Response:
    """The results of one API as a file; as it was uploaded, if it was (section 1.4)."""
    who = wave_caller(request, "sessions:read")
    state, api = await _session(request, who), request.match_info["api"]
    content = (await request.app[RESULTS].files(state.id, who, api)).get(api)
    if content is None:
        raise NotFound("The session has no results of this API.")
    front, name = state.id[: wire_results.FRONT_CHARS], wire_results.file_name(state)
    return _download(content, f"{front}-{wire_results.folder(api)}-{name}.json")


async def replace_api_json(request: web.Request) -> web.Response:
    """Take a file in the place of all results of one API (sections 1.4 and 5.2)."""
    who = wave_caller(request, "sessions:write")
    state, api = await _session(request, who), request.match_info["api"]
    if (request.content_length or 0) > UPLOAD_BYTES_MAX:
        raise ArtifactTooLarge(f"more than {UPLOAD_BYTES_MAX} bytes")
    run = await request.app[RUNS].get(state.id, who)
    await request.app[RESULTS].replace(state.id, api, run, body_parts(request), who)
    return done()


async def report_uri(request: web.Request) -> web.Response:
    """Where the report of an API is, null where there are no results of it (section 1.4)."""
    who = wave_caller(request, "sessions:read")
    state, api = await test_run_or_none(request, who), request.match_info["api"]
    if state is None:
        return answer(wire_results.Uri(None))
    run = await request.app[RUNS].get(state.id, who)
    counts = run.counts.get(api)
    there = api in run.replaced or (counts is not None and counts.complete > 0)
    return answer(wire_results.Uri(wire_results.report_uri(state.id, api) if there else None))


async def comparison_uri(request: web.Request) -> web.Response:
    """Where sessions are compared by their results of an API (sections 1.4 and 1.9)."""
    who = wave_caller(request, "sessions:read")
    tokens = {token.strip() for token in request.query.get("tokens", "").split(",")} - {""}
    if not 0 < len(tokens) <= wire_results.COMPARED_MAX:
        detail = f"tokens: 1 to {wire_results.COMPARED_MAX} tokens, separated by commas"
        raise Failure(400, "bad_tokens", detail)
    states = [await test_run(request, token, who) for token in sorted(tokens)]
    place = wire_results.comparison(state.id for state in states)
    return answer(wire_results.Uri(wire_results.report_uri(place, request.match_info["api"])))


async def report(request: web.Request) -> web.Response:
    """The page behind the URIs above: one session, or several side by side."""
    who = wave_caller(request, "sessions:read")
    place, api = request.match_info["place"], request.match_info["api"]
    if len(place) == wire.TOKEN_CHARS:
        states = [await test_run(request, place, who)]
    else:
        states = await _compared(request, place, who)
    columns = []
    for state in states:
        results = await request.app[RESULTS].of_api(state.id, api, who)
        browser = wire.configuration(state).browser
        columns.append(
            report_page.Column(
                token=state.id,
                browser=f"{browser.name} {browser.version}",
                labels=state.labels,
                results={one.path: shown(one) for one in results},
            )
        )
    text = await asyncio.to_thread("".join, report_page.page(api, columns))
    return web.Response(text=text, content_type="text/html", headers=report_page.HEADERS)


async def import_(request: web.Request) -> web.Response:
    """Make the session that an export tells of (sections 1.4 and 1.9)."""
    who = wave_caller(request, "sessions:write")
    if not request.app[SETTINGS].wave_import:
        raise Failure(403, "import_disabled", "Imports are switched off.")
    request.app[ARTIFACTS].check_size(request.content_length)
    state = await request.app[RESULTS].import_session(body_parts(request), who)
    return answer(wire.Token(state.id))


async def _session(request: web.Request, who: Caller) -> Session:
    return await test_run(request, request.match_info["token"], who)


async def _info(request: web.Request, state: Session, who: Caller) -> dict[str, object]:
    run = await request.app[RUNS].get(state.id, who)
    last = next(reversed(run.completed), wire.elsewhere(state).last_completed_test)
    counts = await request.app[RUNS].counts(state.id, who)
    return wire_results.info(state, counts, run.malfunctioning, last)


async def _compared(request: web.Request, place: str, who: Caller) -> list[Session]:
    """The sessions that a comparison is named after; raises NotFound."""
    fronts = place.removeprefix("comparison-").split("-")[:-1]
    whole = all(len(front) == wire_results.FRONT_CHARS for front in fronts)
    if not (whole and 0 < len(fronts) <= wire_results.COMPARED_MAX):
        raise NotFound
    await request.app[FOLLOWER].reached(request.app[LOG].size)
    tenant = None if who.admin else who.tenant
    now = request.app[CLOCK_US]()
    sharing = []
    for front in fronts:
        found = await sessions_by_id_prefix(
            request.app[VIEWS],
            front,
            tenant=tenant,
            kind="test_run",
            now=now,
            limit=_SHARING_MAX,
        )
        sharing.append([state.id for state in found])
    for tokens in _choices(sharing):
        if wire_results.comparison(tokens) == place:
            return [await test_run(request, token, who) for token in sorted(tokens)]
    raise NotFound


def _choices(sharing: list[list[str]]) -> Iterator[tuple[str, ...]]:
    return itertools.islice(itertools.product(*sharing), _TRIED_MAX)


def _download(content: bytes, name: str) -> web.Response:
    headers = {
        "Content-Disposition": f"attachment;filename={name}",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(body=content, content_type=wire_results.ZIP, headers=headers)
