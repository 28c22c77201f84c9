"""`tacotrain prepare`: checks every recording, then writes the dataset; complete or not at all.

Everything is validated before anything is written, so that one run tells all that is wrong. A finished dataset of the
same inputs is reused at once.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tacotrain.audio.config import AudioConfig
from tacotrain.audio.wav import read_wav
from tacotrain.corpus import CorpusSpec
from tacotrain.data.findings import Severity
from tacotrain.data.measure import measure
from tacotrain.data.origin import Origin, Progress, espeak_version, recorded, spoken
from tacotrain.data.report import REPORT, Report, UnusableData
from tacotrain.data.shard import FORMAT, HEADER, PreparedDataset, read_header
from tacotrain.data.source import Recording, Source
from tacotrain.data.split import stratified_split, validation_count
from tacotrain.data.validate import FileFacts, validate
from tacotrain.data.writer import Utterance, write_dataset
from tacotrain.errors import CannotCreate, DataError, InputMissing
from tacotrain.staging import staged_directory
from tacotrain.text.frontend import Frontend
from tacotrain.words import WordTiming


@dataclass(frozen=True, slots=True)
class Options:
    """How to prepare, apart from what."""

    language: str = "en"
    phonemes: bool = False
    skip_bad: bool = False
    """Leave unusable recordings out instead of stopping."""
    audio: AudioConfig = field(default_factory=AudioConfig)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The outcome of `prepare`."""

    dataset: PreparedDataset
    report: Report
    reused: bool
    """The dataset was there already, made from the same inputs."""


def prepare(
    source: Path | CorpusSpec, out: Path, options: Options, progress: Progress | None = None
) -> Prepared:
    """Prepare a dataset.

    Args:
        source: A folder in LJSpeech layout, a `path|text` list, or the corpus that espeak-ng shall speak.
        out: The folder of the dataset; a dataset of other inputs there is replaced, anything else is refused.
        options: The language of a corpus overrides theirs.
        progress: Told how far it is.

    Raises:
        UnusableData: Recordings cannot be used; `OUT.report.json` lists all findings.
        DataError: The source is damaged as a whole.
        InputMissing: The source does not exist, or espeak-ng is not installed.
        CannotCreate: `out` holds something that is not a dataset, or cannot be made.
        WriteError: The disk is full; nothing is left behind.
    """
    tell = progress or _tell_nobody
    if isinstance(source, CorpusSpec):
        options, origin = replace(options, language=source.language), spoken(source)
    else:
        origin = recorded(source)
    frontend = Frontend.for_language(options.language, phonemes=options.phonemes)
    inputs = _hash(origin, frontend, options)
    if reused := _reuse(out, inputs):
        return reused
    with staged_directory(out) as staging:
        listed = origin.obtain(staging / "corpus", tell)
        report, usable = _examine(origin.name, listed, frontend, options, tell)
        failure = out.with_name(f"{out.name}.{REPORT}")
        if (report.errors and not options.skip_bad) or report.usable < 2:
            failure.write_text(report.to_json(), encoding="utf-8")
            raise UnusableData(report, failure)
        failure.unlink(missing_ok=True)
        (staging / REPORT).write_text(report.to_json(), encoding="utf-8")
        write_dataset(
            staging,
            utterances=_utterances(usable, frontend),
            mels=_mels(usable, options.audio, tell),
            validation=_split(usable, listed.validation),
            language=frontend.language,
            phonemes=frontend.phonemes,
            symbols=frontend.symbols,
            audio=options.audio,
            inputs=inputs,
        )
    return Prepared(PreparedDataset.open(out, verify=False), report, reused=False)


def _examine(
    name: str, listed: Source, frontend: Frontend, options: Options, tell: Progress
) -> tuple[Report, list[Recording]]:
    """Judge all recordings; the report, and those that can be used."""
    facts: list[FileFacts] = []
    for i, recording in enumerate(listed.recordings):
        facts.append(measure(recording, frontend))
        tell("checking", i + 1, len(listed.recordings))
    findings = (*listed.findings, *validate(facts, options.audio))
    bad = {finding.file for finding in findings if finding.severity is Severity.ERROR}
    usable = [recording for recording in listed.recordings if recording.name not in bad]
    seconds = sum(one.wav.seconds for one in facts if one.wav and one.file not in bad)
    return Report(name, len(listed.recordings), len(usable), round(seconds, 3), findings), usable


def _utterances(recordings: Sequence[Recording], frontend: Frontend) -> list[Utterance]:
    texts = frontend.read(recording.text for recording in recordings)
    return [
        Utterance(
            recording.name,
            recording.text,
            text,
            tuple(frontend.symbols.encode(text)),
            _move(recording.timings, text) if recording.timings else None,
        )
        for recording, text in zip(recordings, texts, strict=True)
    ]


def _mels(
    recordings: Sequence[Recording], audio: AudioConfig, tell: Progress
) -> Iterator[NDArray[np.float32]]:
    import torch  # noqa: PLC0415 - a broken dataset is reported before torch is loaded

    from tacotrain.audio.mel import LogMel  # noqa: PLC0415
    from tacotrain.audio.threads import one_thread  # noqa: PLC0415

    transform = LogMel(audio)
    for i, recording in enumerate(recordings):
        samples, _ = read_wav(recording.wav)
        with one_thread():
            mel_TM = transform(torch.from_numpy(samples[:, 0].copy()))
        yield mel_TM.numpy()
        tell("mel", i + 1, len(recordings))


def _split(recordings: Sequence[Recording], held_out: frozenset[str] | None) -> tuple[int, ...]:
    """Held out are those that the source says, as long as something is left on both sides."""
    chosen = tuple(i for i, recording in enumerate(recordings) if recording.name in (held_out or ()))
    if 0 < len(chosen) < len(recordings):
        return chosen
    lengths = [recording.wav.stat().st_size for recording in recordings]
    return stratified_split(lengths, validation_count(len(recordings)))


def _move(timings: tuple[WordTiming, ...], text: str) -> tuple[WordTiming, ...] | None:
    """Move word positions from the written text to the one that is read, by the order of the words.

    None where the two have different numbers of words: espeak-ng pronounces some words as one, and reads numbers as
    several.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for word in text.split(" "):
        spans.append((start, start + len(word)))
        start += len(word) + 1
    if len(spans) != len(timings):
        return None
    return tuple(
        replace(timing, start=start, end=end) for timing, (start, end) in zip(timings, spans, strict=True)
    )


def _reuse(out: Path, inputs: str) -> Prepared | None:
    """The dataset at `out`, when it is whole and of the same inputs."""
    if out.is_dir() and not any(out.iterdir()):
        return None
    if out.exists() and not (out / HEADER).is_file():
        raise CannotCreate(f"{out}: exists and is not a prepared dataset; choose another --out or remove it")
    try:
        if read_header(out).inputs != inputs:
            return None
        report = Report.from_json((out / REPORT).read_text(encoding="utf-8"))
        return Prepared(PreparedDataset.open(out), report, reused=True)
    except (InputMissing, DataError, OSError, ValueError, TypeError):
        return None  # Not there, or damaged: make it again.


def _hash(origin: Origin, frontend: Frontend, options: Options) -> str:
    # The texts as they are read belong to the inputs: better normalization makes a new dataset.
    read = [frontend.normalize(text) for text in origin.texts]
    values = [
        FORMAT,
        asdict(options),
        frontend.symbols.symbols,
        origin.inputs,
        origin.texts,
        read,
        espeak_version(),
    ]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _tell_nobody(_stage: str, _done: int, _total: int) -> None:
    pass
