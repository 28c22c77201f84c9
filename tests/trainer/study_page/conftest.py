from support.browser import browser
from support.postgres import module_postgres_dsn, postgres_dsn, postgres_server

__all__ = ["browser", "module_postgres_dsn", "postgres_dsn", "postgres_server"]
