"""Devin v3: whatever comes is taken as its shape says, or refused by one Failure (section 4)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from sessions.dialects.devin.attached import addresses_in, attachment_id, line_of, unfit
from sessions.dialects.devin.v3 import wire, wire_changes, wire_lists, wire_secrets, wire_shelves
from sessions.failure import Failure
from tests.support.facts import json_values

NAMES = [
    *("name", "body", "trigger", "pinned_repo", "title", "macro", "message", "tags"),
    *("type", "key", "value", "is_sensitive", "note", "message_as_user_id"),
]
QUERY = [
    *("first", "limit", "after", "tags", "session_ids", "origins", "playbook_id", "schedule_id"),
    *("created_after", "created_before", "updated_after", "updated_before", "user_ids"),
    "service_user_ids",
]
values = json_values | st.text(max_size=3) | st.booleans() | st.lists(st.text(max_size=3))
bodies = json_values | st.dictionaries(st.sampled_from(NAMES), values)
texts = st.text(max_size=5) | st.integers(-2, 1 << 70).map(str) | st.sampled_from(["api", "1.2"])
queries = st.lists(st.tuples(st.sampled_from(QUERY), texts), max_size=6)
DECODERS: list[Callable[[Any], Any]] = [
    wire_changes.message,
    wire_changes.tags,
    wire_secrets.new_secret,
    wire_shelves.new_note,
    wire_shelves.changed_note,
    wire_shelves.new_playbook,
    wire_shelves.changed_playbook,
]


def refused(decode: Callable[[Any], Any], given_: Any) -> list[list[Any]]:
    """The places that are wrong as v3 tells them; none for what is taken."""
    try:
        decode(given_)
    except Failure as failure:
        reply = wire.encode_failure(failure)
        places = [one["loc"] for one in msgspec.json.decode(reply.body)["detail"]]
        return places if reply.status == 422 and places else [["not", reply.status]]
    return []


@given(bodies)
def test_any_json_is_taken_or_refused_with_422(body: Any) -> None:
    for decode in DECODERS:
        assert all(place[0] == "body" for place in refused(decode, body)), decode


@given(queries)
def test_any_query_is_a_part_of_a_list_or_refused_with_422(pairs: list[tuple[str, str]]) -> None:
    query = MultiDict(pairs)
    places = refused(lambda given_: wire_lists.sessions(given_, "lab"), query)
    assert all(place[0] == "query" for place in places)
    if not places:
        asked = wire_lists.sessions(query, "lab")
        assert 1 <= asked.first <= wire_lists.FIRST_MAX
        assert asked.wanted is None or asked.wanted.tenant == "lab"


@given(st.lists(st.tuples(st.integers(0, 1 << 50), st.integers(0, 200)), max_size=5))
def test_a_mark_is_itself_there_and_back(marks: list[tuple[int, int]]) -> None:
    for mark in marks:
        assert wire_lists.mark_of(MultiDict(after=wire_lists.mark_text(mark))) == mark


@given(st.lists(st.text(min_size=1, max_size=30)), st.text(max_size=20))
def test_a_file_that_a_prompt_names_is_found_in_it(urls: list[str], before: str) -> None:
    fit = [url for url in urls if not unfit(url)]
    prompt = "\n".join(("do it", *map(line_of, fit), "now"))
    assert addresses_in(prompt) == fit


@given(st.uuids(), st.text("ab/?#:[]%", max_size=10))
def test_the_id_of_an_attachment_is_read_from_its_address(uuid: UUID, text: str) -> None:
    assert attachment_id(f"http://lab/devin/v1/attachments/{uuid}/a%20b.txt") == str(uuid)
    assert attachment_id(f"http://lab/{text}") is None
    assert attachment_id(f"http://{text}/{uuid}") is None


@given(st.lists(st.integers(), max_size=8), st.integers(1, 8))
def test_a_page_has_a_cursor_just_where_more_follows(found: list[int], first: int) -> None:
    page = wire.page_of(found, first, lambda one: one, str)
    assert list(page.items) == found[:first]
    assert page.has_next_page == (len(found) > first)
    assert (page.end_cursor is not None) == page.has_next_page
