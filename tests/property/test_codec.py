"""What was encoded comes back, and what was encoded long ago comes back in today's shape."""

from typing import ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.codec import Codec, Fact
from eventstore.commit import Event
from eventstore.errors import UnknownEvent
from projections.events import CODEC, VOCABULARY
from tests.support.facts import structs_of
from tests.support.logs import event


class PersonNamed(Fact, frozen=True, kw_only=True):
    """A type with two older shapes: {"full": str}, then {"name": str}."""

    NAME: ClassVar = "person.named"

    names: tuple[str, ...]
    title: str = ""


class PersonLeft(Fact, frozen=True, kw_only=True):
    """A type that never changed."""

    NAME: ClassVar = "person.left"


UPCASTERS = {
    ("person.named", 2): lambda data: {**data, "names": data["name"].split()},
    ("person.named", 1): lambda data: {"name": data["full"]},
}
PEOPLE = Codec([PersonNamed, PersonLeft], UPCASTERS)


@pytest.mark.parametrize("kind", VOCABULARY, ids=lambda kind: kind.NAME)
@settings(max_examples=50)
@given(data=st.data())
def test_every_fact_comes_back_as_it_was(kind, data):
    fact = data.draw(structs_of(kind))
    encoded = CODEC.encode(fact)
    assert (encoded.type, encoded.v) == (kind.NAME, CODEC.version(kind.NAME))
    assert CODEC.decode(encoded) == fact
    assert CODEC.encode(CODEC.decode(encoded)) == encoded


@pytest.mark.parametrize("kind", VOCABULARY, ids=lambda kind: kind.NAME)
@settings(max_examples=20)
@given(data=st.data())
def test_a_field_of_a_later_version_is_passed_over(kind, data):
    fact = data.draw(structs_of(kind))
    encoded = CODEC.encode(fact)
    more = {**msgspec.json.decode(encoded.data), "added later": [1]}
    assert CODEC.decode(event(more, encoded.type, encoded.v)) == fact


def test_no_two_facts_share_a_name():
    names = [kind.NAME for kind in VOCABULARY]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and name.count(".") == 1 for name in names)


@pytest.mark.parametrize(
    ("version", "data"),
    [
        (1, {"full": "Ada Lovelace"}),
        (2, {"name": "Ada Lovelace"}),
        (3, {"names": ["Ada", "Lovelace"]}),
    ],
)
def test_old_shapes_are_upcast_step_by_step(version, data):
    decoded = PEOPLE.decode(event(data, "person.named", version))
    assert decoded == PersonNamed(names=("Ada", "Lovelace"))


def test_a_fact_is_written_in_todays_shape():
    encoded = PEOPLE.encode(PersonNamed(names=("Ada",)))
    assert encoded == Event("person.named", 3, msgspec.Raw(b'{"names":["Ada"]}'))
    assert PEOPLE.encode(PersonLeft()) == Event("person.left", 1, msgspec.Raw(b"{}"))


@pytest.mark.parametrize(
    "unknown",
    [
        event({}, "person.returned"),
        event({}, ""),
        event({"names": []}, "person.named", 4),
        event({"names": []}, "person.named", 0),
        event({"names": []}, "person.named", -1),
        event({}, "person.left", 2),
    ],
)
def test_a_type_or_version_nobody_knows_is_refused(unknown):
    with pytest.raises(UnknownEvent) as caught:
        PEOPLE.decode(unknown)
    assert unknown.type in str(caught.value)


def test_a_fact_of_another_vocabulary_is_refused():
    with pytest.raises(UnknownEvent, match="PersonLeft"):
        CODEC.encode(PersonLeft())


@pytest.mark.parametrize("data", [None, [], {}, {"name": 3}, {"name": "x", "title": 3}])
def test_an_older_shape_that_does_not_fit_is_refused(data):
    with pytest.raises(msgspec.ValidationError):
        PEOPLE.decode(event(data, "person.named", 2))
