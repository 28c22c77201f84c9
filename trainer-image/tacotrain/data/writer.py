"""Writes a prepared dataset into an empty folder: mels in two passes, so that memory never holds the corpus."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tacotrain.audio.config import AudioConfig, MelStatistics
from tacotrain.data.shard import HEADER, Header, describe_file
from tacotrain.text.symbols import SymbolTable
from tacotrain.words import WordTiming

_CHUNK_FRAMES = 16_384
# A band that never changes (above the recording's cut-off) carries nothing: leave it, do not divide by zero.
_SMALLEST_STD = 1e-3


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance, ready to be written."""

    name: str
    written: str
    text: str
    ids: tuple[int, ...]
    timings: tuple[WordTiming, ...] | None = None


def write_dataset(
    directory: Path,
    *,
    utterances: Sequence[Utterance],
    mels: Iterable[NDArray[np.float32]],
    validation: Sequence[int],
    language: str,
    phonemes: bool,
    symbols: SymbolTable,
    audio: AudioConfig,
    inputs: str,
) -> Header:
    """Write all files of a dataset; `mels` gives one log-mel per utterance, in their order."""
    # Plain writes throughout: on a full disk a write into a memory map kills the process, a plain one raises.
    raw = directory / "mel.raw"
    frames, statistics = _write_raw(raw, mels, frozenset(validation), audio.n_mels)
    _write_mel(directory / "mel.npy", raw, sum(frames), statistics)
    raw.unlink()

    _save(directory / "text.npy", np.asarray([i for u in utterances for i in u.ids], dtype=np.int16))
    lengths = np.asarray([frames, [len(u.ids) for u in utterances]], dtype=np.int64)
    _save(directory / "offsets.npy", np.pad(np.cumsum(lengths, axis=1), ((0, 0), (1, 0))))
    lines = ({"name": u.name, "written": u.written, "text": u.text} for u in utterances)
    _write(
        directory / "utterances.jsonl", "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    )
    names = ["mel.npy", "text.npy", "offsets.npy", "utterances.jsonl"]
    if any(u.timings is not None for u in utterances):
        rows = [
            None if u.timings is None else [list(asdict(word).values()) for word in u.timings]
            for u in utterances
        ]
        _write(directory / "timings.json", json.dumps(rows, separators=(",", ":")))
        names.append("timings.json")

    header = Header(
        language=language,
        phonemes=phonemes,
        symbols=symbols.symbols,
        audio=audio,
        statistics=statistics,
        validation=tuple(validation),
        utterances=len(utterances),
        frames=sum(frames),
        files={name: describe_file(directory / name) for name in names},
        inputs=inputs,
    )
    _write(
        directory / HEADER,
        json.dumps({**header.to_json(), "sha256": header.sha256}, ensure_ascii=False, indent=1),
    )
    return header


def _write_raw(
    path: Path, mels: Iterable[NDArray[np.float32]], validation: frozenset[int], bands: int
) -> tuple[list[int], MelStatistics]:
    """First pass: log-mels to disk, lengths and the statistics of the training utterances to memory."""
    frames: list[int] = []
    total, squares, count = np.zeros(bands), np.zeros(bands), 0
    with path.open("wb") as file:
        for i, mel in enumerate(mels):
            file.write(np.ascontiguousarray(mel, dtype="<f4").tobytes())
            frames.append(len(mel))
            if i not in validation:
                wide = mel.astype(np.float64)
                total += wide.sum(axis=0)
                squares += (wide**2).sum(axis=0)
                count += len(mel)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    std[std < _SMALLEST_STD] = 1.0
    # Rounded to float32, the precision they are used in, and so written in few digits.
    return frames, MelStatistics(_floats(mean), _floats(std))


def _write_mel(path: Path, raw: Path, frames: int, statistics: MelStatistics) -> None:
    """Second pass: normalize chunk by chunk."""
    bands = len(statistics.mean_M)
    with path.open("wb") as file:
        header = {"descr": "<f2", "fortran_order": False, "shape": (frames, bands)}
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in _chunks(raw, bands):
            file.write(statistics.normalize(chunk).astype("<f2").tobytes())
        _sync(file.fileno())


def _chunks(raw: Path, bands: int) -> Iterator[NDArray[np.float32]]:
    with raw.open("rb") as file:
        while data := file.read(_CHUNK_FRAMES * bands * 4):
            yield np.frombuffer(data, dtype="<f4").reshape(-1, bands)


def _floats(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(str(np.float32(value))) for value in values)


def _save(path: Path, array: NDArray[np.generic]) -> None:
    with path.open("wb") as file:
        np.save(file, array)
        _sync(file.fileno())


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        _sync(file.fileno())


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)
