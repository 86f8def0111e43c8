"""WAVE: sessions of web platform tests on a device under test."""
