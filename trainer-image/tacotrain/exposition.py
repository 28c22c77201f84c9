"""The course of a training for Prometheus, on a port of its own. Made by `loggers`, where TACOTRAIN_METRICS_PORT names a port.

Which study, trial and attempt it is stands in the labels of the pod; a PodMonitor puts them on the series.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, start_http_server

from tacotrain.monitor import Usage, container_memory, gpu_memory

METRICS_PORT: Final = "TACOTRAIN_METRICS_PORT"
"""Environment variable; unset, empty or 0: nothing is served."""
_GAUGES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "loss/loss": ("tacotrain_loss", "Training loss over the last steps."),
        "evaluation/val_loss": (
            "tacotrain_validation_loss",
            "Loss on the held-out part, at the last evaluation.",
        ),
        "training/frames_per_second": ("tacotrain_frames_per_second", "Mel frames trained a second."),
        "training/learning_rate": ("tacotrain_learning_rate", "Of the last step."),
        "training/gradient_norm": ("tacotrain_gradient_norm", "Before clipping, at the last step."),
    }
)
"""Names of logged numbers, the series each becomes, and its help."""
_EVALUATION: Final = "evaluation/"

log = logging.getLogger(__name__)


class Exposition:
    """A RunLogger that keeps the newest numbers for whoever scrapes.

    Args:
        port: To serve at; 0 takes a free one (`port` then says which).
        container: Asked at each scrape.
        gpu: Asked when numbers are logged, for the GPU is the training thread's; None: there is none.

    Raises:
        OSError: The port is taken, or may not be used.
        OverflowError: It is no port.
    """

    def __init__(
        self,
        port: int,
        *,
        container: Callable[[], Usage] = container_memory,
        gpu: Callable[[], Usage | None] = gpu_memory,
    ) -> None:
        self._gpu = gpu
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._step = Gauge("tacotrain_step", "Optimizer steps made.", registry=registry)
        # Made when there is a first number: a loss that is not known yet is not 0.
        self._gauges: dict[str, Gauge] = {}
        self._evaluation: Gauge | None = None
        used = Gauge("tacotrain_memory_used_bytes", "Memory of the container.", registry=registry)
        used.set_function(lambda: container().used)
        limit = Gauge("tacotrain_memory_limit_bytes", "Where the container is killed.", registry=registry)
        limit.set_function(lambda: container().limit)
        self._server, self._thread = start_http_server(port, registry=registry)
        self.port = int(self._server.server_port)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Keep numbers."""
        self._step.set(step)
        for name, value in values.items():
            if name in _GAUGES:
                self._set(*_GAUGES[name], value)
            if name.startswith(_EVALUATION):
                self._evaluated(name.removeprefix(_EVALUATION), value)
        if (usage := self._gpu()) is not None:
            self._set(
                "tacotrain_gpu_memory_used_bytes", "Memory of the GPU, other processes' included.", usage.used
            )
            self._set("tacotrain_gpu_memory_limit_bytes", "What the GPU has.", usage.limit)

    def picture(self, step: int, name: str, path: Path) -> None:
        """Nothing for Prometheus."""

    def sound(self, step: int, name: str, path: Path) -> None:
        """Nothing for Prometheus."""

    def close(self, state: str) -> None:  # noqa: ARG002 - a series ends with its pod
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _set(self, name: str, text: str, value: float) -> None:
        if name not in self._gauges:
            self._gauges[name] = Gauge(name, text, registry=self._registry)
        self._gauges[name].set(value)

    def _evaluated(self, metric: str, value: float) -> None:
        if self._evaluation is None:
            self._evaluation = Gauge(
                "tacotrain_evaluation",
                "Each metric of the last evaluation.",
                ["metric"],
                registry=self._registry,
            )
        self._evaluation.labels(metric).set(value)


def exposition(environment: Mapping[str, str]) -> Exposition | None:
    """Serve where the environment says. A port that cannot be had costs the metrics and a warning, never the training."""
    text = environment.get(METRICS_PORT, "").strip()
    if text in {"", "0"}:
        return None
    try:
        return Exposition(int(text))
    except (OSError, OverflowError, ValueError) as error:
        log.warning("%s=%s: no metrics are served (%s); training goes on", METRICS_PORT, text, error)
        return None
