"""The databases of the pages, which only the environment names: every process of a machine may read the others' arguments."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tacotrain.errors import ConfigError

READER: Final = "TACOTUNE_READER_STORAGE_URL"
MLFLOW: Final = "TACOTUNE_MLFLOW_STORAGE_URL"
_MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        READER: "Optuna's database, for example postgresql://reader:…@host/optuna",
        MLFLOW: "a database for MLflow alone, for example postgresql://mlflow:…@host/mlflow",
    }
)


def database(variable: str) -> str:
    """The URL in a variable.

    Raises:
        ConfigError: There is none.
    """
    url = os.environ.get(variable, "")
    if not url:
        raise ConfigError(f"{variable}: not set; it names {_MEANINGS[variable]}")
    return url
