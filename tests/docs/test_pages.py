"""Everything in a fenced block of README.md, docs/ and the examples is true: it is run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.blocks import blocks
from tests.docs.runner import ROOT, reading

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_the_page_says_is_so(page: Path, tmp_path: Path):
    """The blocks of a page run in order, and print what the page shows."""
    folder, state = tmp_path / "page", tmp_path / "state"
    folder.mkdir()
    state.mkdir()

    with reading(folder, state) as reader:
        for block in blocks(page):
            reader.do(block)
