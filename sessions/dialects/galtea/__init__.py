"""Galtea: sessions of evaluations, and the products, versions and test cases they refer to."""
