from support.postgres import module_postgres_dsn, postgres_dsn, postgres_server

__all__ = ["module_postgres_dsn", "postgres_dsn", "postgres_server"]
