"""One attempt at a trial, from its document to its result: builds, resumes, trains, and leaves `result.json`.

Several workers make one attempt: each builds and trains all of it, the leader alone has the trial directory, and all return its
result.
"""

from contextlib import ExitStack

import torch

from tacotrain import memory
from tacotrain.assemble import build, check_request, check_timings, resume
from tacotrain.attendants import logging_to, reporting
from tacotrain.checkpoint import CheckpointStore
from tacotrain.contract import Result, Trial, finished_result, write_result
from tacotrain.data.shard import PreparedDataset
from tacotrain.device import available_threads, choose_device
from tacotrain.errors import InternalError, WorkerLost
from tacotrain.events import ProgressFile
from tacotrain.files import make_directory
from tacotrain.interruption import Interruption
from tacotrain.loop import Outcome, fit
from tacotrain.place import ALONE, Place
from tacotrain.result import result_of
from tacotrain.run import Run
from tacotrain.workers import Workers, joined


class OutOfMemoryError(InternalError):
    """Memory did not suffice for a batch; a smaller one may fit."""

    def __init__(self, message: str, *, cuda: bool) -> None:
        super().__init__(message)
        self.cuda = cuda
        """Whether it was the GPU's."""


def train(trial: Trial, interruption: Interruption, place: Place = ALONE) -> Result:
    """Run an attempt to its end. An attempt at a finished trial returns that result at once.

    Args:
        trial: What to train.
        interruption: Whether to stop.
        place: Of this worker among others.

    Raises:
        TrainerError: Of the tree in `errors`; there is no result then, and checkpoints are as they were.
    """
    if place.alone and (done := finished_result(trial.directory, trial.spec_hash)) is not None:
        return done
    with memory.cleared():
        try:
            return _train(trial, interruption, place)
        except WorkerLost:
            # A leader that runs out of memory ends with a result in the middle of a step.
            if (done := finished_result(trial.directory, trial.spec_hash)) is None:
                raise
            return done


def _train(trial: Trial, interruption: Interruption, place: Place) -> Result:
    config = check_request(trial, place)
    device = choose_device(trial.device, place)
    torch.set_num_threads(trial.threads or max(1, available_threads() // place.local_size))
    with joined(place, device) as workers, ExitStack() as stack:
        if not place.alone and (done := _finished_before(trial, workers)) is not None:
            return done
        store = CheckpointStore(trial.directory / "checkpoints", keep=trial.checkpoints.keep)
        if workers.leads:
            make_directory(trial.directory)
            ProgressFile(trial.directory).update(
                {"step": 0, "totalSteps": 0, "attempt": trial.attempt, "state": "loading"}
            )
        dataset = PreparedDataset.open(trial.dataset.path)
        check_timings(trial, dataset)
        if workers.leads:
            stack.enter_context(store.held())
        reporter = stack.enter_context(reporting(trial, leads=workers.leads))
        run = build(
            trial,
            config,
            dataset,
            store=store,
            reporter=reporter,
            interruption=interruption,
            device=device,
            workers=workers,
        )
        resume(run)
        ending = stack.enter_context(logging_to(run))
        together = True
        try:
            outcome = fit(run)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            outcome = _out_of_memory(run, error)
            together = False
        result = _conclude(run, outcome) if workers.leads else None
        ending.state = outcome.state
        return _shared(result, workers) if together else _own(result)


def _finished_before(trial: Trial, workers: Workers) -> Result | None:
    """The result of an earlier attempt, as the leader sees it: volumes differ in how soon they show a file to whom."""
    done = finished_result(trial.directory, trial.spec_hash) if workers.leads else None
    content = workers.share(b"" if done is None else done.to_json().encode())
    return Result.model_validate_json(content) if content else None


def _conclude(run: Run, outcome: Outcome) -> Result:
    result = result_of(run, outcome)
    write_result(run.directory, result)
    run.telemetry.finished(run.state, outcome.state, outcome.message)
    return result


def _shared(result: Result | None, workers: Workers) -> Result:
    """The leader's result for all, who leave only when it is written."""
    if workers.size == 1:
        return _own(result)
    return Result.model_validate_json(workers.share(b"" if result is None else result.to_json().encode()))


def _own(result: Result | None) -> Result:
    assert result is not None, "only the leader ends without the others"
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
    if not run.workers.leads:
        # Only the leader may end a trial; the next attempt finds the same limit with less in a batch.
        raise OutOfMemoryError(_out_of_memory_at(run, cuda=cuda), cuda=cuda) from error
    size = run.config.batch_size
    run.telemetry.warn(
        run.state, "out_of_memory", f"out of {'GPU ' if cuda else ''}memory with batch_size {size}"
    )
    if size > 1:
        raise OutOfMemoryError(_out_of_memory_at(run, cuda=cuda), cuda=cuda) from error
    return Outcome(
        "infeasible", "out of memory with a single utterance; the model is too large for this device"
    )


def _out_of_memory_at(run: Run, *, cuda: bool) -> str:
    advice = "halve batch_size and double accumulation_steps, or give the trial more memory"
    return f"out of {'GPU ' if cuda else ''}memory at step {run.state.step}; {advice}"
