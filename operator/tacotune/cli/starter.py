"""The manifest that `init` writes and that `run FOLDER` takes: valid as it stands, with a comment beside every choice."""

import re
from pathlib import Path
from typing import Literal

Preset = Literal["tiny", "small", "base"]
Language = Literal["en", "ru"]

_LOOK_AT = 200_000
"""Bytes of metadata.csv that decide on the language."""

_TEMPLATE = """\
# A study: what to tune, how long, and on what. `tacotune validate FILE` checks it, `tacotune plan FILE` says what it costs,
# `tacotune run FILE` runs it here, `kubectl apply -f FILE` in a cluster with the operator.
apiVersion: tacotune.dev/v1alpha1
kind: TTSStudy
metadata:
  name: {name}
spec:
  # What to make small or large. tts_score is 0 for a good voice and above 1 for one that has not learned to read;
  # val_loss, mcd_dtw, alignment and others are known too.
  objective: {{metric: tts_score, direction: Minimize}}

  # Parameters to search; `tacotrain config schema` lists all. Exactly one of float, int, categorical each.
  searchSpace:
  - {{name: learning_rate, float: {{low: {rate_low}, high: {rate_high}, log: true}}}}
  - {{name: guided_attention_weight, float: {{low: 0.5, high: 20, log: true}}}}
  - {{name: prenet_dropout, float: {{low: 0.2, high: 0.6}}}}
  - {{name: reduction_factor, int: {{low: 2, high: 4}}}}
  # Only where another parameter has a certain value:
  # - {{name: lr_schedule, categorical: {{choices: [constant, cosine]}}}}
  # - {{name: lr_final_ratio, float: {{low: 0.01, high: 0.5, log: true}}, when: {{parameter: lr_schedule, in: [cosine]}}}}

  # The same in every trial. What is named nowhere comes from the preset.
  fixedParameters:
    epochs: {epochs}

  sampler: {{name: tpe, seed: 42, startupTrials: {startup}}}   # tpe gp cmaes nsgaii nsgaiii qmc random grid
  # Trials that fall behind end early: median percentile hyperband successiveHalving patient threshold none.
  pruner: {{name: median, startupTrials: {prune_after}, warmupSteps: {warmup}}}
  # Values worth a try first:
  # initialTrials: [{{learning_rate: {rate_first}}}]

  maxTrials: {trials}
  parallelism: 1            # trials at the same time
  maxFailedTrials: {failed}      # give up after so many; disruptions and pruned trials do not count
  # activeDeadlineSeconds: 86400
  # goal: 0.1               # stop when a trial is this good
  # noImprovementTrials: 10 # stop when so many trials brought nothing better

  dataset:
    language: {language}            # en or ru
{dataset}

  trainer:
    preset: {preset}           # tiny: minutes on a laptop; small: hours; base: the sizes of NVIDIA/tacotron2, for a GPU
    device: auto            # cpu, cuda, cuda:1
    # resources: {{limits: {{nvidia.com/gpu: 1}}}}      # in a cluster

  # After the search, train fully with the best parameters.
  finalTraining: {{enabled: true, epochs: {final_epochs}}}

  checkpoints: {{everySteps: {every}, keep: 2}}
"""

_SIZES: dict[Preset, dict[str, object]] = {
    "tiny": {
        "rate_low": "5.0e-3", "rate_high": "4.0e-2", "rate_first": "2.0e-2", "epochs": 8, "final_epochs": 40, "warmup": 100,
        "every": 100, "trials": 12, "startup": 6, "prune_after": 4, "failed": 4,
    },
    "small": {
        "rate_low": "2.0e-4", "rate_high": "4.0e-3", "rate_first": "1.0e-3", "epochs": 30, "final_epochs": 200, "warmup": 500,
        "every": 250, "trials": 20, "startup": 8, "prune_after": 5, "failed": 5,
    },
    "base": {
        "rate_low": "5.0e-5", "rate_high": "2.0e-3", "rate_first": "1.0e-3", "epochs": 100, "final_epochs": 1000, "warmup": 2000,
        "every": 500, "trials": 40, "startup": 20, "prune_after": 10, "failed": 10,
    },
}  # fmt: skip


def starter_manifest(
    name: str, *, language: Language, preset: Preset, data: Path | None = None, claim: str = ""
) -> str:
    """Write a manifest with comments.

    Args:
        name: Name of the study.
        language: Of the recordings.
        preset: Size of the model; search bounds and lengths follow it.
        data: Folder in LJSpeech layout; speech made by espeak-ng when neither it nor `claim` is given.
        claim: PersistentVolumeClaim that holds the recordings.
    """
    if data is not None:
        dataset = f"    path: {_quoted(str(data))}    # wavs/ and metadata.csv, as LJSpeech has them; relative to this file"
    elif claim:
        dataset = f"    persistentVolumeClaim: {{claimName: {claim}}}    # wavs/ and metadata.csv, as LJSpeech has them"
    else:
        dataset = (
            "    speech: {utterances: 400}   # spoken by espeak-ng, to try things out. Your own recordings instead:\n"
            "    # path: recordings        # a folder with wavs/ and metadata.csv, as LJSpeech has them\n"
            "    # persistentVolumeClaim: {claimName: recordings}     # in a cluster"
        )
    return _TEMPLATE.format(name=name, language=language, preset=preset, dataset=dataset, **_SIZES[preset])


def study_name(folder: Path) -> str:
    """A valid name for a study of a folder: `My Voice_2` becomes `my-voice-2`."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return name[:52].rstrip("-") or "voice"


def guess_language(folder: Path) -> Language:
    """`ru` when most letters of metadata.csv are Cyrillic, else `en`."""
    try:
        with (folder / "metadata.csv").open("rb") as file:
            text = file.read(_LOOK_AT).decode("utf-8", "ignore")
    except OSError:
        return "en"
    cyrillic = sum("\u0400" <= letter <= "\u04ff" for letter in text)
    latin = sum(letter.isascii() and letter.isalpha() for letter in text)
    return "ru" if cyrillic > latin else "en"


def _quoted(text: str) -> str:
    """YAML's double quotes only where a plain scalar would be misread."""
    if re.fullmatch(r"[A-Za-z_./~][\w./~-]*", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
