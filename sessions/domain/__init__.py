"""Deciding: pure functions from a command and a state to facts."""
