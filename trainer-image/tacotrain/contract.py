"""The documents that tacotrain shares with its operator: `docs/trial-contract.md` as types.

Field names are camelCase on the wire and snake_case here. An unknown field of `trial.json` is refused: a typing error there
would silently train something else.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from tacotrain.early_stopping import Direction
from tacotrain.errors import ConfigError
from tacotrain.files import encode_json, finite_only, read_json, write_atomic

TRIAL: Final = "tacotune.dev/trial/v1"
RESULT: Final = "tacotune.dev/result/v1"
RESULT_FILE: Final = "result.json"

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Scalar = bool | int | FiniteFloat | str


class _Document(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        # A later version of the contract may have fields that start with model_.
        protected_namespaces=(),
    )


_Kind = TypeVar("_Kind", bound=_Document)


class StudyRef(_Document):
    """The study that a trial belongs to."""

    name: str = Field(min_length=1)
    namespace: str
    uid: str


class Dataset(_Document):
    """Where the prepared dataset lies."""

    path: Path
    """Directory made by `tacotrain prepare`."""


class Objective(_Document):
    """A metric to optimize."""

    metric: str
    direction: Direction


class PhaseRule(_Document):
    """Early stopping in one phase of a training."""

    until: float = Field(gt=0, le=1)
    patience: float = Field(gt=0)
    min_delta: float = Field(ge=0)
    attention_threshold: float = Field(ge=0, le=1)


class EarlyStoppingRules(_Document):
    """Early stopping; patience counts in epochs of a training of `reference_epochs`."""

    reference_epochs: int = Field(ge=1)
    phases: tuple[PhaseRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _phases_rise(self) -> Self:
        ends = [phase.until for phase in self.phases]
        if ends != sorted(set(ends)):
            raise ValueError("phases must be in order of a rising 'until'")
        return self


class Checkpoints(_Document):
    """How often checkpoints are written and how many are kept beside the best one."""

    every_steps: int = Field(ge=1)
    """Optimizer steps."""
    keep: int = Field(ge=1)


class MLflow(_Document):
    """Where runs are logged."""

    tracking_uri: str = Field(alias="trackingUri")
    experiment: str
    parent_run: str | None = None


class Report(_Document):
    """Who is told about the course of the training."""

    storage_url_env: str | None = None
    """Name of the environment variable with the DSN of Optuna's storage."""
    storage_trial_id: int | None = None
    every_seconds: float = Field(default=10.0, gt=0)
    tensorboard: bool = True
    mlflow: MLflow | None = None


class WarmStart(_Document):
    """Weights to begin with."""

    checkpoint: Path


class Trial(_Document):
    """`trial.json`: all that an attempt is given."""

    contract: Literal["tacotune.dev/trial/v1"]
    study: StudyRef
    purpose: Literal["trial", "final"] = "trial"
    trial: int = Field(ge=0)
    attempt: int = Field(ge=1)
    spec_hash: str = Field(min_length=1)
    preset: str
    parameters: dict[str, Scalar]
    seed: Seed
    dataset: Dataset
    objectives: tuple[Objective, ...] = Field(min_length=1)
    weights: dict[str, FiniteFloat] = Field(default_factory=dict)
    early_stopping: EarlyStoppingRules | None = None
    checkpoints: Checkpoints
    directory: Path
    report: Report = Field(default_factory=Report)
    warm_start: WarmStart | None = None
    deadline_seconds: float | None = Field(default=None, gt=0)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda|cuda:\d+)$")
    threads: int | None = Field(default=None, ge=1)


class Publication(_Document):
    """Which voice becomes the best one of its study."""

    source: str = Field(min_length=1)
    """What the operator calls it: `<purpose>/<trial>/<checkpoint>`."""
    purpose: Literal["trial", "final"]
    trial: int = Field(ge=0)
    checkpoint: str = Field(min_length=1)
    """Directory, relative to the trial's."""
    parameters: dict[str, Scalar] | None = None
    """Shown beside the voice; None: all those that the checkpoint was trained with."""
    preset: str | None = None

    @property
    def directory(self) -> Path:
        """The trial's, relative to the study's."""
        return Path("trials", f"{self.trial:04d}") if self.purpose == "trial" else Path("final")


State = Literal["complete", "pruned", "early_stopped", "diverged", "infeasible"]


class Result(_Document):
    """`result.json`: the end of a trial. Unknown fields are ignored, so that an older reader copes with a newer trainer."""

    model_config = ConfigDict(extra="ignore")

    contract: Literal["tacotune.dev/result/v1"] = RESULT
    study: str
    trial: int
    attempt: int
    spec_hash: str
    state: State
    message: str
    values: tuple[float | None, ...]
    """Of the best evaluation, one per objective."""
    metrics: dict[str, float]
    best_step: int | None
    steps: int
    epochs: float
    seconds: float
    frames: int
    checkpoint: str | None
    """Best checkpoint, relative to the trial directory, as are the next two."""
    samples: tuple[str, ...] = ()
    alignments: tuple[str, ...] = ()
    gate_threshold: float | None = None
    peak_memory_bytes: int

    def to_json(self) -> str:
        """Encode for the wire."""
        document = self.model_dump(mode="json", by_alias=True)
        document["metrics"] = finite_only(self.metrics)
        return encode_json(document, indent=2) + "\n"


def parse_trial(document: Any, *, source: str) -> Trial:
    """Check a trial document; the names are those of the wire.

    Raises:
        ConfigError: Names every field that is wrong, with its path.
    """
    return _parse(Trial, document, source)


def parse_publication(document: Any, *, source: str) -> Publication:
    """Check a publication, as `parse_trial` does."""
    return _parse(Publication, document, source)


def _parse(kind: type[_Kind], document: Any, source: str) -> _Kind:
    try:
        return kind.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_problems(error)}") from error


def read_trial(path: Path) -> Trial:
    """Read `trial.json`."""
    return parse_trial(read_json(path), source=str(path))


def read_result(path: Path) -> Result:
    """Read the `result.json` of a finished trial.

    Raises:
        InputMissing: There is none.
        ConfigError: It is none.
    """
    return _parse(Result, read_json(path), str(path))


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{_path(item['loc'])}: {_sentence(item['msg'])}" for item in error.errors())


def _path(location: tuple[int | str, ...]) -> str:
    """`objectives[0].metric`; the name of a union's member is no part of the document."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part not in {"bool", "int", "float", "str"}:
            text += f".{part}" if text else part
    return text or "document"


def _sentence(message: str) -> str:
    known = {"Extra inputs are not permitted": "unknown field", "Field required": "missing"}
    return known.get(message, message.removeprefix("Value error, "))


def finished_result(directory: Path, spec_hash: str) -> Result | None:
    """The result of an earlier attempt at the same trial, if it finished."""
    path = directory / RESULT_FILE
    if not path.exists():
        return None
    try:
        result = Result.model_validate(read_json(path), by_alias=True, by_name=False)
    except (ConfigError, ValidationError):
        # Written in one step, so this is another program's file or another version's: train.
        return None
    return result if result.spec_hash == spec_hash else None


def write_result(directory: Path, result: Result) -> None:
    """Leave `result.json`: from now on the trial is finished."""
    write_atomic(directory / RESULT_FILE, result.to_json(), durable=True)
