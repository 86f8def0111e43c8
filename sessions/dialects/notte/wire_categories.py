"""What kind of page it is, in the words that Notte's clients of all ages know (section 2.2)."""

from __future__ import annotations

from typing import Final

OTHER: Final = "other"
CATEGORIES: Final = frozenset(
    {
        "homepage",
        "search-results",
        "data-feed",
        "item",
        "auth",
        "form",
        "manage-cookies",
        "payment",
        "captcha",
        OTHER,
    }
)


def known(category: str) -> str:
    """The category, or `other` for one that some client would stumble over."""
    return category if category in CATEGORIES else OTHER
