"""Fixtures for the tests of splice and of its examples; they are described in `tests/databases/plugin.py`."""

from hypothesis import settings

pytest_plugins = [
    "splice.testing",
    "tests.databases.plugin",
    "tests.faults.plugin",
    "tests.http.hostile.figures",
    "pytester",
]

# Two cores are shared with the database servers, so the time of a single example says nothing.
settings.register_profile("splice", deadline=None)
settings.load_profile("splice")
