"""Several hosts in one URL."""

import pytest
from sqlalchemy.engine import make_url

from splice.engines import read_url, shown
from splice.errors import SetupError
from splice.hosts import hosts_apart, hosts_of


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("postgresql://ada@one:5432,two:5433/shop", ["one:5432", "two:5433"]),
        ("postgresql://one,two,three/shop", ["one", "two", "three"]),
        ("postgresql+psycopg://ada:p%2Cw@one,two:7/shop?connect_timeout=3", ["one", "two:7"]),
        ("postgresql://ada@[::1]:5432,[::2]:5433/shop", ["[::1]:5432", "[::2]:5433"]),
        ("postgresql://one:1,two:2", ["one:1", "two:2"]),
        ("postgresql://ada:p,w@one:1/shop", ["one:1"]),
        ("postgresql:///shop", ["localhost"]),
        ("postgresql:///shop?host=/run/postgresql", ["/run/postgresql"]),
    ],
)
def test_hosts_are_read_as_libpq_spells_them(text, hosts):
    """Each with its port; a comma in a password is none between hosts."""
    url = make_url(hosts_apart(text))

    assert hosts_of(url) == hosts


def test_the_rest_of_the_url_stays_as_it_is():
    """User, password, database and parameters."""
    url = read_url("postgresql+asyncpg://ada:hunter2@one:1,two:2/shop?target_session_attrs=read-write")

    assert (url.username, url.password, url.database) == ("ada", "hunter2", "shop")
    assert url.query["target_session_attrs"] == "read-write"
    assert "hunter2" not in shown(url)


@pytest.mark.parametrize("text", ["mariadb://ada@one,two/shop", "mysql://ada@one:1,two:2/shop"])
def test_other_databases_have_one_host(text):
    """Their drivers would take all of it for one name."""
    with pytest.raises(SetupError, match="only a PostgreSQL URL takes several hosts"):
        read_url(text)
