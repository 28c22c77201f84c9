"""Optuna's storage, opened for reading only: by the pages about a study, and by `tacotrain.study_page`."""

from typing import Any, Final

from optuna.storages import BaseStorage, RDBStorage, get_storage

from tacotrain.report import with_driver

_CONNECTION: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "tcp_user_timeout": 30_000,
}


def open_storage(url: str, application: str = "tacotrain-dashboard-optuna") -> BaseStorage:
    """Optuna's storage with its cache, for reading only.

    Args:
        url: Of the database.
        application: How the database's own lists of connections name this one.

    Raises:
        RuntimeError: Its tables are of another version of Optuna.
        StorageInternalError, SQLAlchemyError: The database does not answer, or has no tables yet.
    """
    engine: dict[str, Any] = {"pool_size": 1, "max_overflow": 3, "pool_pre_ping": True, "pool_recycle": 600}
    url = with_driver(url)
    if url.startswith("postgresql"):
        engine["connect_args"] = _CONNECTION | {"application_name": application}
        engine["execution_options"] = {"postgresql_readonly": True}
    return get_storage(RDBStorage(url, engine_kwargs=engine, skip_table_creation=True))
