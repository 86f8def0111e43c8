"""Keys: shown once, kept as hashes, looked up by hash."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from eventstore.commit import START, Append, Position
from eventstore.errors import Conflict
from eventstore.ports import EventLog
from projections.events import CODEC
from projections.events.access import KeyIssued, KeyRevoked, Scope
from projections.folds.access import PREFIX, Key
from projections.states import States
from sessions import ids
from sessions.caller import DEFAULT_TENANT, Caller
from sessions.domain.rejections import InvalidValue, NotFound

CONFLICT_RETRIES_MAX: Final = 16
SECRET_CHARS: Final = 40
NAME_CHARS_MAX: Final = 200
PREFIX_CHARS_MAX: Final = 16
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class NewKey(msgspec.Struct, frozen=True):
    """A key at the one moment when it can be read."""

    key: Key
    secret: str


class Access:
    """The keys of the service; `admin_secret` opens everything and is never written anywhere."""

    def __init__(
        self, log: EventLog, states: States, keys: Iterable[Key], admin_secret: str | None
    ) -> None:
        self._log = log
        self._states = states
        self._keys = {key.id: key for key in keys}
        self._callers = {
            bytes.fromhex(key.digest): _caller(key)
            for key in self._keys.values()
            if key.revoked_at is None
        }
        if admin_secret:
            admin = Caller(actor="key:admin", tenant=DEFAULT_TENANT, scopes=("admin",))
            self._callers[_digest(admin_secret)] = admin

    @property
    def empty(self) -> bool:
        """True if nobody can get in."""
        return not self._callers

    def caller(self, secret: str) -> Caller | None:
        """Whose key `secret` is, None if it opens nothing."""
        return self._callers.get(_digest(secret))

    def keys(self, who: Caller) -> list[Key]:
        """The keys that `who` may see, oldest first."""
        return [key for key in self._keys.values() if who.sees(key.tenant)]

    def notify(self, state: Key) -> None:
        """Take up a key that the log has just issued or revoked."""
        self._keys[state.id] = state
        digest = bytes.fromhex(state.digest)
        if state.revoked_at is None:
            self._callers[digest] = _caller(state)
        else:
            self._callers.pop(digest, None)

    async def issue(
        self, who: Caller, *, name: str, tenant: str, scopes: tuple[Scope, ...], prefix: str
    ) -> NewKey:
        """A new key; its secret is in the answer and nowhere else."""
        _check_words(name, tenant, prefix)
        secret = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_CHARS))
        digest = _digest(secret).hex()
        issued = KeyIssued(name=name, digest=digest, prefix=prefix, tenant=tenant, scopes=scopes)
        key_id = ids.uuid7()
        await self._append(who, tenant, key_id, issued, START)
        return NewKey(self._keys[key_id], secret)

    async def revoke(self, who: Caller, key_id: str) -> Key:
        """The key, closed for good; raises NotFound."""
        for _ in range(CONFLICT_RETRIES_MAX):
            key = self._keys.get(key_id)
            if key is None or not who.sees(key.tenant):
                raise NotFound("There is no such key.")
            if key.revoked_at is not None:
                return key
            with contextlib.suppress(Conflict):
                await self._append(who, key.tenant, key_id, KeyRevoked(), key.position)
            # A key that is not in memory is folded when it is asked for, and then `notify` hears.
            await self._states.get(PREFIX + key_id)
        return self._keys[key_id]

    async def _append(
        self,
        who: Caller,
        tenant: str,
        key_id: str,
        fact: KeyIssued | KeyRevoked,
        expected: Position,
    ) -> None:
        wish = Append(
            stream=PREFIX + key_id,
            expected=expected,
            commit_id=ids.commit_id(),
            events=(CODEC.encode(fact),),
            actor=who.actor,
            tenant=tenant,
            correlation_id=who.correlation_id,
        )
        await self._log.append(wish)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _caller(key: Key) -> Caller:
    return Caller(actor=f"key:{key.name}", tenant=key.tenant, scopes=key.scopes)


def with_request(caller: Caller, correlation_id: str, traceparent: str) -> Caller:
    """The caller in one request."""
    return replace(caller, correlation_id=correlation_id, traceparent=traceparent)


def _check_words(name: str, tenant: str, prefix: str) -> None:
    if not 0 < len(name) <= NAME_CHARS_MAX:
        raise InvalidValue("name", f"1 to {NAME_CHARS_MAX} characters")
    if not 0 < len(tenant) <= NAME_CHARS_MAX:
        raise InvalidValue("tenant", f"1 to {NAME_CHARS_MAX} characters")
    if len(prefix) > PREFIX_CHARS_MAX or not prefix.isascii() or not prefix.isprintable():
        raise InvalidValue("prefix", f"at most {PREFIX_CHARS_MAX} printable ASCII characters")
