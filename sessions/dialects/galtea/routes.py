"""The routes of Galtea's API, as data."""

from __future__ import annotations

from typing import Any, Final

from sessions.dialects.galtea import (
    catalog,
    entities,
    entity_changes,
    references,
    sessions,
    wire,
)
from sessions.dialects.galtea.catalog import (
    Alter,
    Enter,
    changing,
    deleting,
    entering,
    listing,
    reading,
)
from sessions.dialects.galtea.described import PREFIX, describing
from sessions.dialects.galtea.entities import Entity
from sessions.dialects.galtea.listing import list_ as sessions_list
from sessions.dialects.galtea.turn_routes import TURN_ROUTES
from sessions.dialects.galtea.wire_changes import ChangedProduct, ChangedTest, ChangedVersion
from sessions.web.surface import Route, Surface

SESSION_ROUTES: Final = (
    Route(
        method="POST", path="/sessions", handler=sessions.create, name="sessions.create", root=True
    ),
    Route(method="GET", path="/sessions", handler=sessions_list, name="sessions.list", root=True),
    Route(
        method="DELETE",
        path="/sessions/batch",
        handler=sessions.delete_batch,
        name="sessions.delete-batch",
        root=True,
    ),
    Route(
        method="GET", path="/sessions/{id}", handler=sessions.get, name="sessions.get", root=True
    ),
    Route(
        method="PATCH",
        path="/sessions/{id}",
        handler=sessions.change,
        name="sessions.change",
        root=True,
    ),
    Route(
        method="DELETE",
        path="/sessions/{id}",
        handler=sessions.delete,
        name="sessions.delete",
        root=True,
    ),
    Route(
        method="PATCH",
        path="/sessions/{id}/finish",
        handler=sessions.finish,
        name="sessions.finish",
        root=True,
    ),
    Route(
        method="GET",
        path="/minimum-sdk-version",
        handler=sessions.sdk_versions,
        name="minimum-sdk-version",
    ),
)


def _routes(entity: Entity, name: str, body: type[Any], enter: Enter) -> tuple[Route, ...]:
    path = f"/{name}"
    return (
        Route(
            method="POST", path=path, handler=entering(entity, body, enter), name=f"{name}.create"
        ),
        Route(method="GET", path=path, handler=listing(entity), name=f"{name}.list"),
        Route(method="GET", path=f"{path}/{{id}}", handler=reading(entity), name=f"{name}.get"),
        Route(
            method="DELETE",
            path=f"{path}/{{id}}",
            handler=deleting(entity),
            name=f"{name}.delete",
        ),
    )


def _change(entity: Entity, name: str, body: type[Any], alter: Alter) -> Route:
    handler = changing(entity, body, alter)
    return Route(method="PATCH", path=f"/{name}/{{id}}", handler=handler, name=f"{name}.change")


CATALOG_ROUTES: Final = (
    *_routes(entities.PRODUCT, "products", entities.NewProduct, references.enter_product),
    Route(
        method="POST",
        path="/versions/get-or-create",
        handler=catalog.get_or_create_version,
        name="versions.get-or-create",
    ),
    *_routes(entities.VERSION, "versions", entities.NewVersion, references.enter_version),
    *_routes(entities.TEST, "tests", entities.NewTest, references.enter_test),
    *_routes(entities.TEST_CASE, "testCases", entities.NewTestCase, references.enter_test_case),
    _change(entities.PRODUCT, "products", ChangedProduct, entity_changes.change_product),
    _change(entities.VERSION, "versions", ChangedVersion, entity_changes.change_version),
    _change(entities.TEST, "tests", ChangedTest, entity_changes.change_test),
)

_SERVED: Final = (*SESSION_ROUTES, *CATALOG_ROUTES, *TURN_ROUTES)
SURFACE: Final = Surface(
    name="galtea",
    prefix=PREFIX,
    routes=(*_SERVED, *describing(_SERVED)),
    failure=wire.refusal,
)
