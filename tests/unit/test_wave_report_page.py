"""WAVE: the page that compares sessions. Sections 1.4 and 3.8 of the WAVE contract."""

import re

from hypothesis import given
from hypothesis import strategies as st

from sessions.dialects.wave import report_page
from sessions.dialects.wave.report_page import Column, page

HOSTILE = "<script>\"'&"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([HOSTILE, "PASS", "OK", ""]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["name", "status"]), inner),
    max_leaves=6,
)
RESULT = st.dictionaries(st.sampled_from(["status", "message", "subtests", "x"]), JSON)


def column(results, **changes):
    fields = {"token": "t" * 36, "browser": "Chrome 1", "labels": ("a",), **changes}
    return Column(results=results, **fields)


def text(*columns):
    return "".join(page("css", columns))


@given(st.dictionaries(st.sampled_from(["/css/a", HOSTILE]), RESULT, max_size=2))
def test_whatever_a_result_holds_is_text(results):
    """Section 3.8: subtests are kept as they came."""
    found = text(column(results, browser=HOSTILE, labels=(HOSTILE,)), column({}))
    assert "<script" not in found
    assert found.endswith("</html>\n")
    assert set(re.findall(r'class="([^"]*)"', found)) <= {
        *("test", "subtest", "test differs", "subtest differs", "absent", "PASS", "OK", "unknown"),
    }


def test_subtests_with_one_name_or_none_are_told_once_each():
    subtests = [{"status": "PASS"}, {"name": "b", "status": "FAIL"}, {"name": "b"}, 7]
    found = text(column({"/css/a": {"status": "OK", "subtests": subtests}}))
    rows = re.findall(r'<td class="subtest">([^<]*)</td><td class="([A-Z]+)">', found)
    assert rows == [("subtest 1", "PASS"), ("b", "FAIL")]


def test_a_page_has_an_end(monkeypatch):
    monkeypatch.setattr(report_page, "CELLS_MAX", 7)
    subtests = [{"name": f"s{n}", "status": "PASS"} for n in range(5)]
    one = column({"/css/a": {"status": "OK", "message": "m" * 5000, "subtests": subtests}})
    found = text(one, one)
    assert found.count("m" * 1000) == 2
    assert "m" * 1001 not in found
    assert found.count('<td class="subtest">') == 3
    assert "2 more subtests are not shown." in found
