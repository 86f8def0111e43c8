"""Bytes to typed events and back, by name and version; old shapes are upcast on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

import msgspec

from eventstore.commit import Event
from eventstore.errors import UnknownEvent


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The data of one event type, which is called `NAME` in the log."""

    NAME: ClassVar[str]


Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the data of version n into the data of version n + 1; pure."""

FIRST_VERSION: Final = 1


class Codec:
    """Encodes and decodes one vocabulary: a set of fact types with their upcasters.

    `upcasters` maps (name, n) to the step from version n to n + 1; today's version of a type is
    one more than its highest step. The order of types and upcasters does not matter.
    """

    def __init__(
        self,
        types: Iterable[type[Fact]],
        upcasters: Mapping[tuple[str, int], Upcaster] | None = None,
    ) -> None:
        self._upcasters = dict(upcasters or {})
        self._steps: dict[str, int] = {}
        for name, step in self._upcasters:
            self._steps[name] = max(step, self._steps.get(name, 0))
        self._encoder = msgspec.json.Encoder()
        self._names: dict[type, tuple[str, int]] = {}
        self._decoders: dict[tuple[str, int], Callable[[msgspec.Raw], Any]] = {}
        self._types: dict[str, type[Fact]] = {}
        for struct in types:
            named = struct.NAME, self.version(struct.NAME)
            self._names[struct] = named
            self._decoders[named] = msgspec.json.Decoder(struct).decode
            self._types[struct.NAME] = struct

    def version(self, name: str) -> int:
        """Today's version of the type called `name`."""
        return self._steps.get(name, FIRST_VERSION - 1) + 1

    def encode(self, fact: Fact) -> Event:
        """The event that holds `fact` in today's shape; raises UnknownEvent."""
        try:
            name, version = self._names[type(fact)]
        except KeyError:
            raise UnknownEvent(type(fact).__name__) from None
        return Event(name, version, msgspec.Raw(self._encoder.encode(fact)))

    def decode(self, event: Event) -> Any:
        """The fact in `event`, upcast to today's shape; raises UnknownEvent."""
        decode = self._decoders.get((event.type, event.v))
        return self._upcast(event) if decode is None else decode(event.data)

    def _upcast(self, event: Event) -> Any:
        today = self.version(event.type)
        if event.type not in self._types or not FIRST_VERSION <= event.v < today:
            raise UnknownEvent(f"{event.type} version {event.v}")
        data = msgspec.json.decode(event.data, type=dict[str, Any])
        try:
            for version in range(event.v, today):
                data = self._upcasters[event.type, version](data)
        except (KeyError, TypeError, AttributeError) as error:
            # As a decoder says it of today's shape: the data are not those of that version.
            raise msgspec.ValidationError(f"{event.type} version {event.v}: {error!r}") from error
        return msgspec.convert(data, self._types[event.type])
