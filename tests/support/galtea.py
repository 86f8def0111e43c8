"""What the tests of Galtea's API ask of it in one line."""

from __future__ import annotations

from typing import Any

from tests.support.service import ask

URL = "/galtea/sessions"
ERROR = {"error", "message"}


async def post(client: Any, what: str, status: int = 201, /, **body: Any) -> Any:
    """The JSON of an answer with the status `status`."""
    return await ask(client, "POST", f"/galtea/{what}", status, json=body)


async def product(client: Any, name: str = "P", **fields: Any) -> Any:
    """A new product."""
    return await post(client, "products", name=name, description="d", **fields)


async def a_test_case(client: Any, product_id: str, **fields: Any) -> Any:
    """A new test case of a new test."""
    test = await post(client, "tests", name="T", type="QUALITY", productId=product_id)
    return await post(client, "testCases", testId=test["id"], **fields)


async def refused(client: Any, status: int, body: Any, path: str = URL) -> str:
    """The message that refuses a body, in the shape of every error (section 2)."""
    async with client.post(path, json=body) as answer:
        assert answer.status == status, (body, await answer.text())
        found = await answer.json()
    assert set(found) == ERROR
    assert found["error"]
    message: str = found["message"]
    assert message
    return message
