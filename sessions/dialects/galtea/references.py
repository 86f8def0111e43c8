"""What Galtea's sessions refer to: found by the ids that clients see, or made by its rules."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from projections.folds.catalog import Entry
from sessions.caller import Caller
from sessions.catalog import Catalog, NewEntry
from sessions.dialects.galtea import entities
from sessions.dialects.galtea.entities import PRODUCT, TEST, TEST_CASE, VERSION, Entity
from sessions.dialects.galtea.wire import bad
from sessions.dialects.galtea.wire_changes import LAST_NUMBER
from sessions.dialects.uuids import uuid_of
from sessions.domain.rejections import NotFound
from sessions.failure import Failure


class NameTaken(Failure):
    """Another entry of the same parent has the name."""

    def __init__(self, what: str, status: int = 400) -> None:
        super().__init__(status, "name_taken", f"A {what} already exists.")


async def found(catalog: Catalog, entity: Entity, public: str, who: Caller) -> Entry:
    """The entry with that id; raises NotFound."""
    uuid = uuid_of(entity.prefix, public)
    if uuid is None:
        raise NotFound(f"There is no such {entity.type.replace('_', ' ')}.")
    return await catalog.get(entity.type, uuid, who)


def within(who: Caller, entry: Entry) -> Caller:
    """The caller in the tenant of the entry: what belongs to it is seen where it is."""
    return replace(who, tenant=entry.tenant)


async def enter_product(catalog: Catalog, body: entities.NewProduct, who: Caller) -> Entry:
    """A new product; raises NameTaken."""
    data = entities.product_data(body)
    async with catalog.alone:
        field = ("name", data["name"])
        if await catalog.list(PRODUCT.type, who, tenant=who.tenant, field=field):
            raise NameTaken("Product with the same Name")
        return await catalog.enter(NewEntry(type=PRODUCT.type, data=data), who)


async def enter_version(catalog: Catalog, body: entities.NewVersion, who: Caller) -> Entry:
    """A new version with the next number of its product; raises NotFound or NameTaken."""
    product = await found(catalog, PRODUCT, body.product_id, who)
    data = entities.version_data(body)
    if body.parent_version_id is not None:
        above = await found(catalog, VERSION, body.parent_version_id, who)
        if above.parent != product.id:
            raise Failure(400, "other_product", "The parent version is of another product.")
    async with catalog.alone:
        return await _next_version(catalog, product, data, who, 400)


async def version_with_facts(
    catalog: Catalog, body: entities.WantedVersion, who: Caller
) -> tuple[Entry, bool]:
    """The product's version with these facts and False, or a new one and True."""
    product = await found(catalog, PRODUCT, body.product_id, who)
    facts = entities.facts_of(body.facts)
    key = entities.facts_key(facts)
    async with catalog.alone:
        same = await catalog.list(VERSION.type, who, parent=product.id, field=("factsKey", key))
        if same:
            return same[0], False
        data: dict[str, Any] = {"facts": facts, "factsKey": key}
        name = body.name.strip() if isinstance(body.name, str) else ""
        if name:
            data["name"] = name
        return await _next_version(catalog, product, data, who, 409), True


async def latest_version(catalog: Catalog, product: Entry, who: Caller) -> Entry:
    """The product's newest version, or its first one, made here (section 5)."""
    newest = await catalog.newest(VERSION.type, who, parent=product.id)
    if newest is not None:
        return newest
    async with catalog.alone:
        newest = await catalog.newest(VERSION.type, who, parent=product.id)
        return newest or await _next_version(catalog, product, {}, who, 400)


async def enter_test(catalog: Catalog, body: entities.NewTest, who: Caller) -> Entry:
    """A new test; raises NotFound or NameTaken."""
    data = entities.test_data(body)
    product = None
    if body.product_id is not None:
        product = await found(catalog, PRODUCT, body.product_id, who)
        who = within(who, product)
    parent = product.id if product else ""
    async with catalog.alone:
        field = ("name", data["name"])
        same = await catalog.list(TEST.type, who, tenant=who.tenant, parent=parent, field=field)
        if any(entry.data.get("type") == data.get("type") for entry in same):
            raise NameTaken("Test with the same Name and Type")
        return await catalog.enter(NewEntry(type=TEST.type, parent=parent, data=data), who)


async def enter_test_case(catalog: Catalog, body: entities.NewTestCase, who: Caller) -> Entry:
    """A new test case; raises NotFound."""
    test = await found(catalog, TEST, body.test_id, who)
    data = entities.test_case_data(body)
    new = NewEntry(type=TEST_CASE.type, parent=test.id, data=data)
    return await catalog.enter(new, within(who, test))


async def _next_version(
    catalog: Catalog, product: Entry, data: dict[str, Any], who: Caller, taken: int
) -> Entry:
    """A version with the next number; the caller holds `catalog.alone`."""
    newest = await catalog.newest(VERSION.type, who, parent=product.id)
    # The product as it is now: it may have lost its newest version since it was found.
    product = await catalog.get(PRODUCT.type, product.id, who)
    numbers = [0 if newest is None else number_of(newest), product.data.get(LAST_NUMBER, 0)]
    number = max(numbers) + 1
    if "name" in data:
        await check_version_name(catalog, data["name"], number, product.id, who, taken)
    new = NewEntry(type=VERSION.type, parent=product.id, data={**data, "number": number})
    return await catalog.enter(new, within(who, product))


async def check_version_name(
    catalog: Catalog, name: str, number: int, product: str, who: Caller, taken: int = 400
) -> None:
    """Raises NameTaken, and Failure for the label that another version has or will have."""
    reserved = entities.reserved_number(name)
    if reserved is not None and reserved != str(number):
        raise bad("name", f"{name} is the label of another version; this one's is v{number}")
    if await catalog.list(VERSION.type, who, parent=product, field=("name", name)):
        raise NameTaken("Version with the same Name", taken)


def number_of(version: Entry) -> int:
    """The number of a version in its product."""
    number = version.data.get("number", 0)
    assert isinstance(number, int)
    return number
