"""What a user of Galtea's Python client does; runs in the environment of that client.

python galtea_driver.py SCENARIO URL KEY [MORE]
"""

from __future__ import annotations

import concurrent.futures
import importlib
import sys
import uuid
from collections.abc import Callable
from typing import Any

# They are in the environment of the client, and not where this file is checked.
galtea: Any = importlib.import_module("galtea")
requests: Any = importlib.import_module("requests")
missing: Any = importlib.import_module("galtea.domain.exceptions.entity_not_found_exception")
not_found: Any = importlib.import_module(
    "galtea.infrastructure.exceptions.entity_not_found_http_error"
)
conflict: Any = importlib.import_module("galtea.domain.exceptions.version_name_conflict_exception")

CUSTOM_IDS = ["plain", "a/b c+d%é&=#?", "日本 \n", "x" * 1024]


def equal(seen: Any, wanted: Any) -> None:
    """Fail with both where they differ."""
    if seen != wanted:
        raise AssertionError(f"seen   {seen!r}\nwanted {wanted!r}")


def refused(error_type: type[Exception], call: Any, *args: Any, **named: Any) -> Any:
    """The error that the call ends in, which is of that very type."""
    try:
        answer = call(*args, **named)
    except Exception as error:
        if type(error) is error_type:
            return error
        raise
    raise AssertionError(f"not refused: {answer!r}")


def refused_400(call: Any, *args: Any, **named: Any) -> str:
    """What a refusal with 400 says."""
    error = refused(requests.HTTPError, call, *args, **named)
    equal((error.response.status_code, set(error.response.json())), (400, {"error", "message"}))
    message: str = error.response.json()["message"]
    return message


class World:
    """A client, and a product that only raw HTTP can make (section 7)."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        self.client = galtea.Galtea(api_key=key, base_url=url)
        self.sessions = self.client.sessions
        self.product = self.raw("POST", "products", name=uuid.uuid4().hex, description="d")["id"]

    def raw(self, method: str, path: str, **body: Any) -> Any:
        """The JSON that answers a request without the client."""
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = requests.request(
            method, f"{self.url}/{path}", json=body, headers=headers, timeout=120
        )
        answer.raise_for_status()
        return answer.json()

    def version(self, **fields: Any) -> str:
        """The id of a new version; the client answers None for one that was refused (section 7)."""
        made = self.client.versions.create(product_id=self.product, **fields)
        assert made is not None
        return str(made.id)

    def case(self, **fields: Any) -> Any:
        """A test case of a new dataset."""
        dataset = self.client.datasets.create(
            name=uuid.uuid4().hex, type="ACCURACY", product_id=self.product
        )
        return self.client.test_cases.create(dataset_id=dataset.id, **fields)


def life(world: World) -> None:
    """Section 5: a session from its creation to its deletion."""
    sessions, version = world.sessions, world.version(name="first")
    metadata = {"a": [1, None, {"b": True}]}
    made = sessions.create(
        version_id=version, custom_id="c", context="what is known", metadata=metadata
    )
    equal((made.version_id, made.custom_id, made.metadata), (version, "c", metadata))
    equal((made.context, made.context_data), ("what is known", {"value": "what is known"}))
    equal((made.is_production, made.user_id, made.is_seed), (True, None, False))
    equal((made.status, made.stopping_reason, made.error), ("PENDING", None, None))
    equal(sessions.get(made.id), made)
    changed = sessions.update(made.id, context="more", error="odd")
    equal((changed.context, changed.error, changed.status), ("more", "odd", "PENDING"))
    equal(changed.metadata, metadata)
    changed = sessions.update(made.id, custom_id=None, metadata=None, error=None, context=None)
    equal((changed.custom_id, changed.metadata, changed.error), (None, None, None))
    equal((changed.context, changed.context_data), (None, None))
    done = sessions.finish(made.id)
    equal((done.status, done.stopping_reason), ("COMPLETED", "FINISHED"))
    equal(sessions.finish(made.id, "GOAL_ACHIEVED").stopping_reason, "GOAL_ACHIEVED")
    failed = sessions.update(made.id, status="failed", error="boom")
    equal((failed.status, failed.error), ("FAILED", "boom"))
    opened = sessions.update(made.id, status="PENDING")
    equal((opened.status, opened.error, opened.stopping_reason), ("PENDING", None, None))
    sessions.delete(made.id)
    refused(not_found.EntityNotFoundHTTPError, sessions.get, made.id)
    refused(not_found.EntityNotFoundHTTPError, sessions.delete, made.id)
    refused(not_found.EntityNotFoundHTTPError, sessions.finish, made.id)


def rules(world: World) -> None:
    """Section 5, the table, and what else is refused."""
    create, version = world.sessions.create, world.version()
    case = world.case(input="hello", context={"value": "of the case", "tier": 1})
    driven = create(version_id=version, test_case_id=case.id)
    equal((driven.is_production, driven.test_case_id), (False, case.id))
    equal(driven.context_data, {"value": "of the case", "tier": 1})
    assert driven.user_id
    equal(
        create(version_id=version, test_case_id=case.id, is_production=False).context, "of the case"
    )
    imported = create(version_id=version, is_production=False, context="kept")
    equal((imported.is_production, imported.context, imported.test_case_id), (False, "kept", None))
    equal(create(version_id=version, is_production=True).is_production, True)
    assert "test" in refused_400(
        create, version_id=version, test_case_id=case.id, is_production=True
    )
    refused_400(create, version_id=version, test_case_id=case.id, context="c")
    refused_400(create, version_id=version, custom_id=" ")
    refused_400(world.sessions.update, driven.id, status="RUNNING")
    unknown = not_found.EntityNotFoundHTTPError
    refused(unknown, create, version_id="version_x")
    refused(unknown, create, product_id="product_x")
    refused(unknown, create, version_id=version, test_case_id="testCase_x")
    equal(create(product_id=world.product).version_id, version)
    other = world.raw("POST", "products", name=uuid.uuid4().hex)["id"]
    first = create(product_id=other).version_id
    equal([one.id for one in world.client.versions.list(product_id=other)], [first])


def lists(world: World) -> None:
    """Sections 3.2 and 5: every filter of the client, and its checks of empty pages."""
    sessions, version = world.sessions, world.version()
    case = world.case()
    made = [
        sessions.create(version_id=version, custom_id="live"),
        sessions.create(version_id=version, custom_id="own", is_production=False),
        sessions.create(version_id=version, custom_id="case", test_case_id=case.id),
    ]
    sessions.finish(made[1].id)

    def names(**named: Any) -> list[str]:
        return [one.custom_id for one in sessions.list(**named)]

    equal(names(version_id=version), ["case", "own", "live"])
    equal(names(version_id=[version], sort_by_created_at="asc"), ["live", "own", "case"])
    equal(names(version_id=version, limit=1, offset=1), ["own"])
    equal(names(version_id=version, offset=3), [])
    equal(names(test_case_id=case.id), ["case"])
    equal(names(dataset_id=case.dataset_id), ["case"])
    equal(names(custom_id=["live", "own"], version_id=version), ["own", "live"])
    equal(names(id=[made[0].id, made[2].id]), ["case", "live"])
    equal(names(version_id=version, status="completed"), ["own"])
    equal(names(version_id=version, status=["PENDING", "FAILED"]), ["case", "live"])
    equal(names(version_id=version, user_id=made[1].user_id), ["case", "own"])
    at = made[1].created_at
    equal(names(version_id=version, from_created_at=at, to_created_at=at)[-1:], ["own"])
    equal(names(version_id=version, to_created_at=0), [])
    equal(names(version_id=version, from_created_at=0), ["case", "own", "live"])
    refused_400(sessions.list, version_id=version, status="RUNNING")
    # An empty page: the client asks whether what it filtered by is there at all.
    empty = world.version()
    equal(names(version_id=empty), [])
    equal(names(test_case_id=world.case().id), [])
    equal(names(dataset_id=world.case().dataset_id), [])
    unknown = not_found.EntityNotFoundHTTPError
    refused(unknown, sessions.list, version_id="version_x")
    refused(unknown, sessions.list, test_case_id="testCase_x")
    refused(unknown, sessions.list, dataset_id="test_x")
    refused(unknown, sessions.list, id=[made[0].id, "session_x"])
    sessions.delete(made[0].id)
    refused(unknown, sessions.list, id=[made[0].id])
    equal(names(version_id=version), ["case", "own"])


def custom_ids(world: World) -> None:
    """Sections 5, 8.6 and 8.7: lookups, get_or_create, and many of them at once."""
    sessions, version, newer = world.sessions, world.version(), world.version()
    for name in CUSTOM_IDS:
        refused(
            missing.EntityNotFoundException,
            sessions.get_by_custom_id,
            custom_id=name,
            version_id=version,
        )
        made = sessions.get_or_create(custom_id=name, version_id=version)
        equal((made.custom_id, made.is_production), (name, False))
        equal(sessions.get_or_create(custom_id=name, version_id=version), made)
        equal(sessions.get_by_custom_id(custom_id=name, product_id=world.product), made)
        again = sessions.create(custom_id=name, version_id=newer)
        equal(sessions.get_by_custom_id(custom_id=name, product_id=world.product), again)
        equal(sessions.get_by_custom_id(custom_id=name, version_id=version), made)
        message = refused_400(sessions.create, custom_id=name, version_id=version)
        assert message.startswith("A Session with the same "), message
        sessions.delete(made.id)
        sessions.create(custom_id=name, version_id=version)
    # The client looks first and creates then: of those who come at once one creates.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        tries = [pool.submit(_got, sessions, version) for _ in range(8)]
        ids = [one.result() for one in tries]
    equal(len({one for one in ids if one is not None}), 1)
    equal(len(sessions.list(custom_id="race", version_id=version)), 1)


def _got(sessions: Any, version: str) -> str | None:
    try:
        return str(sessions.get_or_create(custom_id="race", version_id=version).id)
    except requests.HTTPError as error:
        equal(error.response.status_code, 400)
        return None


def catalog(world: World) -> None:
    """Section 7: products, versions, datasets and test cases by the client."""
    client, product = world.client, world.product
    unknown = not_found.EntityNotFoundHTTPError
    name = client.products.get(product).name
    equal(client.products.get_by_name(name).id, product)
    equal([one.id for one in client.products.list(id=product)], [product])
    version = client.versions.create(product_id=product, name="one", description="d")
    equal((version.number, version.name), (1, "one"))
    equal(client.versions.create(product_id=product, name="one"), None)
    equal(client.versions.get_by_name(product, "one"), version)
    changed = client.versions.update(version.id, name=None, description=None, guardrails="g")
    equal((changed.name, changed.description, changed.guardrails), ("v1", None, "g"))
    equal(client.versions.get(version.id), changed)
    facts = {"model": "m", "temperature": "0.7"}
    found = client.versions.get_or_create(product_id=product, facts=facts)
    equal(client.versions.get_or_create(product_id=product, facts=facts), found)
    refused_400(client.versions.update, version.id, facts=facts)
    client.versions.update(found.id, facts={"model": "n"}, name="two")
    refused(
        conflict.VersionNameConflictException,
        client.versions.get_or_create,
        product_id=product,
        facts=facts,
        name="two",
    )
    client.versions.delete(found.id)
    refused(unknown, client.versions.get, found.id)
    equal([one.id for one in client.versions.list(product_id=product)], [version.id])
    equal(client.versions.create(product_id=product).number, 3)
    dataset = client.datasets.create(name="D", type="BEHAVIOR", product_id=product)
    equal((dataset.type, dataset.status), ("SCENARIOS", "SUCCESS"))
    equal(client.datasets.get_by_name(product, "D"), dataset)
    renamed = client.datasets.update(dataset.id, name=" E ", metadata={"a": 1})
    equal((renamed.name, renamed.metadata), ("E", {"a": 1}))
    equal(client.datasets.list(product_id=product, types=["BEHAVIOR"]), [renamed])
    equal(client.datasets.list(product_id=product, types=["SECURITY"]), [])
    refused(unknown, client.datasets.list, product_id="product_x")
    case = client.test_cases.create(
        dataset_id=dataset.id,
        input={"user_message": "Hello there", "chat": 1},
        context="c",
        expected_tools=["a", "b"],
        goal="g",
        max_iterations=3,
    )
    equal((case.input, case.input_data["chat"], case.context), ("Hello there", 1, "c"))
    equal(client.test_cases.get(case.id), case)
    listed: Callable[..., Any] = client.test_cases.list
    equal(listed(dataset_id=dataset.id), [case])
    equal(listed(dataset_id=dataset.id, expected_tools=["b"], input="hello"), [case])
    equal(listed(dataset_id=dataset.id, expected_tools=["c"]), [])
    equal(listed(dataset_id=dataset.id, input="other"), [])
    equal(listed(dataset_id=dataset.id, reviewed=True), [])
    equal(listed(dataset_id=dataset.id, user_score=0, include_legacy=False), [case])
    client.test_cases.delete(case.id)
    refused(unknown, listed, id=case.id)
    client.datasets.delete(dataset.id)
    refused(unknown, listed, dataset_id=dataset.id)
    client.products.delete(product)
    refused(unknown, client.products.get, product)
    refused(missing.EntityNotFoundException, client.products.get_by_name, name)


def refusals(world: World, wrong: str) -> None:
    """Sections 2 and 3.1: a wrong key, another tenant's, and a trailing slash."""
    made = world.sessions.create(version_id=world.version())
    unknown = galtea.Galtea(api_key="gsk_that-nobody-has-given-out", base_url=world.url)
    error = refused(requests.HTTPError, unknown.sessions.get, made.id)
    equal(error.response.status_code, 401)
    other = galtea.Galtea(api_key=wrong, base_url=world.url + "/")
    refused(not_found.EntityNotFoundHTTPError, other.sessions.get, made.id)
    equal(other.sessions.list(custom_id="x"), [])
    # A route that is none must not look like an entity that is none.
    error = refused(requests.HTTPError, world.sessions.get, f"{made.id}/nothing")
    equal(error.response.status_code, 404)


SCENARIOS = {one.__name__: one for one in (life, rules, lists, custom_ids, catalog, refusals)}


def main() -> None:
    """Play the scenarios that the first argument names, with commas between them."""
    names, url, key, *more = sys.argv[1:]
    for name in names.split(","):
        SCENARIOS[name](World(url, key), *(more if name == "refusals" else ()))


if __name__ == "__main__":
    main()
