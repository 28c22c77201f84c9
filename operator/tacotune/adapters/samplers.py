"""Optuna's samplers from the spec, rebuilt for each proposal with a seed of its own.

A sampler that lives on carries random state that dies with the process; rebuilt from (study seed, trial number, draw), the
same history leads to the same proposal, before and after a restart. `grid` is not here: `proposals` enumerates it itself,
since Optuna's stops the study on its own account.
"""

import hashlib
from importlib.util import find_spec

from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from tacotune.api.tuning import Sampler
from tacotune.ports import InvalidStudy


def ask_seed(study_seed: int, number: int, draw: int = 0) -> int:
    """Seed of one proposal: of the study's seed, the trial's number, and how many proposals were thrown away before."""
    digest = hashlib.blake2b(f"{study_seed}/{number}/{draw}".encode(), digest_size=4)
    return int.from_bytes(digest.digest())


def check_sampler(spec: Sampler) -> None:
    """Refuse a sampler whose library is missing, before the first trial.

    Raises:
        InvalidStudy: with the command that installs it.
    """
    needed = {"gp": "torch", "cmaes": "cmaes"}.get(spec.name)
    if needed is not None and find_spec(needed) is None:
        raise InvalidStudy(f"sampler.name: {spec.name} needs {needed}: pip install {needed}, or take tpe")


def build_sampler(spec: Sampler, seed: int) -> BaseSampler:
    """A fresh sampler for one proposal; random for `grid`, whose cells are not sampled."""
    sampler: BaseSampler
    match spec.name:
        case "tpe":
            sampler = TPESampler(n_startup_trials=spec.startup_trials, seed=seed)
        case "gp":
            sampler = GPSampler(
                n_startup_trials=spec.startup_trials, seed=seed, warn_independent_sampling=False
            )
        case "cmaes":
            sampler = CmaEsSampler(seed=seed, warn_independent_sampling=False)
        case "nsgaii":
            sampler = NSGAIISampler(seed=seed)
        case "nsgaiii":
            sampler = NSGAIIISampler(seed=seed)
        case "qmc":
            # One low-discrepancy sequence for the whole study; the place in it is kept in the study's attributes.
            sampler = QMCSampler(
                scramble=True,
                seed=spec.seed,
                independent_sampler=RandomSampler(seed=seed),
                warn_independent_sampling=False,
            )
        case "random" | "grid":
            sampler = RandomSampler(seed=seed)
    return sampler
