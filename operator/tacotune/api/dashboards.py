"""The four pages of a study by name, and where each answers; the names of `spec.dashboards` and of `tacotrain dashboard`."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Dashboard(StrEnum):
    """The four pages, by the names of `spec.dashboards` and of `tacotrain dashboard`."""

    MLFLOW = "mlflow"
    TENSORBOARD = "tensorboard"
    OPTUNA = "optuna"
    DEMO = "demo"


READY_PATHS: Final = MappingProxyType(
    {
        Dashboard.MLFLOW: "/health",
        Dashboard.TENSORBOARD: "/",
        Dashboard.OPTUNA: "/dashboard",
        Dashboard.DEMO: "/_stcore/health",
    }
)
"""Where each answers 200 once it can be used (docs/dashboards.md)."""
FRONT_PATHS: Final = MappingProxyType({Dashboard.MLFLOW: "/study", Dashboard.OPTUNA: "/dashboard"})
"""What a person opens, where it is not `/`."""
