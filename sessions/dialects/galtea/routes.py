"""The routes of Galtea's API, as data."""

from __future__ import annotations

from typing import Any, Final

from sessions.dialects.galtea import catalog, entities, references, sessions, wire
from sessions.dialects.galtea.catalog import Enter, entering, listing, reading
from sessions.dialects.galtea.entities import Entity
from sessions.web.surface import Route, Surface

SESSION_ROUTES: Final = (
    Route(
        method="POST", path="/sessions", handler=sessions.create, name="sessions.create", root=True
    ),
    Route(
        method="GET", path="/sessions/{id}", handler=sessions.get, name="sessions.get", root=True
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
    )


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
)

SURFACE: Final = Surface(
    name="galtea",
    prefix="/galtea",
    routes=(*SESSION_ROUTES, *CATALOG_ROUTES),
    failure=wire.refusal,
)
