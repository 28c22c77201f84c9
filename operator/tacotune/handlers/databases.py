"""Which database a study's rows lie in, and the one connection pool that this process keeps for it."""

import base64
from typing import Any

from tacotune.adapters.kube_api import KubeApi, collection
from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.ports import StorageUnavailable


class Databases:
    """The chart's database, and those that studies name by `spec.storage.secretRef`.

    Args:
        api: To read a study's Secret with.
        default: DSN of the chart's.
        pool_size: Connections kept open to each.
    """

    def __init__(self, api: KubeApi, default: str, *, pool_size: int) -> None:
        self._api = api
        self._default = default
        self._pool_size = pool_size
        self._engines: dict[str, OptunaEngine] = {}

    def dsn(self, namespace: str, spec: dict[str, Any]) -> str:
        """Where the rows of a study with this spec (as its manifest has it) lie.

        Raises:
            StorageUnavailable: Its Secret is missing or may not be read.
        """
        if not spec.get("storage"):
            return self._default
        reference = spec["storage"]["secretRef"]
        name, key = reference["name"], reference.get("key", "uri")
        secret = self._api.get(f"{collection(namespace, 'secrets')}/{name}") or {}
        try:
            return base64.b64decode(secret["data"][key]).decode()
        except (KeyError, ValueError) as error:
            raise StorageUnavailable(
                f"spec.storage.secretRef: Secret {name} has no readable key {key}", retry_after=10.0
            ) from error

    def engine(self, dsn: str) -> OptunaEngine:
        """The process's only engine for a database."""
        if dsn not in self._engines:
            self._engines[dsn] = OptunaEngine(dsn, pool_size=self._pool_size)
        return self._engines[dsn]

    def close(self) -> None:
        """Give all connections back."""
        for engine in self._engines.values():
            engine.close()
