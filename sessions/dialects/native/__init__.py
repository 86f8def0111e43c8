"""The native API, which unifies all kinds of sessions."""
