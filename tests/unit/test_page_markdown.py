"""Markdown of what was read from a page (section 3.6, scrape)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.runtimes.browser.page.markdown import CUT, markdown_of, numbered


def test_headings_lists_and_tables_are_markdown():
    html = (
        '<h1>Title</h1><p>A <strong>bold</strong> <a href="https://x.org/a_b">link</a></p>'
        "<ul><li>one</li><li>two</li></ul><table><tr><th>a</th></tr><tr><td>1</td></tr></table>"
        "<pre>x = 1</pre>"
    )
    assert markdown_of(html) == (
        "# Title\n\nA **bold** [link](https://x.org/a_b)\n\n- one\n- two\n\n| a |\n| --- |\n| 1 |"
        "\n\n```\nx = 1\n```"
    )


def test_there_are_no_lines_of_nothing():
    assert markdown_of("<div> </div><div><div>a</div></div><div> </div><p>b</p>") == "a\n\nb"


def test_a_page_that_was_cut_off_says_so():
    assert markdown_of("<p>a</p>", cut=True) == "a" + CUT


def test_a_page_too_deep_for_the_library_is_told_as_plain_text():
    assert "in the deep" in markdown_of("<blockquote>" * 1_200 + "in the deep")


def test_links_can_be_numbered():
    text = (
        "[a](https://x.org/1) ![i](https://x.org/i.png) [b](https://x.org/2), [c](https://x.org/1)"
    )
    said, names = numbered(text)
    assert said == "[a](link1) ![i](https://x.org/i.png) [b](link2), [c](link1)"
    assert names == {"link1": "https://x.org/1", "link2": "https://x.org/2"}


@given(st.text(alphabet="[]()<>a! \n", max_size=60))
def test_numbering_links_never_fails(text):
    said, names = numbered(text)
    for name in names:
        assert f"({name})" in said


@pytest.mark.parametrize(
    "html",
    [
        "<pre>" + " " * 300_000 + "x</pre>",
        "<pre>" + " <b></b>" * 10_000 + "x</pre>",
        "<pre>" + "&#32;" * 20_000 + "x</pre>",
        "<ol>" + "<li>a</li>" * 10_000 + "</ol>",
        "<a" * 40_000,
        "<!--" * 100_000,
        "<b>" * 10_000 + "</i>" * 10_000,
        "[" * 400_000,
        "[x](" * 100_000,
    ],
    ids=lambda html: html[:12],
)
def test_a_hostile_page_costs_no_more_than_its_length(html):
    # Work that grows with the square of it would hold the whole service for minutes here.
    assert len(numbered(markdown_of(html))[0]) < 3 * len(html)


@given(st.text(alphabet='<>&;/abolipre "=\n', max_size=80))
def test_any_html_is_text_in_the_end(html):
    assert "\n\n\n" not in markdown_of(html)
