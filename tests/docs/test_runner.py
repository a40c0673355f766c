"""The runner of the documentation finds what is wrong on a page."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.blocks import blocks
from tests.docs.runner import WrongPage, reading

FENCE = "```"


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], None]:
    """Read a page with the given text, as its reader would."""

    def read(text: str) -> None:
        page, folder, state = tmp_path / "page.md", tmp_path / "page", tmp_path / "state"
        page.write_text(text, encoding="utf-8")
        folder.mkdir()
        state.mkdir()
        with reading(folder, state) as reader:
            for block in blocks(page):
                reader.do(block)

    return read


def fenced(*parts: tuple[str, str]) -> str:
    """A page of blocks, given as pairs of what stands after the fence and the text."""
    return "\n\n".join(f"{FENCE}{info}\n{text}\n{FENCE}" for info, text in parts)


TRUE_PAGES = {
    "a program": [("python", "assert 1 + 1 == 2")],
    "a file by its title": [('python title="one.py"', "x = 1"), ("python", "from one import x")],
    "a file by its first line": [("python", "# one.py\nx = 1"), ("python", "import one")],
    "a program continued": [("python", "x = 1"), ("python continued", "assert x == 1")],
    "a file of another language": [('text title="note.txt"', "hello"), ("console", "$ cat note.txt\nhello")],
    "output": [("console", "$ echo one two\none two")],
    "output with a gap": [("console", "$ echo one two three\none … three")],
    "lines left out": [("console", "$ printf 'a\\nb\\nc\\nd\\n'\na\n…\nd")],
    "a command on two lines": [("console", "$ echo one \\\n  two\none two")],
    "exports stay": [("console", "$ export NAME=ada\n$ echo $NAME\nada")],
    "prompts": [("pycon", ">>> 1 + 1\n2")],
    "json": [("json", '{"items": [1, 2]}')],
    "json with a gap": [("json", '{"items": […], "next": …}')],
    "json with members left out": [("json", '{"title": "…", …}')],
    "toml": [("toml", "[a]\nb = 1")],
    "a target": [("console", "$ make test")],
    "an extra": [("console", '$ pip install "splice[postgresql]"')],
}

FALSE_PAGES = {
    "a program that fails": [("python", "assert 1 + 1 == 3")],
    "another output": [("console", "$ echo one\ntwo")],
    "more output": [("console", "$ printf 'a\\nb\\n'\na")],
    "a failing command": [("console", "$ false")],
    "another answer": [("pycon", ">>> 1 + 1\n3")],
    "no json": [("json", "{'items': 1}")],
    "no toml": [("toml", "a b")],
    "no language": [("", "hello")],
    "no such target": [("console", "$ make coffee")],
    "no such extra": [("console", '$ pip install "splice[oracle]"')],
    "a server that does not start": [("console", "$ uvicorn nothing:app &")],
}


@pytest.mark.parametrize("parts", TRUE_PAGES.values(), ids=TRUE_PAGES)
def test_a_true_page_is_accepted(read, parts):
    """A page whose blocks do what they show can be read to its end."""
    read(fenced(*parts))


@pytest.mark.parametrize("parts", FALSE_PAGES.values(), ids=FALSE_PAGES)
def test_a_false_page_is_refused_with_the_place(read, parts):
    """A block that does not do what it shows is named with its page and line."""
    with pytest.raises(WrongPage, match=r"page\.md:1"):
        read(fenced(*parts))


APP = """
from fastapi import FastAPI

app = FastAPI()

@app.get("/")
def read() -> dict[str, str]:
    return {"at": "http://127.0.0.1:8000/"}
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_server_runs_until_the_end_of_its_page(read):
    """The server of a page is really started, on a free port that the page calls 8000."""
    talk = '$ uvicorn main:app &\n$ curl -i http://127.0.0.1:8000/\nHTTP/1.1 200 OK\n…\n{"at":"http://127.0.0.1:8000/"}'

    read(fenced(('python title="main.py"', APP), ("console", talk)))
