"""MariaDB has no String without a length: there the model, as tutorials write it, stops the start."""

from collections.abc import Callable

import pytest
from splice.errors import SetupError
from sqlalchemy.exc import CompileError

from examples.by_hand.tests.service import BY_HAND, started


@pytest.mark.parametrize(("app", "driver_name"), [("sync_session", "pymysql"), ("async_session", "asyncmy")])
def test_by_hand_the_start_stops_with_the_words_of_sqlalchemy(
    app: str, driver_name: str, new_database: Callable[[str], str]
) -> None:
    """SQLAlchemy refuses to compile the table; what to write instead is for the reader to find."""
    url = new_database(driver_name)

    with pytest.raises(CompileError, match="VARCHAR requires a length"), started(app, BY_HAND, url):
        pass


@pytest.mark.parametrize("app", ["on_database", "on_resource"])
def test_on_splice_the_start_stops_with_the_fix(app: str, new_database: Callable[[str], str]) -> None:
    """The error names the columns, and what to write instead of String."""
    url = new_database("asyncmy")

    with pytest.raises(SetupError) as stopped, started(app, BY_HAND, url):
        pass

    assert "users.name" in str(stopped.value)
    assert "users.email" in str(stopped.value)
    assert "String(255)" in str(stopped.value)
