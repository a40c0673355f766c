"""The fenced blocks of a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

__all__ = ["Block", "Command", "blocks", "commands"]

TITLE = re.compile(r'title="([^"]+)"')
FIRST_LINE = re.compile(r"# ([\w./-]+\.\w+)")


@dataclass(frozen=True)
class Block:
    """One fenced block: its text, the words after the fence, and where it stands."""

    page: Path
    line: int
    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.split()[0] if self.info else ""

    @property
    def continued(self) -> bool:
        return "continued" in self.info.split()

    @property
    def title(self) -> str | None:
        """The file that the block is: from `title="main.py"`, or from a first line `# main.py`."""
        found = TITLE.search(self.info) or FIRST_LINE.fullmatch(self.text.split("\n", 1)[0].strip())
        return found[1] if found else None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command of a console block, and what the page says it prints (nothing: anything)."""

    text: str
    output: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    fences = [token for token in tokens if token.type == "fence" and token.map]
    return [Block(page, token.map[0] + 1, token.info.strip(), token.content) for token in fences if token.map]


def commands(block: Block) -> list[Command]:
    """Lines after `$ ` are commands, those after `> ` or a backslash go on; the rest is what is printed."""
    found: list[Command] = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        length = 1
        while length < len(lines) and (lines[length - 1].endswith("\\") or lines[length].startswith("> ")):
            length += 1
        text = "\n".join(line.removeprefix("> ") for line in lines[:length])
        found.append(Command(text, "\n".join(lines[length:]).strip()))
    return found
