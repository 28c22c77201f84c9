"""Judges recordings from facts about them; pure, so that every rule is a table of numbers in a test."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from tacotrain.audio.config import AudioConfig
from tacotrain.data.findings import Finding, Severity
from tacotrain.text.characters import UnknownCharacter


@dataclass(frozen=True, slots=True)
class WavFacts:
    """What was measured in a sound file."""

    sample_rate: int
    channels: int
    samples: int
    peak: float
    """Largest absolute sample; 1 is full scale."""
    clipped: float
    """Share of samples at full scale."""
    leading_silence: float
    """Seconds before the first sound."""
    trailing_silence: float
    """Seconds after the last sound."""

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.samples / self.sample_rate


@dataclass(frozen=True, slots=True)
class TextFacts:
    """What was found in a text."""

    normalized: str
    letters: int
    """Letters of the normalized text."""
    unknown: tuple[UnknownCharacter, ...] = ()


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A recording with all that is known about it."""

    file: str
    text: TextFacts
    wav: WavFacts | None
    """None when the file could not be read."""
    problem: str = ""
    """Why it could not."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a recording stops being normal."""

    shortest_seconds: float = 0.1
    longest_seconds: float = 20.0
    silence_peak: float = 1e-3
    """Quieter than this (-60 dB) all over is a silent file."""
    edge_silence_seconds: float = 0.5
    """Longer silence at an end teaches a voice to wait, and not to stop."""
    clipped_share: float = 1e-3
    ratio_outlier: float = 3.0
    """Letters per second may be this many times above or below the median of the dataset."""
    ratio_minimum_files: int = 10
    """Fewer files have no meaningful median."""


def validate(
    facts: Sequence[FileFacts], audio: AudioConfig, limits: Limits | None = None
) -> tuple[Finding, ...]:
    """All findings, in the order of the files."""
    limits = limits or Limits()
    found = defaultdict[str, list[Finding]](list)
    for finding in (
        *(finding for one in facts for finding in _one_file(one, audio, limits)),
        *_duplicates(facts),
        *_ratio_outliers(facts, limits),
    ):
        found[finding.file].append(finding)
    return tuple(finding for file in dict.fromkeys(one.file for one in facts) for finding in found[file])


def _one_file(facts: FileFacts, audio: AudioConfig, limits: Limits) -> Iterator[Finding]:
    yield from _text(facts)
    if facts.wav is None:
        yield Finding(facts.file, Severity.ERROR, "unreadable", facts.problem)
    elif facts.wav.samples == 0:
        yield Finding(
            facts.file, Severity.ERROR, "no-samples", "has no samples; record it again or leave it out"
        )
    else:
        yield from _format(facts.file, facts.wav, audio)
        yield from _length(facts.file, facts.wav, audio, limits)
        yield from _loudness(facts.file, facts.wav, limits)


def _text(facts: FileFacts) -> Iterator[Finding]:
    if facts.text.unknown:
        listed = ", ".join(map(str, facts.text.unknown[:5])) + (", …" if len(facts.text.unknown) > 5 else "")
        yield Finding(
            facts.file, Severity.ERROR, "unknown-characters", f"the text has {listed}; replace or spell out"
        )
    elif facts.text.letters == 0:
        yield Finding(facts.file, Severity.ERROR, "empty-text", "the text has no letters; write what is said")


def _format(file: str, wav: WavFacts, audio: AudioConfig) -> Iterator[Finding]:
    if wav.sample_rate != audio.sample_rate:
        message = f"{wav.sample_rate} Hz, {audio.sample_rate} are needed; convert: sox IN.wav -r {audio.sample_rate} OUT.wav"
        yield Finding(file, Severity.ERROR, "sample-rate", message)
    if wav.channels != 1:
        message = f"{wav.channels} channels, 1 is needed; convert: sox IN.wav -c 1 OUT.wav"
        yield Finding(file, Severity.ERROR, "channels", message)


def _length(file: str, wav: WavFacts, audio: AudioConfig, limits: Limits) -> Iterator[Finding]:
    shortest = max(limits.shortest_seconds, audio.n_fft / wav.sample_rate)
    if wav.seconds < shortest:
        message = f"{wav.seconds:.3f} s, shorter than {shortest:.3f} s; leave it out"
        yield Finding(file, Severity.ERROR, "too-short", message)
    elif wav.seconds > limits.longest_seconds:
        message = f"{wav.seconds:.1f} s, longer than {limits.longest_seconds:g} s; cut it at a pause, or training needs much memory"
        yield Finding(file, Severity.WARNING, "too-long", message)


def _loudness(file: str, wav: WavFacts, limits: Limits) -> Iterator[Finding]:
    if wav.peak < limits.silence_peak:
        yield Finding(
            file,
            Severity.ERROR,
            "silent",
            f"silent: its peak is {wav.peak:.1e} of full scale; record it again",
        )
        return
    for end, seconds in (("leading", wav.leading_silence), ("trailing", wav.trailing_silence)):
        if seconds > limits.edge_silence_seconds:
            message = f"{seconds:.2f} s of {end} silence; trim to {limits.edge_silence_seconds:g} s"
            yield Finding(file, Severity.WARNING, f"{end}-silence", message)
    if wav.clipped > limits.clipped_share:
        message = f"{wav.clipped:.1%} of its samples are at full scale; record with less gain"
        yield Finding(file, Severity.WARNING, "clipped", message)


def _duplicates(facts: Sequence[FileFacts]) -> Iterator[Finding]:
    for one, first in _repeated((one.file, one) for one in facts):
        yield Finding(
            one.file,
            Severity.ERROR,
            "duplicate-file",
            f"listed more than once; the first has {first.text.normalized!r}",
        )
    for one, first in _repeated((one.text.normalized, one) for one in facts if one.text.letters):
        if one.file != first.file:
            message = f"the same text as {first.file}; a validation sentence must not be a training sentence"
            yield Finding(one.file, Severity.WARNING, "duplicate-text", message)


def _repeated(keyed: Iterable[tuple[str, FileFacts]]) -> Iterator[tuple[FileFacts, FileFacts]]:
    seen: dict[str, FileFacts] = {}
    for key, one in keyed:
        if key in seen:
            yield one, seen[key]
        else:
            seen[key] = one


def _ratio_outliers(facts: Sequence[FileFacts], limits: Limits) -> Iterator[Finding]:
    """A text that does not belong to its sound shows in the number of letters per second."""
    speeds = {
        one.file: one.text.letters / one.wav.seconds
        for one in facts
        if one.wav and one.wav.samples and one.text.letters
    }
    if len(speeds) < limits.ratio_minimum_files:
        return
    middle = median(speeds.values())
    for file, speed in speeds.items():
        if not middle / limits.ratio_outlier <= speed <= middle * limits.ratio_outlier:
            message = f"{speed:.1f} letters per second, {middle:.1f} are usual here; does the text belong to the sound?"
            yield Finding(file, Severity.WARNING, "text-audio-ratio", message)
