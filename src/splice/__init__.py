"""splice turns SQLAlchemy models into the FastAPI service you would have written by hand."""

from splice import errors
from splice.application import install
from splice.database import Database
from splice.marks import private, read_only, write_once, write_only
from splice.paging import Paging
from splice.router import Resource
from splice.schemas import Page
from splice.terms import Query

__all__ = [
    "Database",
    "Page",
    "Paging",
    "Query",
    "Resource",
    "errors",
    "install",
    "private",
    "read_only",
    "write_once",
    "write_only",
]
