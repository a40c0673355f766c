"""The page of supported versions says what the project declares; `make check-all` proves it by running."""

from __future__ import annotations

from scripts import support


def test_the_page_names_the_declared_versions():
    """The table holds the floors of pyproject.toml and the pins of constraints.txt."""
    assert support.PAGE.read_text(encoding="utf-8") == support.page()
