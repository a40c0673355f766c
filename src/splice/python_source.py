"""Values → the text of Python code, with lines broken and imports sorted as formatters do it.

Pure, and for the same input always the same. Text reaches the code only as literals, or as words of a docstring.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["INDENT", "WIDTH", "Call", "docstring", "import_lines", "literal", "natural"]

WIDTH: Final = 88
"""Characters in a line: what formatters take where nobody has said anything."""

INDENT: Final = "    "

_UNBOUNDED: Final = 10**9


@dataclass(frozen=True, slots=True)
class Call:
    """An expression in brackets, which may have to be broken into lines; `head` ends with the bracket that opens."""

    head: str
    arguments: Sequence[str | Call]
    close: str = ")"

    def spelt(self, indent: str = "", room: int = WIDTH) -> str:
        """In one line if there is room, else as formatters break it: all arguments in one line, or each in its own."""
        flat = [_spelt(part, "", _UNBOUNDED) for part in self.arguments]
        one = f"{self.head}{', '.join(flat)}{',' if self._is_tuple and len(flat) == 1 else ''}{self.close}"
        if len(one) <= room:
            return one
        deeper = indent + INDENT
        together = deeper + ", ".join(flat)
        if len(together) <= WIDTH and self.close == ")" and not self._is_tuple:
            return f"{self.head}\n{together}\n{indent}{self.close}"
        return f"{self.head}\n{''.join(self._one_a_line(deeper))}{indent}{self.close}"

    @property
    def _is_tuple(self) -> bool:
        return self.head == "("

    def _one_a_line(self, indent: str) -> Iterator[str]:
        # Formatters add none to the only argument of a call.
        comma = "" if len(self.arguments) == 1 and self.close == ")" and not self._is_tuple else ","
        for part in self.arguments:
            yield f"{indent}{_spelt(part, indent, WIDTH - len(indent) - len(comma))}{comma}\n"


def _spelt(part: str | Call, indent: str, room: int) -> str:
    return part if isinstance(part, str) else part.spelt(indent, room)


def literal(value: str) -> str:
    """A text in the quotes that formatters prefer.

    >>> print(literal("it's"), literal('"so"'))
    "it's" '"so"'
    """
    spelt = repr(value)
    if value.count('"') > value.count("'"):
        return spelt
    # Of the two quotes, repr has escaped those alone that it put around the text.
    inner = spelt[1:-1].replace("\\'", "'") if spelt[0] == "'" else spelt[1:-1]
    return '"' + inner.replace('"', '\\"') + '"'


def docstring(text: str) -> str:
    """Text in the quotes of a docstring: it ends none, and escapes nothing."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    words = printable.replace("\\", "/").replace('"', "'").split()
    return f'"""{" ".join(words)}"""'


def import_lines(module: str, names: Mapping[str, str]) -> Iterator[str]:
    """The statements that import names from a module, each as it is to be called, in the order of isort."""
    ordered = sorted(names, key=_isort_key)
    plain = [name for name in ordered if names[name] == name]
    if plain:
        line = f"from {module} import {', '.join(plain)}"
        many = f"from {module} import (\n" + "".join(f"{INDENT}{name},\n" for name in plain) + ")"
        yield line if len(line) <= WIDTH else many
    yield from (f"from {module} import {name} as {names[name]}" for name in ordered if names[name] != name)


def _isort_key(name: str) -> tuple[int, tuple[tuple[int, str], ...]]:
    """CONSTANTS, then Classes, then the rest."""
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[:1].isupper() else 2
    return kind, natural(name)


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """What to sort names by: numbers inside of them count as numbers, and letter case decides last.

    >>> sorted(["Item10", "QuOte", "Item2", "QueryRow"], key=natural)
    ['Item2', 'Item10', 'QueryRow', 'QuOte']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    numbered = ((int(part), "") if part[0] in "0123456789" else (-1, part.lower()) for part in parts)
    return (*numbered, (-2, name))
