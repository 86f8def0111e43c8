"""The API of Notte: browser sessions."""
