"""The prepared dataset: a folder of flat arrays that training maps into memory.

    dataset.json        what is in it: language, symbols, mel definition, statistics, split, sha256 of each file
    mel.npy             float16 [frames of all utterances, bands], normalized
    text.npy            int16 [symbols of all utterances], each closed by the end symbol
    offsets.npy         int64 [2, utterances + 1]: where each utterance begins in mel.npy and in text.npy
    utterances.jsonl    one line each: name, the text as written, the text as read
    timings.json        true word timings, where they are known

`PreparedDataset.open` verifies all of it; `tacotrain.data.writer` writes it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from tacotrain.audio.config import AudioConfig, MelStatistics
from tacotrain.errors import DataError, InputMissing
from tacotrain.text.symbols import SymbolTable
from tacotrain.words import WordTiming

if TYPE_CHECKING:
    from tacotrain.batch import Batch

FORMAT = "tacotrain.dataset/v1"
HEADER = "dataset.json"


@dataclass(frozen=True, slots=True)
class Header:
    """The content of dataset.json."""

    language: str
    phonemes: bool
    symbols: tuple[str, ...]
    audio: AudioConfig
    statistics: MelStatistics
    validation: tuple[int, ...]
    utterances: int
    frames: int
    """Mel frames of all utterances."""
    files: dict[str, dict[str, Any]]
    """Bytes and sha256 of each file of the folder that training reads."""
    inputs: str
    """Hash of what the dataset was made from: equal inputs need not be prepared again."""

    @property
    def sha256(self) -> str:
        """Identity of the content: equal for equal data, wherever and whenever it was prepared."""
        content = {key: value for key, value in self.to_json().items() if key not in {"inputs", "sha256"}}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the hash of themselves."""
        return {
            "format": FORMAT,
            "language": self.language,
            "phonemes": self.phonemes,
            "symbols": list(self.symbols),
            "audio": self.audio.to_dict(),
            "mel": {"mean": list(self.statistics.mean_M), "std": list(self.statistics.std_M)},
            "validation": list(self.validation),
            "counts": {
                "utterances": self.utterances,
                "train": self.utterances - len(self.validation),
                "validation": len(self.validation),
                "frames": self.frames,
                "seconds": round(self.frames * self.audio.seconds_per_frame, 3),
            },
            "files": self.files,
            "inputs": self.inputs,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            language=document["language"],
            phonemes=document["phonemes"],
            symbols=tuple(document["symbols"]),
            audio=AudioConfig(**document["audio"]),
            statistics=MelStatistics(tuple(document["mel"]["mean"]), tuple(document["mel"]["std"])),
            validation=tuple(document["validation"]),
            utterances=document["counts"]["utterances"],
            frames=document["counts"]["frames"],
            files=document["files"],
            inputs=document["inputs"],
        )


def read_header(directory: Path) -> Header:
    """Read dataset.json.

    Raises:
        InputMissing: There is none: the folder is not a prepared dataset, or preparation has not finished.
        DataError: It is damaged, or of another version of tacotrain.
    """
    path = directory / HEADER
    if not path.is_file():
        hint = "make it with: tacotrain prepare SOURCE --out " + str(directory)
        raise InputMissing(f"{path}: no such file, so {directory} is not a prepared dataset; {hint}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("format") != FORMAT:
            raise DataError(
                f"{path}: format {document.get('format')!r}, this tacotrain reads {FORMAT!r}; prepare again"
            )
        header = Header.from_json(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: damaged ({error!r}); prepare the dataset again") from error
    if header.sha256 != document.get("sha256"):
        raise DataError(f"{path}: its content does not match its sha256; prepare the dataset again")
    return header


@dataclass(frozen=True)
class PreparedDataset:
    """A prepared dataset, open for reading. Utterances are numbered from 0 in the order of the source."""

    path: Path
    header: Header

    @classmethod
    def open(cls, path: Path, *, verify: bool = True) -> Self:
        """Open a folder made by `tacotrain prepare`.

        Args:
            path: The folder.
            verify: Compare the sha256 of each file, about a second per gigabyte; sizes are always compared.

        Raises:
            InputMissing: The folder or its dataset.json is not there.
            DataError: A file is missing or not the one that was prepared; the message names it.
        """
        header = read_header(path)
        for name, expected in header.files.items():
            _check(path / name, expected, content=verify)
        return cls(path, header)

    @property
    def sha256(self) -> str:
        """Identity of the content; checkpoints remember it."""
        return self.header.sha256

    @property
    def language(self) -> str:
        """Language code, such as en."""
        return self.header.language

    @property
    def audio(self) -> AudioConfig:
        """The mel definition."""
        return self.header.audio

    @property
    def statistics(self) -> MelStatistics:
        """What normalized the mels; `griffin_lim` needs it."""
        return self.header.statistics

    @cached_property
    def symbols(self) -> SymbolTable:
        """The symbol table that the texts are encoded with."""
        return SymbolTable(self.header.symbols)

    @property
    def validation(self) -> tuple[int, ...]:
        """Utterances that are never trained on."""
        return self.header.validation

    @cached_property
    def train(self) -> tuple[int, ...]:
        """Utterances to learn from."""
        held_out = set(self.validation)
        return tuple(i for i in range(len(self)) if i not in held_out)

    def __len__(self) -> int:
        return self.header.utterances

    @cached_property
    def mel_lengths(self) -> tuple[int, ...]:
        """Mel frames of each utterance."""
        return tuple(np.diff(self._offsets[0]).tolist())

    @cached_property
    def text_lengths(self) -> tuple[int, ...]:
        """Symbols of each utterance, the end symbol included."""
        return tuple(np.diff(self._offsets[1]).tolist())

    def name(self, i: int) -> str:
        """The utterance's name: of its wav file, without the suffix."""
        return str(self._utterances[i]["name"])

    def written_text(self, i: int) -> str:
        """The text as it stands in the source."""
        return str(self._utterances[i]["written"])

    def text(self, i: int) -> str:
        """The text as it is read: normalized, or phonemes."""
        return str(self._utterances[i]["text"])

    def ids(self, i: int) -> NDArray[np.int64]:
        """Symbol ids, the end symbol included."""
        start, end = self._offsets[1, i : i + 2]
        return self._text[start:end].astype(np.int64)

    def mel(self, i: int) -> NDArray[np.float32]:
        """Normalized log-mel frames, [frames, bands]."""
        start, end = self._offsets[0, i : i + 2]
        return self._mel[start:end].astype(np.float32)

    def word_timings(self, i: int) -> tuple[WordTiming, ...] | None:
        """When each word sounds, or None where nobody knows; positions are those of `text(i)` and `ids(i)`."""
        row = self._timings[i]
        return None if row is None else tuple(WordTiming(*word) for word in row)

    def batch(self, indices: Sequence[int], multiple_of: int = 1) -> "Batch":
        """Pad utterances to one length.

        Args:
            indices: Utterances; the rows keep their order.
            multiple_of: Frames are padded to a multiple of it, such as the reduction factor.
        """
        import torch  # noqa: PLC0415 - see the package

        from tacotrain.batch import Batch  # noqa: PLC0415

        symbols = [self.text_lengths[i] for i in indices]
        frames = [self.mel_lengths[i] for i in indices]
        padded = -(-max(frames) // multiple_of) * multiple_of
        text_BS = np.zeros((len(indices), max(symbols)), dtype=np.int64)
        mel_BTM = np.zeros((len(indices), padded, self.audio.n_mels), dtype=np.float32)
        for row, i in enumerate(indices):
            text_BS[row, : symbols[row]] = self.ids(i)
            mel_BTM[row, : frames[row]] = self.mel(i)
        return Batch(
            utterances_B=tuple(indices),
            text_BS=torch.from_numpy(text_BS),
            text_lengths_B=torch.tensor(symbols),
            mel_BTM=torch.from_numpy(mel_BTM),
            mel_lengths_B=torch.tensor(frames),
        )

    @cached_property
    def _mel(self) -> NDArray[np.float16]:
        mel: NDArray[np.float16] = np.load(self.path / "mel.npy", mmap_mode="r")
        return mel

    @cached_property
    def _text(self) -> NDArray[np.int16]:
        text: NDArray[np.int16] = np.load(self.path / "text.npy")
        return text

    @cached_property
    def _offsets(self) -> NDArray[np.int64]:
        offsets: NDArray[np.int64] = np.load(self.path / "offsets.npy")
        return offsets

    @cached_property
    def _utterances(self) -> list[dict[str, str]]:
        lines = (self.path / "utterances.jsonl").read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines if line]

    @cached_property
    def _timings(self) -> list[list[tuple[int, int, float, float]] | None]:
        path = self.path / "timings.json"
        if path.name not in self.header.files:
            return [None] * len(self)
        timings: list[list[tuple[int, int, float, float]] | None] = json.loads(
            path.read_text(encoding="utf-8")
        )
        return timings


def describe_file(path: Path) -> dict[str, Any]:
    """Size and sha256 of a file, as dataset.json has them."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _check(path: Path, expected: dict[str, Any], *, content: bool) -> None:
    again = "prepare the dataset again"
    if not path.is_file():
        raise DataError(f"{path}: missing from the prepared dataset; {again}")
    if (size := path.stat().st_size) != expected["bytes"]:
        raise DataError(f"{path}: {size} bytes, {expected['bytes']} were prepared; {again}")
    if content and describe_file(path) != expected:
        raise DataError(f"{path}: its sha256 is not the one that was prepared; {again}")
