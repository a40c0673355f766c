"""Fixtures for the tests of splice and of its examples; they are described in `tests/databases/plugin.py`."""

pytest_plugins = ["tests.databases.plugin"]
