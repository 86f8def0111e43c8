"""A visit of a browser in words: what happened, and nothing of what is sealed."""

from msgspec.structs import replace

from projections.events import CODEC
from projections.events.browser import (
    BrowserActed,
    BrowserClosed,
    BrowserObserved,
    BrowserRequested,
)
from projections.story import tell
from tests.golden.browser_story import VISIT
from tests.support.golden import golden, names

REQUESTED = (
    'browser requested, 1280x1080, as "Größe/1.0"; headers "X-Key", through a proxy, not filmed'
)
FILLED = (
    'did fill on "Name" (id="I1", clear_before_fill=false, value=(sealed)), '
    'now at "https://example.test/form?q=1" "A form"; files "b2b2b2b2b2b2"'
)
CLOSED = (
    'browser closed: runtime_failed, "the browser crashed"; '
    "3 requests, 10 bytes sent, 2000 received, log d4d4d4d4d4d4"
)


def words(fact):
    return tell(CODEC.encode(fact)).words


def test_the_visit_of_the_newest_golden_log():
    log = golden(names()[-1])
    told = [
        tell(event).words
        for commit in log.commits
        if commit.stream == VISIT
        for event in commit.events
    ]
    assert told[1:] == [
        REQUESTED,
        "went from queued to starting: requested",
        'browser "156.0.1" opened, 1280x1080, after 87 ms',
        "went from starting to running: requested",
        'artifact "observed-1.jpg" stored: 9 bytes of image/jpeg, a1a1a1a1a1a1',
        'looked at "https://example.test/" "Home": 3 actions, homepage, screenshot a1a1a1a1a1a1',
        FILLED,
        'did click (id="B9"); failed: InvalidActionError, "There is no B9 on the page"',
        'read "https://example.test/" "Home": 120 characters, 2 images',
        'pictured the whole of "https://example.test/", screenshot a1a1a1a1a1a1',
        '2 cookies set for "example.test": (sealed)',
        "a debugger steers the browser from here on, step by step untold",
        told[13],
        'file "größe.txt" uploaded: 4 bytes of text/plain, b2b2b2b2b2b2',
        'file "f-1" taken out of the list',
        'file "report.pdf" downloaded: 4 bytes of application/pdf, b2b2b2b2b2b2',
        CLOSED,
        'went from running to failed: runtime_failed, "the browser crashed"',
        "film kept: 12 frames in 3.4 s, 5000 bytes of video/mp4, c3c3c3c3c3c3",
    ]


def test_what_is_not_there_is_not_said():
    assert words(BrowserRequested()) == "browser requested"
    assert words(BrowserClosed(reason="requested")) == "browser closed: requested"
    one = BrowserObserved(url="about:blank", actions=1)
    assert words(one) == 'looked at "about:blank": 1 action'
    assert words(BrowserActed(type="reload", success=True)) == "did reload"


def test_pages_cannot_speak_to_the_terminal_or_at_length():
    hostile = BrowserObserved(url="http://a/" + "x" * 5000, title="\x1b[2J\nb\u202e")
    told = words(hostile)
    assert told.isprintable()
    assert len(told) < 500
    failed = BrowserActed(type="\x1b", success=False, message="\x07" * 3000, label="\r")
    assert words(failed).isprintable()
    assert words(replace(failed, error_type="\n")).isprintable()
