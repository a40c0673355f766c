"""The testing kit: `pytest_plugins = ["splice.testing"]` in the top `conftest.py` switches its fixtures on.

Nothing is registered by being installed. PYTEST_DONT_REWRITE: a conftest may import this before pytest loads it as a
plugin, and nothing in it asserts.
"""

from splice.testing.problems import assert_problem
from splice.testing.statements import Statements, count_statements

__all__ = ["Statements", "assert_problem", "count_statements"]

pytest_plugins: list[str] = ["splice.testing.plugin"]
