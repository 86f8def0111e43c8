"""An answer is kept for as long as its session is as it was, and only so many are."""

import msgspec

from sessions.dialects.rendered import RENDERED_BYTES_MAX, Rendered
from tests.support.sessions import session_in


class Views:
    """Counts how often it is asked."""

    def __init__(self):
        self.made = 0

    def __call__(self, state, shown):
        self.made += 1
        return {"title": state.title, "shown": shown}


def test_an_answer_is_made_once_for_a_state_and_anew_for_the_next():
    rendered, view = Rendered(), Views()
    state = session_in("running", title="one")
    first = rendered.body(state, "a", view)
    assert first == b'{"title":"one","shown":"a"}'
    assert rendered.body(state, "a", view) is first
    assert view.made == 1
    assert rendered.body(state, "b", view) == b'{"title":"one","shown":"b"}'
    after = msgspec.structs.replace(state, title="two")
    assert rendered.body(after, "b", view) == b'{"title":"two","shown":"b"}'
    assert rendered.body(state, "b", view) == b'{"title":"one","shown":"b"}'


def test_the_oldest_answers_make_room():
    rendered, view = Rendered(answers_max=2), Views()
    states = [msgspec.structs.replace(session_in("running"), id=name) for name in ("a", "b", "c")]
    for state in states:
        rendered.body(state, "", view)
    for state in reversed(states[1:]):
        rendered.body(state, "", view)
    assert view.made == 3
    rendered.body(states[0], "", view)
    assert view.made == 4


def test_all_answers_together_are_bounded_by_their_bytes():
    bodies = {name: f'"{name * 8}"'.encode() for name in "abcd"}
    states = {name: msgspec.structs.replace(session_in("running"), id=name) for name in bodies}
    rendered = Rendered(total_bytes_max=30)
    for name in "abbcb":  # one that is replaced makes the room that its next one takes
        assert rendered.keep(states[name], name, name * 8) == bodies[name]
    assert [rendered.known(states[name], name) for name in "abc"] == [
        bodies[name] for name in "abc"
    ]
    rendered.keep(states["d"], "d", "d" * 8)
    assert [name for name in bodies if rendered.known(states[name], name)] == ["b", "c", "d"]
    rendered.keep(states["b"], "b", "b" * 18)
    assert [name for name in bodies if rendered.known(states[name], name)] == ["b", "d"]


def test_a_large_answer_is_whole_and_is_not_kept():
    rendered, view = Rendered(), Views()
    state = msgspec.structs.replace(session_in("running"), title="x" * RENDERED_BYTES_MAX)
    assert msgspec.json.decode(rendered.body(state, "", view))["title"] == state.title
    rendered.body(state, "", view)
    assert view.made == 2
