"""One attempt at a trial, from its document to its result: builds, resumes, trains, and leaves `result.json`."""

from contextlib import ExitStack

import torch

from tacotrain import memory
from tacotrain.assemble import build, check_request, check_timings, resume
from tacotrain.attendants import logging_to, reporting
from tacotrain.checkpoint import CheckpointStore
from tacotrain.contract import Result, Trial, finished_result, write_result
from tacotrain.data.shard import PreparedDataset
from tacotrain.device import available_threads
from tacotrain.errors import InternalError
from tacotrain.events import ProgressFile
from tacotrain.files import make_directory
from tacotrain.interruption import Interruption
from tacotrain.loop import Outcome, fit
from tacotrain.result import result_of
from tacotrain.run import Run


class OutOfMemoryError(InternalError):
    """Memory did not suffice for a batch; a smaller one may fit."""

    def __init__(self, message: str, *, cuda: bool) -> None:
        super().__init__(message)
        self.cuda = cuda
        """Whether it was the GPU's."""


def train(trial: Trial, interruption: Interruption) -> Result:
    """Run an attempt to its end. An attempt at a finished trial returns that result at once.

    Raises:
        TrainerError: Of the tree in `errors`; there is no result then, and checkpoints are as they were.
    """
    if (done := finished_result(trial.directory, trial.spec_hash)) is not None:
        return done
    with memory.cleared():
        return _train(trial, interruption)


def _train(trial: Trial, interruption: Interruption) -> Result:
    config = check_request(trial)
    torch.set_num_threads(trial.threads or available_threads())
    make_directory(trial.directory)
    ProgressFile(trial.directory).update(
        {"step": 0, "totalSteps": 0, "attempt": trial.attempt, "state": "loading"}
    )
    dataset = PreparedDataset.open(trial.dataset.path)
    check_timings(trial, dataset)
    with ExitStack() as stack:
        store = stack.enter_context(
            CheckpointStore(trial.directory / "checkpoints", keep=trial.checkpoints.keep).held()
        )
        reporter = stack.enter_context(reporting(trial))
        run = build(trial, config, dataset, store=store, reporter=reporter, interruption=interruption)
        resume(run)
        ending = stack.enter_context(logging_to(run))
        try:
            outcome = fit(run)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            outcome = _out_of_memory(run, error)
        result = result_of(run, outcome)
        write_result(trial.directory, result)
        run.telemetry.finished(run.state, outcome.state, outcome.message)
        ending.state = outcome.state
    return result


def _out_of_memory(run: Run, error: Exception) -> Outcome:
    """Tell lack of memory from other errors, and a batch that can shrink from one that cannot.

    Raises:
        OutOfMemoryError: A smaller batch may fit.
        Exception: The same one, when it is something else.
    """
    cuda = isinstance(error, torch.OutOfMemoryError)
    if not cuda and not isinstance(error, MemoryError) and "can't allocate memory" not in str(error):
        raise error
    size = run.config.batch_size
    run.telemetry.warn(
        run.state, "out_of_memory", f"out of {'GPU ' if cuda else ''}memory with batch_size {size}"
    )
    if size > 1:
        advice = "halve batch_size and double accumulation_steps, or give the trial more memory"
        raise OutOfMemoryError(
            f"out of {'GPU ' if cuda else ''}memory at step {run.state.step}; {advice}", cuda=cuda
        ) from error
    return Outcome(
        "infeasible", "out of memory with a single utterance; the model is too large for this device"
    )
