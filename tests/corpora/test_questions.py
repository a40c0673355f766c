"""What `docs/how-to/ask-questions.md` says is so: each request is answered as the SQL beside it."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from splice.terms import OPERATORS
from tests.corpora.packed import Corpus
from tests.corpora.questions import Question, answered, queried, questions
from tests.corpora.served import Served, environment, serve
from tests.corpora.test_bare import bare
from tests.databases.plugin import reason_to_skip

CORPORA = (
    Corpus("chinook", "aiosqlite"),
    Corpus("chinook", "asyncpg", fitted=True),
    Corpus("chinook", "asyncmy"),
    Corpus("northwind", "aiosqlite"),
    Corpus("northwind", "asyncmy"),
    Corpus("sakila", "aiosqlite"),
    Corpus("sakila", "asyncpg"),
    Corpus("sakila", "asyncmy"),
)
ASKED = questions()


@pytest.fixture(scope="module")
def served_at(
    kept: Callable[[Corpus], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Corpus], Served]]:
    """The application of a corpus, started when it is first asked for."""
    running: dict[Corpus, Served] = {}
    with ExitStack() as ends:

        def start(corpus: Corpus) -> Served:
            if reason := reason_to_skip(corpus.driver.dialect):
                pytest.skip(reason)
            if corpus not in running:
                url = kept(corpus)
                app = (
                    by_hand(url) if corpus.name == "chinook" else bare(url, tmp_path_factory.mktemp("served"))
                )
                running[corpus] = ends.enter_context(app)
            return running[corpus]

        yield start


@contextmanager
def by_hand(url: str) -> Iterator[Served]:
    with environment(url), serve(runpy.run_module("examples.chinook.main")["app"], url) as served:
        yield served


@pytest.mark.parametrize(
    ("question", "corpus"),
    [
        pytest.param(question, corpus, id=f"{corpus}-{question.words}")
        for corpus in CORPORA
        for question in ASKED
        if question.corpus == corpus.name
    ],
)
def test_a_question_is_answered_as_by_sql(
    question: Question, corpus: Corpus, served_at: Callable[[Corpus], Served]
):
    """The request gives the rows of the SQL, in their order, and there are some."""
    served = served_at(corpus)

    answer = answered(served.client, question)

    assert answer == queried(served.engine, question)
    assert answer


def test_there_are_enough_questions():
    """The page asks forty questions or more, and no database is left out."""
    assert len(ASKED) >= 40
    assert {question.corpus for question in ASKED} == {"chinook", "northwind", "sakila"}


@pytest.mark.parametrize("operator", [*OPERATORS, "or", "not", "and"])
def test_every_operator_is_asked_with(operator: str):
    """No operator of the language is missing from the page; `eq` is the one that need not be written."""
    spelt = {
        "eq": r"[?&]\w+=",
        "or": r'"or":',
        "and": r'"and":',
        "not": r'"not":',
    }.get(operator, rf"__{operator}\b")

    assert [question.words for question in ASKED if re.search(spelt, question.request)]
