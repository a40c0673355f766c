"""The databases of this folder: those only read are made once a process, those written to once a test."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

from examples.chinook.models import Base
from tests.corpora.packed import Corpus, fill, fit_to
from tests.corpora.served import witness
from tests.databases.administration import Administration
from tests.databases.drivers import Place
from tests.databases.plugin import reason_to_skip

Maker: TypeAlias = Callable[[Corpus], str]


@pytest.fixture(scope="session")
def make(
    tmp_path_factory: pytest.TempPathFactory, administrations: Callable[[str], Administration]
) -> Iterator[Maker]:
    """Make one more database, and say its URL; it is dropped at the end of the run."""
    folder, numbers = tmp_path_factory.mktemp("corpora"), itertools.count()
    with contextlib.ExitStack() as ends:

        def made(corpus: Corpus) -> str:
            place = Place(str(folder / f"{next(numbers)}.db"))
            if corpus.driver.dialect != "sqlite":
                place = ends.enter_context(administrations(corpus.driver.dialect).database())
            return filled(corpus, place)

        yield made


def filled(corpus: Corpus, place: Place) -> str:
    """The URL of a database once its tables and rows are there."""
    fill(corpus, place)
    url = corpus.driver.url(place).render_as_string(hide_password=False)
    if corpus.fitted:
        engine = witness(url)
        with engine.begin() as connection:
            fit_to(connection, Base.metadata)
        engine.dispose()
    return url


@pytest.fixture(scope="session")
def kept(make: Maker) -> Maker:
    """The URL of a database that all tests of a process share."""
    urls: dict[Corpus, str] = {}

    def shared(corpus: Corpus) -> str:
        if corpus not in urls:
            urls[corpus] = make(corpus)
        return urls[corpus]

    return shared


@pytest.fixture(scope="module")
def shared_url(corpus: Corpus, kept: Maker) -> str:
    """The URL of `corpus`, to be read only."""
    return available(corpus, kept)


@pytest.fixture
def own_url(corpus: Corpus, make: Maker) -> str:
    """The URL of a copy of `corpus` for this test alone."""
    return available(corpus, make)


def available(corpus: Corpus, maker: Maker) -> str:
    """The URL of a database, where there is a server for it."""
    if reason := reason_to_skip(corpus.driver.dialect):
        pytest.skip(reason)
    return maker(corpus)


@pytest.fixture(autouse=True)
def count(request: pytest.FixtureRequest) -> None:
    """Count the driver of `corpus` among those that were tested."""
    if "corpus" in request.fixturenames:
        driver = request.getfixturevalue("corpus").driver
        request.node.user_properties.append(("driver", driver.name))
