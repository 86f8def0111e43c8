"""The HTTP surfaces: each translates between its own wire and the one service behind all."""
