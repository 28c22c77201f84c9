"""Puts the parts of an attempt together: checks what was asked for, builds everything, and takes up where the last one stopped."""

import logging
from typing import Any, Final

import torch

from tacotrain import memory, monitor
from tacotrain.budget import Budget
from tacotrain.checkpoint import CheckpointStore, require_same
from tacotrain.config import TrainConfig
from tacotrain.contract import Trial
from tacotrain.data.sampler import BatchSampler
from tacotrain.data.shard import PreparedDataset
from tacotrain.device import choose_device, seed_everything, use_bfloat16
from tacotrain.early_stopping import Phase, Rules, default_phases
from tacotrain.errors import ConfigError
from tacotrain.events import Events, MetricsFile, ProgressFile
from tacotrain.files import content_hash
from tacotrain.interruption import Interruption
from tacotrain.metrics.score import merge_weights, value_of
from tacotrain.place import ALONE, Place
from tacotrain.report import Reporter
from tacotrain.run import Run, adopt, unite
from tacotrain.schedule import Schedule
from tacotrain.shared_norm import share_statistics
from tacotrain.state import TrainState
from tacotrain.step import Stepper, Tally
from tacotrain.telemetry import Telemetry
from tacotrain.voice import VoiceProfile, build_model, warm_start
from tacotrain.workers import Workers

_FREE_RUN_METRICS: Final = frozenset({"tts_score", "failure_rate", "stop_rate", "mcd_dtw", "length_ratio"})

log = logging.getLogger("tacotrain")


def check_request(trial: Trial, place: Place = ALONE) -> TrainConfig:
    """Check all of a trial that can be checked without its dataset.

    Raises:
        ConfigError: A parameter, an objective or a weight is wrong.
        DeviceUnavailable: There is no such device.
    """
    config = TrainConfig.resolve(trial.preset, trial.parameters)
    _check_objectives(trial, config)
    choose_device(trial.device, place)
    return config


def _check_objectives(trial: Trial, config: TrainConfig) -> None:
    merge_weights(trial.weights)
    for index, objective in enumerate(trial.objectives):
        value_of({}, objective.metric)
        if objective.metric in _FREE_RUN_METRICS and not config.free_run_utterances:
            raise ConfigError(
                f"objectives[{index}].metric: {objective.metric} needs free-running speech; set free_run_utterances above 0"
            )


def check_timings(trial: Trial, dataset: PreparedDataset) -> None:
    """Refuse objectives that this dataset cannot answer.

    Raises:
        ConfigError: There are no true word timings.
    """
    wanted = any(objective.metric == "word_hit_rate" for objective in trial.objectives)
    wanted = wanted or trial.weights.get("word_hits", 0) > 0
    if wanted and dataset.word_timings(dataset.validation[0]) is None:
        raise ConfigError(
            "word_hit_rate needs true word timings, and this dataset has none; choose another metric or weight"
        )


def build(
    trial: Trial,
    config: TrainConfig,
    dataset: PreparedDataset,
    *,
    store: CheckpointStore,
    reporter: Reporter | None,
    interruption: Interruption,
    device: torch.device,
    workers: Workers,
) -> Run:
    """Make all parts, with a model before its first step.

    Args:
        trial: What is asked for.
        config: Its parameters.
        dataset: What to train on.
        store: Where the leader saves.
        reporter: Who hears of the leader.
        interruption: Whether to stop.
        device: Where to compute.
        workers: Who trains the same model at the same time.

    Raises:
        ConfigError: The warm start does not fit.
        DataError: There is nothing to train on.
    """
    profile = VoiceProfile.of(dataset)
    bfloat16 = use_bfloat16(config.precision, device)

    def begin() -> tuple[TrainState, Stepper]:
        seed_everything(trial.seed)
        model = build_model(config, profile).to(device)
        if trial.warm_start is not None:
            warm_start(model, profile, trial.warm_start.checkpoint, device)
        share_statistics(model, workers)
        state = TrainState.fresh(model, config, _sampler(dataset, config, trial.seed), seed=trial.seed)
        stepper = Stepper(
            model, state.optimizer, state.average, config, device, bfloat16=bfloat16, workers=workers
        )
        return state, stepper

    state, stepper = begin()
    budget = Budget.of(
        epochs=config.epochs,
        max_steps=config.max_steps,
        batches_per_epoch=state.sampler.batches_in_epoch,
        accumulation_steps=config.accumulation_steps,
    )
    rules = _rules(trial, budget)
    directory = trial.directory if workers.leads else None
    telemetry = Telemetry(
        trial,
        budget,
        rules,
        Events(directory, attempt=trial.attempt),
        MetricsFile(directory),
        ProgressFile(directory),
        loggers=(),
        reporter=reporter,
    )
    run = Run(
        trial=trial,
        config=config,
        dataset=dataset,
        device=device,
        budget=budget,
        schedule=_schedule(config, budget),
        rules=rules,
        store=store,
        metadata=_metadata(trial, config, dataset, profile),
        telemetry=telemetry,
        monitor=monitor.Monitor(
            probes=(monitor.container_memory, monitor.gpu_memory),
            clear=memory.clear,
            warn=lambda pressure: telemetry.memory_short(run.state, pressure),
        ),
        interruption=interruption.within(trial.deadline_seconds),
        workers=workers,
        begin=begin,
        state=state,
        stepper=stepper,
        tally=Tally.empty(device),
    )
    return run


def _sampler(dataset: PreparedDataset, config: TrainConfig, seed: int) -> BatchSampler:
    return BatchSampler(
        dataset.mel_lengths, batch_size=config.batch_size, seed=seed, utterances=dataset.train
    )


def _rules(trial: Trial, budget: Budget) -> Rules:
    stopping = trial.early_stopping
    phases = (
        default_phases() if stopping is None else (Phase(**phase.model_dump()) for phase in stopping.phases)
    )
    return Rules(
        phases=tuple(phases),
        reference_epochs=1000 if stopping is None else stopping.reference_epochs,
        direction=trial.objectives[0].direction,
        total_steps=budget.total_steps,
    )


def _schedule(config: TrainConfig, budget: Budget) -> Schedule:
    if config.warmup_steps >= budget.total_steps:
        log.warning(
            "warmup_steps: %d of %d steps: the learning rate never reaches its peak",
            config.warmup_steps,
            budget.total_steps,
        )
    return Schedule(
        peak=config.learning_rate,
        shape=config.lr_schedule,
        final_ratio=config.lr_final_ratio,
        warmup_steps=config.warmup_steps,
        total_steps=budget.total_steps,
    )


def _metadata(
    trial: Trial, config: TrainConfig, dataset: PreparedDataset, profile: VoiceProfile
) -> dict[str, Any]:
    identity = {
        "parameters": config.as_dict(),
        "dataset": dataset.sha256,
        "seed": trial.seed,
        "objectives": {objective.metric: objective.direction for objective in trial.objectives},
        "weights": dict(trial.weights),
    }
    return {
        "identity": identity,
        "configHash": content_hash(identity["parameters"]),
        "preset": trial.preset,
        "voice": profile.to_json(),
        "torch": str(torch.__version__),
    }


def resume(run: Run) -> None:
    """Go on from the newest checkpoint that is whole, if there is one; of several workers the leader finds it.

    Raises:
        ConfigError: It is of another training; nothing is deleted.
    """
    if run.workers.leads:
        _take_up(run)
    unite(run)
    run.telemetry.publish(run.state, "training")


def _take_up(run: Run) -> None:
    where = f"{run.device}" if run.workers.size == 1 else f"{run.workers.size} workers ({run.device.type})"
    saved, damaged = run.store.newest()
    for broken in damaged:
        run.telemetry.warn(
            run.state,
            "damaged_checkpoint",
            f"{broken.path.name} is damaged ({broken.reason}); using an earlier one",
        )
    if saved is None:
        run.telemetry.metrics.rewind(0)
        run.telemetry.events.record("start", step=0, totalSteps=run.budget.total_steps)
        log.info("training %d steps, %.1f epochs, on %s", run.budget.total_steps, run.budget.epochs, where)
    else:
        require_same(
            saved,
            run.metadata["identity"],
            ignore=_may_differ(saved.metadata.get("identity", {}), run.config),
        )
        adopt(run, saved)
        run.telemetry.events.record("resume", step=run.state.step, totalSteps=run.budget.total_steps)
        log.info("going on from step %d of %d on %s", run.state.step, run.budget.total_steps, where)


def _may_differ(identity: dict[str, Any], config: TrainConfig) -> frozenset[str]:
    """After running out of memory the same utterances may come in smaller batches, more of them to a step."""
    then = identity.get("parameters", {})
    if (
        then.get("batch_size", 0) * then.get("accumulation_steps", 0)
        == config.batch_size * config.accumulation_steps
    ):
        return frozenset({"parameters.batch_size", "parameters.accumulation_steps"})
    return frozenset()
