"""Run a page of the documentation as its reader would.

All blocks of a page are done in order, in one folder made for the page.

python   A block with a title (```` ```python title="main.py" ````, or `# main.py` as its first line) is written
         as that file and runs when something uses it. A block without one is run as a program of its own, in the
         same folder, so that it can import the files. `python continued` goes on from the python block before:
         they are one program, or one file.
pycon    Prompts and answers, checked by doctest.
console  A line `$ command` is run by bash; `export` and `cd` stay for the page. The lines below it, if any, are
         what it prints: `…` stands for any text, on a line of its own for any lines. Without them anything may be
         printed. It has to succeed; one that is meant to fail ends with `|| …`. `sh` is the same.
         A command that ends with ` &` or starts a server (`uvicorn …`, `splice serve …`, `python -m examples.…`) runs
         in the background until the next one, `kill %1`, or the end of the page; the port 8000 of the text is a free
         port in truth.
         `make …`, `pip …`, `git clone …` and the like are not run, but looked up: the target, the extra.
json     Has to be JSON; `…` may stand for a value, or for what is left out.
toml     Has to be TOML.

Blocks in any other language have to be in one of those that show something: text, http, sql and so on. Any block
with a title, whatever its language, is written as a file.
"""

from __future__ import annotations

import contextlib
import doctest
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.databases.servers import free_port
from tests.docs.blocks import Block, Command, commands

__all__ = ["Reader", "WrongPage"]

ROOT = Path(__file__).parents[2]
SHOWN = {"text", "http", "sql", "powershell", "bat", "yaml", "ini", "dockerfile", "diff", "mermaid", "html"}
SERVERS = re.compile(r"(uvicorn|python -m examples\.|splice serve (?!.*--(?:print|output)))")
LOOKED_UP = re.compile(r"(make|pip|python -m pip|python3? -m venv|uv|git clone|source|\.venv/bin/pip)\b")
ANY_LINES = r"(?:[^\n]*\n)*"
PORT = "8000"
START_SECONDS = 30
SHELL = """
[ -f "$STATE/variables" ] && . "$STATE/variables"
[ -f "$STATE/folder" ] && cd "$(cat "$STATE/folder")"
{command}
status=$?
export -p > "$STATE/variables"; pwd > "$STATE/folder"
exit $status
"""


class WrongPage(AssertionError):
    """A page says something that is not so."""


@dataclass
class Reader:
    """Somebody who does what one page says: the page's folder, its shell, its servers."""

    folder: Path
    state: Path
    port: int = field(default_factory=free_port)
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    program: Path | None = None

    def do(self, block: Block) -> None:
        """Do what a block says, or raise WrongPage with the block's place."""
        try:
            self._do(block)
        except WrongPage as error:
            message = f"{block}: {error}"
            raise WrongPage(message) from None

    def _do(self, block: Block) -> None:
        match block.language:
            case "python":
                self._python(block)
            case "pycon":
                check_prompts(block)
            case "console" | "sh":
                self._console(block)
            case "json":
                check_json(block.text)
            case "toml":
                check_toml(block.text)
            case other if other not in SHOWN:
                message = f"'{other}' is not a language of the documentation (see tests/docs/runner.py)"
                raise WrongPage(message)
        if block.title and block.language != "python":
            self._write(block.title, block.text)

    def _python(self, block: Block) -> None:
        if block.continued and self.program:
            self._write(
                str(self.program), (self._here() / self.program).read_text("utf-8") + "\n" + block.text
            )
        else:
            self.program = Path(block.title or f"block_{block.line}.py")
            self._write(str(self.program), block.text)
        if self.program.name.startswith("block_"):
            self._succeed(f"python {self.program}")

    def _write(self, name: str, text: str) -> None:
        path = self._here() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _here(self) -> Path:
        """The folder that the shell of the page has gone to."""
        gone_to = self.state / "folder"
        return Path(gone_to.read_text("utf-8").strip()) if gone_to.exists() else self.folder

    def _console(self, block: Block) -> None:
        for command in commands(block):
            if LOOKED_UP.match(command.text):
                look_up(command.text)
            elif command.text == "kill %1":
                self.stop()
            elif command.text.endswith("&") or SERVERS.match(command.text):
                self._serve(command.text)
            else:
                self._compare(command)

    def _compare(self, command: Command) -> None:
        printed = self._succeed(command.text)
        if command.output and not pattern(command.output).fullmatch(f"{tidy(printed)}\n"):
            message = f"$ {command.text}\nprints\n{tidy(printed)}\nand not\n{command.output}"
            raise WrongPage(message)

    def _succeed(self, command: str) -> str:
        done = self._run(command)
        if done.returncode:
            message = f"$ {command}\nfails with\n{done.stdout}"
            raise WrongPage(message)
        return done.stdout

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["bash", "-c", SHELL.replace("{command}", command.replace(PORT, str(self.port)))],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        done.stdout = done.stdout.replace(str(self.port), PORT)
        return done

    def _serve(self, command: str) -> None:
        """Start a server and wait until it answers."""
        self.stop()
        # exec: what is ended later is the server itself, not a shell around it.
        text = SHELL.replace("{command}", f"exec {self._at_port(command.rstrip(' &'))}")
        log = self.state / "server.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                ["bash", "-c", text],
                cwd=self.folder,
                env=self._environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.servers.append(server)
        if not answers(server, self.port):
            message = f"$ {command}\ndoes not serve:\n{log.read_text('utf-8')}"
            raise WrongPage(message)

    def _at_port(self, command: str) -> str:
        """The same command at the port of this page; uvicorn and the examples read theirs from the environment."""
        if command.startswith("splice serve") and "--port" not in command:
            command = f"{command} --port {PORT}"
        return command.replace(PORT, str(self.port))

    def stop(self) -> None:
        """End the servers that the page has started."""
        for server in self.servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()
        self.servers.clear()

    def _environment(self) -> dict[str, str]:
        """Programs of this Python first, examples importable, a quiet curl as it is in a terminal."""
        (self.state / ".curlrc").write_text("silent\nshow-error\n", encoding="utf-8")
        path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"
        ports = {"PORT": str(self.port), "UVICORN_PORT": str(self.port)}
        return {
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.state),
            "STATE": str(self.state),
            **ports,
        }


@contextlib.contextmanager
def reading(folder: Path, state: Path) -> Iterator[Reader]:
    """A reader whose servers end with the block."""
    reader = Reader(folder, state)
    try:
        yield reader
    finally:
        reader.stop()


def answers(server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until somebody listens at the port, or the server is gone."""
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        time.sleep(0.05)
    return False


def tidy(printed: str) -> str:
    """Printed text without carriage returns and spaces at the ends of lines."""
    return "\n".join(line.rstrip() for line in printed.splitlines()).strip()


def pattern(expected: str) -> re.Pattern[str]:
    """The texts that an expected output allows."""
    lines = tidy(expected).split("\n")
    # A newline more than the text has: each line, also the last, ends with one.
    return re.compile("".join(ANY_LINES if line == "…" else f"{wildcard(line)}\n" for line in lines))


def wildcard(line: str) -> str:
    return "[^\n]*".join(re.escape(part) for part in line.split("…"))


def look_up(command: str) -> None:
    """Check a command that is not run: the targets of make and the extras of splice exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = set(re.findall(r"make ([a-z-]+)", command)) - set(targets)
    extras = ",".join(re.findall(r"splice\[([a-z,]+)\]", command)).split(",")
    named |= {extra for extra in extras if extra} - set(project["optional-dependencies"])
    if named:
        message = f"$ {command}\nnames what does not exist: {', '.join(sorted(named))}"
        raise WrongPage(message)


def check_prompts(block: Block) -> None:
    """Run a `pycon` block with doctest."""
    test = doctest.DocTestParser().get_doctest(block.text, {}, str(block), str(block.page), block.line)
    words: list[str] = []
    if doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=words.append).failed:
        raise WrongPage("".join(words))


def check_json(text: str) -> None:
    """Parse JSON, with `…` for a value, for items, or for members that are left out."""
    kept = re.sub(r",\s*…(?=\s*[}\]])|(?<=[{\[])\s*…(?=\s*[}\]])", "", text).replace("…", "null")
    try:
        json.loads(kept)
    except ValueError as error:
        message = f"this is not JSON: {error}"
        raise WrongPage(message) from None


def check_toml(text: str) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"this is not TOML: {error}"
        raise WrongPage(message) from None
