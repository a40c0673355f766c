"""The application that the fixtures of `splice.testing` are about; they are switched on in the top conftest.py."""

import pytest
from fastapi import FastAPI

from examples.users import main


@pytest.fixture
def app() -> FastAPI:
    return main.app
