"""docs/tutorial/by-hand.md shows the files of this folder, not copies that drift."""

import re
from pathlib import Path

import pytest

from examples.by_hand.tests.service import BY_HAND

PAGE = Path(__file__).parents[3] / "docs" / "tutorial" / "by-hand.md"
FILES = re.compile(r'^```python title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("file", sorted(BY_HAND.glob("*.py")), ids=lambda file: file.name)
def test_the_page_shows_the_file_as_it_is(file: Path) -> None:
    """Every file of the example stands on the page, letter by letter."""
    shown = dict(FILES.findall(PAGE.read_text(encoding="utf-8")))

    assert shown[file.name] == file.read_text(encoding="utf-8")
