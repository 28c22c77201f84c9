"""`tacotrain prepare` and what it leaves: good input, every kind of bad input, a full disk, a damaged dataset."""

import argparse
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tacotrain import cli_prepare
from tacotrain.audio.mel import LogMel
from tacotrain.audio.wav import read_wav, write_wav
from tacotrain.corpus import CorpusSpec
from tacotrain.data import PreparedDataset, writer
from tacotrain.data.findings import Finding, Severity
from tacotrain.data.measure import measure_samples
from tacotrain.data.prepare import Options, Prepared, prepare
from tacotrain.data.report import Report, UnusableData
from tacotrain.data.split import stratified_split, validation_count
from tacotrain.errors import CannotCreate, ConfigError, DataError, InputMissing, TrainerError, WriteError
from tacotrain.staging import staged_directory

RATE = 22050
TEXTS = (
    "The red fox.",
    "A lazy dog!",
    "My old horse sees a cat.",
    "This bird, now.",
    "Your king likes a jar.",
    "A big zebra.",
)
Sound = NDArray[np.float32]


def sound(seconds: float = 0.6, *, pitch: int = 200, rate: int = RATE) -> Sound:
    time = np.arange(int(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * pitch * time) + 0.1 * np.sin(2 * np.pi * 3 * pitch * time)).astype(
        np.float32
    )


def recordings(directory: Path, texts: tuple[str, ...] = TEXTS) -> Path:
    """A valid folder in LJSpeech layout: six recordings whose length fits their text."""
    (directory / "wavs").mkdir(parents=True)
    for i, text in enumerate(texts):
        write_wav(directory / "wavs" / f"r{i}.wav", sound(0.06 * len(text), pitch=100 + 50 * i), RATE)
    (directory / "metadata.csv").write_text(
        "".join(f"r{i}|{text}\n" for i, text in enumerate(texts)), encoding="utf-8"
    )
    return directory


def set_text(directory: Path, i: int, text: str) -> None:
    lines = (directory / "metadata.csv").read_text(encoding="utf-8").splitlines()
    lines[i] = f"r{i}|{text}"
    (directory / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def snapshot(directory: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def run_cli(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    cli_prepare.add_arguments(parser)
    return cli_prepare.run(parser.parse_args([*map(str, arguments)]))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return recordings(tmp_path / "source")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "prepared" / "voice"


# What it leaves


def test_a_folder_becomes_a_dataset(source: Path, out: Path) -> None:
    prepared = prepare(source, out, Options())
    assert not prepared.reused
    assert (prepared.report.recordings, prepared.report.usable, prepared.report.findings) == (6, 6, ())
    dataset = PreparedDataset.open(out)
    assert (len(dataset), dataset.language, len(dataset.train), len(dataset.validation)) == (6, "en", 5, 1)
    assert sorted(dataset.train + dataset.validation) == list(range(6))
    transform = LogMel(dataset.audio)
    for i, text in enumerate(TEXTS):
        samples, _ = read_wav(source / "wavs" / f"r{i}.wav")
        assert dataset.name(i) == f"r{i}"
        assert (dataset.written_text(i), dataset.text(i)) == (text, text.lower())
        assert dataset.symbols.decode(dataset.ids(i).tolist()) == text.lower()
        assert (dataset.mel_lengths[i], dataset.text_lengths[i]) == (1 + len(samples) // 256, len(text) + 1)
        expected = transform(torch.from_numpy(samples[:, 0].copy())).numpy()
        assert dataset.statistics.denormalize(dataset.mel(i)) == pytest.approx(expected, abs=0.02)
        assert dataset.word_timings(i) is None
    assert not list(out.parent.glob(".*"))


def test_mels_are_normalized_by_the_training_utterances(source: Path, out: Path) -> None:
    dataset = prepare(source, out, Options()).dataset
    mels = np.concatenate([dataset.mel(i) for i in dataset.train])
    changing = np.asarray(dataset.statistics.std_M) != 1.0
    assert mels.mean(axis=0) == pytest.approx(np.zeros(80), abs=2e-3)
    assert mels.std(axis=0)[changing] == pytest.approx(np.ones(changing.sum()), abs=2e-3)


def test_a_batch_is_padded_with_zeros_to_the_multiple(source: Path, out: Path) -> None:
    dataset = prepare(source, out, Options()).dataset
    batch = dataset.batch((4, 0, 2), multiple_of=7)
    frames = [dataset.mel_lengths[i] for i in (4, 0, 2)]
    assert batch.utterances_B == (4, 0, 2)
    assert batch.mel_lengths_B.tolist() == frames
    assert batch.text_lengths_B.tolist() == [dataset.text_lengths[i] for i in (4, 0, 2)]
    assert batch.mel_BTM.shape == (3, -(-max(frames) // 7) * 7, 80)
    assert batch.text_BS.shape == (3, 25)
    assert (batch.mel_BTM.dtype, batch.text_BS.dtype) == (torch.float32, torch.int64)
    assert batch.frames == sum(frames)
    for row, i in enumerate((4, 0, 2)):
        assert torch.equal(batch.mel_BTM[row, : frames[row]], torch.from_numpy(dataset.mel(i)))
        assert torch.equal(batch.text_BS[row, : dataset.text_lengths[i]], torch.from_numpy(dataset.ids(i)))
        assert not batch.mel_BTM[row, frames[row] :].any()
        assert not batch.text_BS[row, dataset.text_lengths[i] :].any()


def test_a_list_file_may_name_files_in_any_folder(tmp_path: Path, out: Path) -> None:
    for folder in ("anna", "boris"):
        (tmp_path / folder).mkdir()
        write_wav(tmp_path / folder / "1.wav", sound(), RATE)
    (tmp_path / "list.txt").write_text("anna/1.wav|Привет, мир\nboris/1.wav|Добрый день\n", encoding="utf-8")
    dataset = prepare(tmp_path / "list.txt", out, Options(language="ru")).dataset
    assert [dataset.name(i) for i in range(2)] == ["anna/1", "boris/1"]
    assert [dataset.text(i) for i in range(2)] == ["привет, мир", "добрый день"]


def test_metadata_of_other_systems_and_its_third_column_are_read(source: Path, out: Path) -> None:
    lines = [f"r{i}|{text}|as read {'abcdef'[i]}" for i, text in enumerate(TEXTS)]
    (source / "metadata.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n\r\n")
    dataset = prepare(source, out, Options()).dataset
    assert [dataset.text(i) for i in range(6)] == [f"as read {c}" for c in "abcdef"]


def test_equal_data_has_an_equal_hash_wherever_and_whenever_it_is_prepared(
    source: Path, tmp_path: Path
) -> None:
    first = prepare(source, tmp_path / "a", Options()).dataset
    shutil.copytree(source, tmp_path / "copy")
    for wav in (tmp_path / "copy" / "wavs").iterdir():
        os.utime(wav, ns=(1, 1))
    second = prepare(tmp_path / "copy", tmp_path / "b", Options()).dataset
    assert first.sha256 == second.sha256
    set_text(tmp_path / "copy", 0, "The blue fox.")
    assert prepare(tmp_path / "copy", tmp_path / "c", Options()).dataset.sha256 != first.sha256


def test_a_finished_dataset_of_the_same_inputs_is_reused(source: Path, out: Path) -> None:
    first = prepare(source, out, Options())
    before = snapshot(out)
    again = prepare(source, out, Options())
    assert (again.reused, again.report, again.dataset) == (True, first.report, first.dataset)
    assert snapshot(out) == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda source, _out: set_text(source, 1, "A lazy cat!"), id="another text"),
        pytest.param(
            lambda source, _out: write_wav(source / "wavs/r0.wav", sound(0.7), RATE), id="another sound"
        ),
        pytest.param(lambda _source, out: (out / "mel.npy").write_bytes(b""), id="a damaged mel.npy"),
        pytest.param(
            lambda _source, out: (out / "dataset.json").write_text("{"), id="a damaged dataset.json"
        ),
        pytest.param(lambda _source, out: (out / "report.json").write_text("[]"), id="a damaged report.json"),
    ],
)
def test_it_prepares_again_after(change: Callable[[Path, Path], object], source: Path, out: Path) -> None:
    prepare(source, out, Options())
    change(source, out)
    assert not prepare(source, out, Options()).reused
    assert len(PreparedDataset.open(out)) == 6


def test_other_options_prepare_again(source: Path, out: Path) -> None:
    prepare(source, out, Options())
    assert not prepare(source, out, Options(phonemes=True)).reused
    assert PreparedDataset.open(out).text(0) == "ðə ɹˈɛd fˈɑːks"


@pytest.mark.parametrize("phonemes", [False, True])
def test_a_spoken_corpus_brings_its_split_and_its_word_timings(
    phonemes: bool, tmp_path: Path, out: Path
) -> None:
    told: list[str] = []
    spec = CorpusSpec("ru", train=5, validation=3)
    prepared = prepare(spec, out, Options(phonemes=phonemes), lambda stage, _done, _total: told.append(stage))
    dataset = prepared.dataset
    assert (dataset.language, dataset.header.phonemes, dataset.validation) == ("ru", phonemes, (5, 6, 7))
    for i in range(8):
        timings = dataset.word_timings(i)
        if timings is None:  # espeak-ng may pronounce two words as one; then nobody knows which is which.
            assert phonemes
            continue
        assert [dataset.text(i)[word.start : word.end] for word in timings] == dataset.text(i).split(" ")
        assert timings[0].start_seconds == 0.0
        assert dataset.audio.frames(round(timings[-1].end_seconds * RATE)) == dataset.mel_lengths[i]
    assert told == ["speaking"] * 8 + ["checking"] * 8 + ["mel"] * 8
    # Everything is inside: the corpus can be listened to, and prepared again without espeak-ng.
    again = prepare(out / "corpus", tmp_path / "again", Options(language="ru", phonemes=phonemes))
    assert again.dataset.sha256 == dataset.sha256
    assert prepare(spec, out, Options(phonemes=phonemes)).reused


# Recordings that cannot be used, or should be looked at


def half_a_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def stereo(path: Path) -> None:
    soundfile.write(path, np.stack([sound(), sound()], axis=1), RATE)


def clipped() -> Sound:
    return np.clip(10 * sound(), -1, 1)


def padded(before: float, after: float) -> Sound:
    return np.concatenate([np.zeros(int(before * RATE)), sound(), np.zeros(int(after * RATE))]).astype(
        np.float32
    )


BAD = {
    "another rate": (
        lambda d: write_wav(d / "wavs/r1.wav", sound(rate=44100), 44100),
        "sample-rate",
        "44100 Hz, 22050 are needed; convert: sox IN.wav -r 22050 OUT.wav",
    ),
    "stereo": (
        lambda d: stereo(d / "wavs/r1.wav"),
        "channels",
        "2 channels, 1 is needed; convert: sox IN.wav -c 1 OUT.wav",
    ),
    "silence": (
        lambda d: write_wav(d / "wavs/r1.wav", np.zeros(RATE, dtype=np.float32), RATE),
        "silent",
        "silent: its peak is 0.0e+00 of full scale; record it again",
    ),
    "no samples": (
        lambda d: write_wav(d / "wavs/r1.wav", np.zeros(0, dtype=np.float32), RATE),
        "no-samples",
        "has no samples; record it again or leave it out",
    ),
    "too short": (
        lambda d: write_wav(d / "wavs/r1.wav", sound(0.05), RATE),
        "too-short",
        "0.050 s, shorter than 0.100 s; leave it out",
    ),
    "truncated": (
        lambda d: half_a_file(d / "wavs/r1.wav"),
        "unreadable",
        "{wav}: truncated: 5000 bytes, its header promises 29148; copy it again",
    ),
    "empty file": (
        lambda d: (d / "wavs/r1.wav").write_bytes(b""),
        "unreadable",
        "{wav}: empty file; copy or record it again",
    ),
    "no file": (lambda d: (d / "wavs/r1.wav").unlink(), "unreadable", "{wav}: no such file"),
    "foreign letters": (
        lambda d: set_text(d, 1, "A Ж dog ф"),
        "unknown-characters",
        "the text has 'Ж' (CYRILLIC CAPITAL LETTER ZHE) at position 2, 'ф' (CYRILLIC SMALL LETTER EF) at position 8; replace or spell out",
    ),
    "no text": (lambda d: set_text(d, 1, "  "), "empty-text", "the text has no letters; write what is said"),
    "only punctuation": (lambda d: set_text(d, 1, "…!"), "empty-text", "the text has no letters; write what is said"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "code", "message"), BAD.values(), ids=BAD)
def test_an_unusable_recording_is_an_error(
    spoil: Callable[[Path], object], code: str, message: str, source: Path, out: Path
) -> None:
    spoil(source)
    with pytest.raises(UnusableData) as error:
        prepare(source, out, Options())
    message = message.format(wav=source / "wavs" / "r1.wav")
    assert error.value.report.findings == (Finding("r1", Severity.ERROR, code, message),)
    assert error.value.exit_code == 65
    report_path = out.with_name("voice.report.json")
    assert str(error.value) == (
        f"{source}: 1 of 6 recordings cannot be used ({code} 1): r1; repair them, or leave them out with --skip-bad; "
        f"details: {report_path}"
    )
    assert Report.from_json(report_path.read_text(encoding="utf-8")) == error.value.report
    assert not out.exists()

    prepared = prepare(source, out, Options(skip_bad=True))
    assert (prepared.report.usable, len(prepared.dataset)) == (5, 5)
    assert [prepared.dataset.name(i) for i in range(5)] == ["r0", "r2", "r3", "r4", "r5"]
    assert not report_path.exists()
    assert Report.from_json((out / "report.json").read_text(encoding="utf-8")) == prepared.report


def test_a_file_that_is_no_sound_is_an_error(source: Path, out: Path) -> None:
    (source / "wavs/r1.wav").write_bytes(b"not a sound at all")
    with pytest.raises(UnusableData) as error:
        prepare(source, out, Options())
    (finding,) = error.value.report.findings
    assert (finding.file, finding.code) == ("r1", "unreadable")
    assert finding.message.startswith(f"{source}/wavs/r1.wav: not a readable sound file (")


QUESTIONABLE = {
    "leading silence": (
        lambda d: write_wav(d / "wavs/r1.wav", padded(0.75, 0.1), RATE),
        "leading-silence",
        "0.75 s of leading silence; trim to 0.5 s",
    ),
    "trailing silence": (
        lambda d: write_wav(d / "wavs/r1.wav", padded(0.1, 1.5), RATE),
        "trailing-silence",
        "1.50 s of trailing silence; trim to 0.5 s",
    ),
    "too long": (
        lambda d: write_wav(d / "wavs/r1.wav", sound(21.0), RATE),
        "too-long",
        "21.0 s, longer than 20 s; cut it at a pause, or training needs much memory",
    ),
    "the text of another": (
        lambda d: set_text(d, 1, "the red fox."),
        "duplicate-text",
        "the same text as r0; a validation sentence must not be a training sentence",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "code", "message"), QUESTIONABLE.values(), ids=QUESTIONABLE)
def test_a_questionable_recording_is_a_warning(
    spoil: Callable[[Path], object], code: str, message: str, source: Path, out: Path
) -> None:
    spoil(source)
    prepared = prepare(source, out, Options())
    assert prepared.report.findings == (Finding("r1", Severity.WARNING, code, message),)
    assert len(prepared.dataset) == 6


def test_a_clipped_recording_is_a_warning(source: Path, out: Path) -> None:
    write_wav(source / "wavs/r1.wav", clipped(), RATE)
    share = measure_samples(clipped()[:, None], RATE).clipped
    assert share == pytest.approx((np.abs(clipped()) == 1).mean())
    (finding,) = prepare(source, out, Options()).report.findings
    assert (finding.code, finding.severity) == ("clipped", Severity.WARNING)
    assert finding.message == f"{share:.1%} of its samples are at full scale; record with less gain"


def test_a_text_that_does_not_fit_its_sound_is_a_warning(tmp_path: Path, out: Path) -> None:
    source = recordings(
        tmp_path / "many", tuple(f"{word} {text}" for word in ("now", "oft") for text in TEXTS)
    )
    set_text(source, 3, "word " * 30)
    (finding,) = prepare(source, out, Options()).report.findings
    assert (finding.file, finding.severity, finding.code) == ("r3", Severity.WARNING, "text-audio-ratio")
    assert (
        finding.message == "105.3 letters per second, 12.5 are usual here; does the text belong to the sound?"
    )


def test_a_name_that_is_listed_twice_is_an_error(source: Path, out: Path) -> None:
    with (source / "metadata.csv").open("a", encoding="utf-8") as file:
        file.write("r1|Another dog.\n")
    with pytest.raises(UnusableData) as error:
        prepare(source, out, Options())
    (finding,) = error.value.report.findings
    assert finding == Finding(
        "r1", Severity.ERROR, "duplicate-file", "listed more than once; the first has 'a lazy dog!'"
    )


def test_a_malformed_line_is_named_by_its_number(source: Path, out: Path, tmp_path: Path) -> None:
    lines = (source / "metadata.csv").read_text(encoding="utf-8").splitlines()
    (source / "metadata.csv").write_text("\n".join(["no separator", *lines, "|no name"]), encoding="utf-8")
    with pytest.raises(UnusableData) as error:
        prepare(source, out, Options())
    assert error.value.report.findings == (
        Finding("metadata.csv:1", Severity.ERROR, "malformed-line", "1 columns; a line is NAME|text or NAME|text|normalized text"),
        Finding("metadata.csv:8", Severity.ERROR, "malformed-line", "2 columns; a line is NAME|text or NAME|text|normalized text"),
    )  # fmt: skip
    (tmp_path / "list.txt").write_text("source/wavs/r0.wav|Yes|2\n", encoding="utf-8")
    with pytest.raises(UnusableData) as error:
        prepare(tmp_path / "list.txt", out, Options())
    assert error.value.report.findings == (
        Finding("list.txt:1", Severity.ERROR, "malformed-line", "3 columns; a line is path|text, the path relative to the list"),
    )  # fmt: skip


def test_everything_that_is_wrong_is_told_at_once(source: Path, out: Path) -> None:
    for i, name in enumerate(["another rate", "stereo", "truncated", "foreign letters"]):
        shutil.copy(source / "wavs/r1.wav", source / "kept.wav")
        if name == "foreign letters":
            set_text(source, 3, "Жук")
        else:
            BAD[name][0](source)
            shutil.move(source / "wavs/r1.wav", source / f"wavs/r{i}.wav.new")
            shutil.move(source / "kept.wav", source / "wavs/r1.wav")
    for new in (source / "wavs").glob("*.new"):
        new.replace(new.with_suffix(""))
    with pytest.raises(UnusableData) as error:
        prepare(source, out, Options())
    found = [(finding.file, finding.code) for finding in error.value.report.findings]
    assert found == [
        ("r0", "sample-rate"),
        ("r1", "channels"),
        ("r2", "unreadable"),
        ("r3", "unknown-characters"),
    ]


def test_skipping_everything_is_no_dataset(source: Path, out: Path) -> None:
    for i in range(5):
        set_text(source, i, "!")
    with pytest.raises(UnusableData) as error:
        prepare(source, out, Options(skip_bad=True))
    assert str(error.value) == (
        f"{source}: 5 of 6 recordings cannot be used (empty-text 5): r0, r1, r2, …; repair them; "
        f"details: {out.with_name('voice.report.json')}"
    )
    (source / "metadata.csv").write_text("r0|The red fox.\n", encoding="utf-8")
    with pytest.raises(UnusableData) as error:
        prepare(source, out, Options())
    assert str(error.value) == (
        f"{source}: too few usable recordings (1); at least 2 are needed, one to train and one to validate; "
        f"details: {out.with_name('voice.report.json')}"
    )


# Sources that are no source


def broken_sources(directory: Path) -> dict[str, tuple[type[TrainerError], str]]:
    (directory / "empty").mkdir()
    (directory / "no-metadata" / "wavs").mkdir(parents=True)
    layout = "LJSpeech layout is wavs/NAME.wav and metadata.csv with NAME|text lines"
    (directory / "blank.txt").write_text("\n \n", encoding="utf-8")
    (directory / "cp1251.txt").write_bytes("a.wav|Привет".encode("cp1251"))
    recordings(directory / "timings")
    (directory / "timings" / "timings.json").write_text("[1]", encoding="utf-8")
    recordings(directory / "manifest")
    (directory / "manifest" / "manifest.json").write_text("{}", encoding="utf-8")
    return {
        "nowhere": (InputMissing, "{}: no such file or folder; give a folder with wavs/ and metadata.csv, or a path|text list"),
        "empty": (InputMissing, "{}: the folder is empty; " + layout),
        "no-metadata": (InputMissing, "{}: no metadata.csv in it; " + layout),
        "blank.txt": (DataError, "{}: empty; write one NAME|text line per recording"),
        "cp1251.txt": (DataError, "{}: not UTF-8 at byte 6; convert it: iconv -f WINDOWS-1251 -t UTF-8"),
        "timings": (DataError, "{}/timings.json: damaged ('list' object has no attribute 'items'); delete it to go on without word timings"),
        "manifest": (DataError, "{}/manifest.json: damaged (KeyError('validationIds')); delete it to draw the validation sentences anew"),
    }  # fmt: skip


def test_a_source_that_cannot_be_read_says_what_is_missing(tmp_path: Path, out: Path) -> None:
    for name, (kind, message) in broken_sources(tmp_path).items():
        with pytest.raises(kind) as error:
            prepare(tmp_path / name, out, Options())
        assert type(error.value) is kind
        assert str(error.value) == message.format(tmp_path / name)
        assert not out.exists()


# The output


def disk_is_full(*_arguments: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["_write_raw", "_write_mel", "_save", "_sync"])
def test_a_full_disk_leaves_the_old_dataset_and_nothing_else(
    step: str, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = prepare(source, out, Options()).dataset
    before = snapshot(out)
    set_text(source, 0, "The new fox.")
    with monkeypatch.context() as patch:
        patch.setattr(writer, step, disk_is_full)
        with pytest.raises(WriteError) as error:
            prepare(source, out, Options())
    assert str(error.value) == f"{out}: writing failed (No space left on device)"
    assert error.value.exit_code == 74
    assert snapshot(out) == before
    assert PreparedDataset.open(out) == old
    assert [path.name for path in out.parent.iterdir()] == ["voice"]
    assert prepare(source, out, Options()).dataset.text(0) == "the new fox."


def test_a_full_disk_while_speaking_names_the_file(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WriteError) as error:
        prepare(CorpusSpec("en", train=1, validation=1), out, Options())
    wav = out.parent / ".voice.partial" / "corpus" / "wavs" / "en-0000.wav"
    assert str(error.value) == f"{wav}: cannot be written (No space left on device)"
    assert not list(out.parent.iterdir())


def test_what_is_not_a_dataset_is_never_replaced(source: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("precious")
    (tmp_path / "file").write_text("precious")
    for name in ("thesis", "file"):
        with pytest.raises(CannotCreate) as error:
            prepare(source, tmp_path / name, Options())
        expected = (
            f"{tmp_path}/{name}: exists and is not a prepared dataset; choose another --out or remove it"
        )
        assert str(error.value) == expected
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == (tmp_path / "file").read_text() == "precious"
    with pytest.raises(CannotCreate) as error:
        prepare(source, tmp_path / "file" / "below", Options())
    assert str(error.value) == f"{tmp_path}/file/below: cannot be created ({tmp_path}/file: File exists)"


def test_an_empty_folder_may_be_the_output(source: Path, out: Path) -> None:
    out.mkdir(parents=True)
    assert len(prepare(source, out, Options()).dataset) == 6


def test_two_at_once_do_not_mix(source: Path, out: Path) -> None:
    with staged_directory(out) as staging:
        with pytest.raises(CannotCreate) as error:
            prepare(source, out, Options())
        assert str(error.value) == f"{staging}: another process is writing it; wait for it to end"
        (staging / "mine").write_text("whole")
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_what_a_killed_preparation_left_is_cleared_away(source: Path, out: Path) -> None:
    leftover = out.parent / ".voice.partial"
    (leftover / "corpus").mkdir(parents=True)
    (leftover / "mel.raw").write_bytes(b"half")
    prepare(source, out, Options())
    assert [path.name for path in out.parent.iterdir()] == ["voice"]
    assert not (out / "mel.raw").exists()


# Opening


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    directory = tmp_path_factory.mktemp("good")
    return prepare(recordings(directory / "source"), directory / "voice", Options())


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def rewrite(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


DAMAGE = {
    "a missing file": (lambda d: (d / "text.npy").unlink(), "{}/text.npy: missing from the prepared dataset; prepare the dataset again"),
    "a short file": (lambda d: shorten(d / "mel.npy"), "{}/mel.npy: {size} bytes, {more} were prepared; prepare the dataset again"),
    "a changed byte": (lambda d: flip(d / "offsets.npy"), "{}/offsets.npy: its sha256 is not the one that was prepared; prepare the dataset again"),
    "a changed header": (lambda d: rewrite(d / "dataset.json", '"language": "en"', '"language": "ru"'), "{}/dataset.json: its content does not match its sha256; prepare the dataset again"),
    "another format": (lambda d: rewrite(d / "dataset.json", "dataset/v1", "dataset/v9"), "{}/dataset.json: format 'tacotrain.dataset/v9', this tacotrain reads 'tacotrain.dataset/v1'; prepare again"),
    "a header without counts": (lambda d: rewrite(d / "dataset.json", '"counts"', '"numbers"'), "{}/dataset.json: damaged (KeyError('counts')); prepare the dataset again"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_dataset_is_refused(
    damage: Callable[[Path], object], message: str, good: Prepared, tmp_path: Path
) -> None:
    directory = tmp_path / "voice"
    shutil.copytree(good.dataset.path, directory)
    size = (directory / "mel.npy").stat().st_size
    damage(directory)
    with pytest.raises(DataError) as error:
        PreparedDataset.open(directory)
    assert str(error.value) == message.format(directory, size=size - 2, more=size)
    assert error.value.exit_code == 65


def test_a_folder_that_was_not_prepared_says_how_to(tmp_path: Path) -> None:
    with pytest.raises(InputMissing) as error:
        PreparedDataset.open(tmp_path)
    assert error.value.exit_code == 66
    assert str(error.value) == (
        f"{tmp_path}/dataset.json: no such file, so {tmp_path} is not a prepared dataset; "
        f"make it with: tacotrain prepare SOURCE --out {tmp_path}"
    )


@settings(deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=2, max_size=400))
def test_the_validation_split_is_stratified_fixed_and_never_everything(lengths: list[int]) -> None:
    count = validation_count(len(lengths))
    chosen = stratified_split(lengths, count)
    assert chosen == stratified_split(lengths, count)
    assert len(set(chosen)) == count < len(lengths)
    assert 1 <= count <= 32
    ranks = sorted(np.argsort(np.argsort(lengths, kind="stable"))[list(chosen)])
    # One of each group of similar length, so ranks rise from the shortest to the longest.
    assert all(len(lengths) * i // count - 1 <= rank for i, rank in enumerate(ranks))


# The command


def test_the_command_prints_what_it_did(source: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(source, "--out", out) == 0
    frames = PreparedDataset.open(out).header.frames
    done = f"{out} prepared: 5 utterances to train, 1 to validate, {frames} mel frames"
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["6 of 6 recordings usable, 0.1 minutes", done]
    assert "checking 6 of 6" in printed.err
    assert run_cli(source, "--out", out) == 0
    again = done.replace("prepared:", "is there already, from the same inputs:")
    assert capsys.readouterr().out.splitlines()[-1] == again


def test_the_command_prints_a_table_of_findings(
    source: Path, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    stereo(source / "wavs/r1.wav")
    set_text(source, 2, "[ж]")
    with pytest.raises(UnusableData):
        run_cli(source, "--out", out)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "file severity finding what to know",
        "r1 error channels 2 channels, 1 is needed; convert: sox IN.wav -c 1 OUT.wav",
        "r2 error unknown-characters the text has 'ж' (CYRILLIC SMALL LETTER ZHE) at position 1; replace or spell out",
        "4 of 6 recordings usable, 0.1 minutes; channels 1, unknown-characters 1",
    ]


def test_the_command_prints_json(source: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(source, "--out", out, "--json") == 0
    printed = capsys.readouterr().out
    assert json.loads(printed) == json.loads((out / "report.json").read_text(encoding="utf-8"))
    stereo(source / "wavs/r1.wav")
    with pytest.raises(UnusableData):
        run_cli(source, "--out", out, "--json")
    assert json.loads(capsys.readouterr().out)["findings"][0]["code"] == "channels"


def test_the_command_speaks_a_corpus(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli("--speech", "en", "--train", 3, "--validation", 2, "--rate", 300, "--out", out) == 0
    assert "3 utterances to train, 2 to validate" in capsys.readouterr().out
    manifest = json.loads((out / "corpus" / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["rate"], manifest["train"], manifest["seed"]) == (300, 3, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "prepare: give either SOURCE or --speech; see tacotrain prepare --help"),
        (["lj", "--speech", "en"], "prepare: give either SOURCE or --speech; see tacotrain prepare --help"),
        (["lj", "--rate", "200"], "prepare: --rate belongs to --speech, not to SOURCE"),
        (
            ["--speech", "en", "--language", "ru"],
            "prepare: --language ru contradicts --speech en; leave it out",
        ),
        (["--speech", "en", "--train", "0"], "speech: train and validation need at least 1 utterance each"),
    ],
)
def test_a_wrong_command_line_is_named(arguments: list[str], message: str, out: Path) -> None:
    with pytest.raises(ConfigError) as error:
        run_cli(*arguments, "--out", out)
    assert str(error.value) == message
    assert error.value.exit_code == 64
