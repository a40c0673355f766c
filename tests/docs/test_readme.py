"""The first forty lines of the README are all that many people read."""

from __future__ import annotations

import re

import pytest

from tests.docs.runner import ROOT

HEAD = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:40])


@pytest.mark.parametrize(
    "needed",
    [
        r'```python title="main\.py"',
        r"uvicorn main:app",
        r"--json",
        r"users\?name=Ada",
        r'"type":"/problems/',
        r"`make run`",
        r"`make test`",
    ],
)
def test_the_head_holds_what_a_newcomer_needs(needed):
    """One file, a conversation with a mistake in it, and the two commands."""
    assert re.search(needed, HEAD)


def test_promises_link_to_their_proof():
    """Each promise of the head points to tests or pages that exist."""
    links = re.findall(r"\]\(([^)]+)\)", HEAD)

    assert len(links) >= 5
    assert [link for link in links if not (ROOT / link).exists()] == []
