"""The routes of WAVE's results API, but for the one by which a device reports a test, as data."""

from __future__ import annotations

from typing import Final

from sessions.dialects.wave import results
from sessions.web.surface import Route

# In this order: what is no token comes before what may be one.
RESULTS: Final = tuple(
    Route(method=method, path=f"/api/results/{path}", handler=handler, name=name, root=True)
    for method, path, handler, name in (
        ("GET", "config", results.config, "results.config"),
        ("POST", "import", results.import_, "results.import"),
        ("GET", "{token}", results.read, "results.read"),
        ("GET", "{token}/compact", results.compact, "results.compact"),
        ("GET", "{token}/json", results.json_zip, "results.json"),
        ("GET", "{token}/export", results.export, "results.export"),
        ("GET", "{token}/overview", results.overview, "results.overview"),
        ("GET", "{api}/reporturl", results.comparison_uri, "results.comparison"),
        ("GET", "{token}/{api}/json", results.api_json, "results.api"),
        ("POST", "{token}/{api}/json", results.replace_api_json, "results.replace"),
        ("GET", "{token}/{api}/reporturl", results.report_uri, "results.report_uri"),
    )
)
REPORTS: Final = (
    Route(
        method="GET",
        path="/results/{place}/{api}/all.html",
        handler=results.report,
        name="report",
        root=True,
    ),
)
