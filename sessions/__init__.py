"""The service: commands in, facts out, and what the five dialects and the feeds make of them."""
