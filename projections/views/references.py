"""How many sessions refer to a thing."""

from __future__ import annotations

from collections.abc import Sequence

from projections.views.store import Views
from projections.views.where import values_in


async def count_by_reference(views: Views, name: str, values: Sequence[str]) -> dict[str, int]:
    """How many sessions refer to each of the values under a name; those with none are left out."""
    sql = (
        "SELECT r.value, count(*) FROM session_refs AS r"
        " CROSS JOIN sessions AS s ON s.created = r.created"
        " WHERE r.name = ? AND r.value IN (SELECT value FROM json_each(?)) AND s.deleted = 0"
        " GROUP BY r.value"
    )
    rows = await views.fetch(sql, (name, values_in(values)))
    return {value.decode(): int(count) for value, count in rows}
