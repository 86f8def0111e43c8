"""Changing and deleting what Galtea's sessions refer to, by the rules of its names and facts."""

from __future__ import annotations

from projections.folds.catalog import Entry
from sessions.caller import Caller
from sessions.catalog import Catalog
from sessions.dialects.galtea import wire_changes
from sessions.dialects.galtea.entities import PRODUCT, TEST, VERSION, Entity
from sessions.dialects.galtea.references import (
    NameTaken,
    check_version_name,
    found,
    number_of,
)
from sessions.dialects.galtea.wire_changes import FACTS_KEY, LAST_NUMBER


async def change_product(
    catalog: Catalog, public: str, body: wire_changes.ChangedProduct, who: Caller
) -> Entry:
    """The product after the change; raises NotFound or NameTaken."""
    changes = wire_changes.product_changes(body)
    async with catalog.alone:
        entry = await found(catalog, PRODUCT, public, who)
        if changes.get("name", entry.data["name"]) != entry.data["name"]:
            field = ("name", changes["name"])
            if await catalog.list(PRODUCT.type, who, tenant=entry.tenant, field=field):
                raise NameTaken("Product with the same Name")
        return await catalog.change(PRODUCT.type, entry.id, lambda _: changes, who)


async def change_version(
    catalog: Catalog, public: str, body: wire_changes.ChangedVersion, who: Caller
) -> Entry:
    """The version after the change; raises NotFound or NameTaken."""
    async with catalog.alone:
        entry = await found(catalog, VERSION, public, who)
        changes = wire_changes.version_changes(body)
        name, facts = changes.get("name"), changes.get(FACTS_KEY)
        if name is not None and name != entry.data.get("name"):
            await check_version_name(catalog, name, number_of(entry), entry.parent, who)
        if facts is not None and facts != entry.data.get(FACTS_KEY):
            field = (FACTS_KEY, facts)
            if await catalog.list(VERSION.type, who, parent=entry.parent, field=field):
                raise NameTaken("Version with the same Facts")
        return await catalog.change(VERSION.type, entry.id, lambda _: changes, who)


async def change_test(
    catalog: Catalog, public: str, body: wire_changes.ChangedTest, who: Caller
) -> Entry:
    """The test after the change; raises NotFound or NameTaken."""
    changes = wire_changes.test_changes(body)
    async with catalog.alone:
        entry = await found(catalog, TEST, public, who)
        if changes.get("name", entry.data["name"]) != entry.data["name"]:
            field = ("name", changes["name"])
            tenant, parent = entry.tenant, entry.parent
            same = await catalog.list(TEST.type, who, tenant=tenant, parent=parent, field=field)
            if any(one.data.get("type") == entry.data.get("type") for one in same):
                raise NameTaken("Test with the same Name and Type")
        return await catalog.change(TEST.type, entry.id, lambda _: changes, who)


async def delete(catalog: Catalog, entity: Entity, public: str, who: Caller) -> None:
    """The entry is there no more; raises NotFound."""
    async with catalog.alone:
        entry = await found(catalog, entity, public, who)
        if entity is VERSION:
            await _keep_number(catalog, entry, who)
        await catalog.delete(entity.type, entry.id, who)


async def _keep_number(catalog: Catalog, version: Entry, who: Caller) -> None:
    """Only the newest version tells which number the next one gets; its product has to now."""
    newest = await catalog.newest(VERSION.type, who, parent=version.parent)
    if newest is None or newest.id != version.id:
        return
    number = number_of(version)
    kept = await catalog.get(PRODUCT.type, version.parent, who)
    if kept.data.get(LAST_NUMBER, 0) < number:
        await catalog.change(PRODUCT.type, kept.id, lambda _: {LAST_NUMBER: number}, who)
