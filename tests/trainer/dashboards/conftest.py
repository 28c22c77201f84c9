import sys
from collections.abc import Iterator

import pytest

from support.browser import browser
from support.postgres import module_postgres_dsn, postgres_dsn, postgres_server

__all__ = ["browser", "module_postgres_dsn", "postgres_dsn", "postgres_server"]


@pytest.fixture(autouse=True)
def same_main() -> Iterator[None]:
    """Streamlit's AppTest makes its script the program's main module, which processes started later would run again."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before
