"""Evaluation of scripted voices with known answers, and of a real model: repeatable, and without side effects."""

import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from tacotrain import evaluate as module
from tacotrain.audio.config import AudioConfig
from tacotrain.batch import Batch
from tacotrain.config import TrainConfig
from tacotrain.data.shard import PreparedDataset
from tacotrain.data.writer import Utterance, write_dataset
from tacotrain.errors import ConfigError
from tacotrain.evaluate import Evaluation, evaluate, spread
from tacotrain.metrics.score import METRICS, WORST
from tacotrain.model.inference import Inference
from tacotrain.model.tacotron2 import Outputs, Tacotron2
from tacotrain.samples import write_samples
from tacotrain.synth import speak
from tacotrain.teacher_forced import listen
from tacotrain.text.symbols import character_table
from tacotrain.voice import LoadedVoice, VoiceProfile
from tacotrain.words import WordTiming

CPU = torch.device("cpu")
TINY = TrainConfig.resolve(
    "tiny", {"evaluation_utterances": 6, "free_run_utterances": 6, "griffin_lim_iterations": 2}
)
WORDS = ("fox", "dog", "cat", "bird", "horse", "child", "river", "house", "tree", "king")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """Ten utterances of noise, three words each, the last six held out; each symbol sounds for four frames."""
    directory: Path = tmp_path_factory.mktemp("data")
    table, audio = character_table("en"), AudioConfig()
    draw = np.random.default_rng(0)
    utterances, mels = [], []
    for number in range(10):
        words = [WORDS[(number + offset) % 10] for offset in (0, 3, 7)]
        text = " ".join(words)
        starts = [0, len(words[0]) + 1, len(words[0]) + len(words[1]) + 2]
        seconds = 4 * audio.seconds_per_frame
        timings = tuple(
            WordTiming(start, start + len(word), start * seconds, (start + len(word)) * seconds)
            for start, word in zip(starts, words, strict=True)
        )
        ids = tuple(table.encode(text))
        utterances.append(Utterance(f"u{number}", text, text, ids, timings))
        mels.append(draw.normal(-5, 2, (4 * len(ids), 80)).astype(np.float32))
    write_dataset(
        directory,
        utterances=utterances,
        mels=mels,
        validation=range(4, 10),
        language="en",
        phonemes=False,
        symbols=table,
        audio=audio,
        inputs="test",
    )
    return PreparedDataset.open(directory)


@dataclass
class Scripted:
    """What a voice does, in place of a network."""

    reads: bool = True
    """Its frames follow the text, and not the sentence it hears."""
    stops: bool = True
    repeats: int = 1
    """How often it says the whole sentence."""
    stuck: bool = False
    """Its attention rests in the middle of the text."""
    noise: float = 0.05


class ScriptedVoice(torch.nn.Module):
    """Says what it is told to, from the recordings."""

    def __init__(self, dataset: PreparedDataset, script: Scripted) -> None:
        super().__init__()
        self.dataset, self.script, self.config = dataset, script, TINY
        self.by_text = {tuple(dataset.ids(i).tolist()): i for i in range(len(dataset))}

    def evaluation_masks(self, batch: Batch, seed: int) -> int:
        return seed

    def forward(self, batch: Batch, masks: int) -> Outputs:
        texts = self._texts(batch.text_BS, batch.text_lengths_B)
        said = [i if self.script.reads else u for i, u in zip(texts, batch.utterances_B, strict=True)]
        mel_BTM = torch.zeros_like(batch.mel_BTM)
        for row, utterance in enumerate(said):
            mel = torch.from_numpy(self.dataset.mel(utterance))[: mel_BTM.shape[1]]
            mel_BTM[row, : len(mel)] = mel + self.script.noise
        frames = batch.mel_lengths_B[:, None]
        gate_BT = torch.where(torch.arange(mel_BTM.shape[1]) == frames - 1, 9.0, -9.0)
        if not self.script.stops:
            gate_BT = torch.full_like(gate_BT, -9.0)
        steps = (batch.mel_lengths_B + 2) // 3
        alignment_BUS = self._diagonals(steps, batch.text_lengths_B)
        return Outputs(
            mel_BTM, mel_BTM, gate_BT, alignment_BUS, batch.text_lengths_B, batch.mel_lengths_B, steps
        )

    def infer(
        self,
        text_BS: Tensor,
        text_lengths_B: Tensor,
        *,
        max_frames: int,
        gate_threshold: float,
        generator: torch.Generator,
    ) -> Inference:
        texts = self._texts(text_BS, text_lengths_B)
        mels = [torch.from_numpy(self.dataset.mel(i)) + self.script.noise for i in texts]
        mels = [mel.repeat(self.script.repeats, 1)[:max_frames] for mel in mels]
        lengths = torch.tensor([len(mel) for mel in mels])
        return Inference(
            mel_BTM=torch.nn.utils.rnn.pad_sequence(mels, batch_first=True),
            mel_lengths_B=lengths,
            alignment_BUS=self._diagonals((lengths + 2) // 3, text_lengths_B),
            stopped_B=torch.full((len(mels),), self.script.stops),
        )

    def _texts(self, text_BS: Tensor, lengths_B: Tensor) -> list[int]:
        rows = zip(text_BS.tolist(), lengths_B.tolist(), strict=True)
        return [self.by_text[tuple(row[:length])] for row, length in rows]

    def _diagonals(self, steps_B: Tensor, symbols_B: Tensor) -> Tensor:
        alignment_BUS = torch.zeros(len(steps_B), int(steps_B.max()), int(symbols_B.max()))
        for row, (steps, symbols) in enumerate(zip(steps_B.tolist(), symbols_B.tolist(), strict=True)):
            for step in range(steps):
                symbol = symbols // 2 if self.script.stuck else min(symbols - 1, (step * 3 + 1) // 4)
                alignment_BUS[row, step, symbol] = 1.0
        return alignment_BUS


def judge(dataset: PreparedDataset, script: Scripted) -> Evaluation:
    voice = cast("Tacotron2", ScriptedVoice(dataset, script))
    return evaluate(voice, dataset, TINY, device=CPU, seed=0)


def network(dataset: PreparedDataset) -> Tacotron2:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Tacotron2(TINY, len(dataset.symbols), dataset.audio.n_mels)


def global_random_states() -> tuple[object, ...]:
    return torch.get_rng_state().tolist(), repr(np.random.get_state()), random.getstate()  # noqa: NPY002


def test_a_voice_that_reads_scores_near_zero(dataset: PreparedDataset) -> None:
    metrics = judge(dataset, Scripted()).metrics
    assert metrics["mel_loss"] == pytest.approx(0.05**2, rel=1e-3)
    assert metrics["val_loss"] == pytest.approx(2 * 0.05**2 + math.log1p(math.exp(-9)), rel=1e-3)
    assert metrics["alignment"] == pytest.approx(1.0)
    assert (
        metrics["word_hit_rate"]
        == metrics["stop_f1"]
        == metrics["stop_rate"]
        == metrics["length_ratio"]
        == 1.0
    )
    assert metrics["failure_rate"] == 0.0
    assert metrics["swap_ratio"] > 100
    assert metrics["mcd_dtw"] < 0.1 * metrics["mcd_floor"]
    assert metrics["tts_score"] < 0.02


def test_all_metrics_of_the_contract_are_there_and_possible(dataset: PreparedDataset) -> None:
    metrics = judge(dataset, Scripted()).metrics
    assert metrics.keys() == {*METRICS, "mcd_floor"}
    assert all(metric.admits(metrics[name]) for name, metric in METRICS.items())


def test_a_voice_that_hears_but_does_not_read_is_found_out(dataset: PreparedDataset) -> None:
    metrics = judge(dataset, Scripted(reads=False)).metrics
    assert metrics["swap_ratio"] == 1.0
    assert metrics["alignment"] == pytest.approx(1.0)
    assert metrics["tts_score"] > 1.0


def test_a_voice_that_never_stops_fails_every_sentence(dataset: PreparedDataset) -> None:
    evaluation = judge(dataset, Scripted(stops=False, repeats=9))
    assert evaluation.metrics["failure_rate"] == 1.0
    assert evaluation.metrics["stop_rate"] == evaluation.metrics["stop_f1"] == 0.0
    assert evaluation.stopping.median_error_frames is None
    assert evaluation.metrics["length_ratio"] > 1.4
    longest = max(len(sentence.recorded_TM) for sentence in evaluation.spoken)
    assert max(len(sentence.mel_TM) for sentence in evaluation.spoken) <= 1.5 * longest


@pytest.mark.parametrize(
    "script",
    [Scripted(stops=False), Scripted(repeats=2), Scripted(stuck=True)],
    ids=["did not stop, only cut at the right place", "stopped far too late", "skipped most of the text"],
)
def test_one_defect_is_enough_to_fail(dataset: PreparedDataset, script: Scripted) -> None:
    assert judge(dataset, script).metrics["failure_rate"] == 1.0


def test_what_is_judged_has_no_padding(dataset: PreparedDataset) -> None:
    utterances, model = dataset.validation, network(dataset).eval()
    heard = listen(model, dataset, utterances, utterances, device=CPU, seed=0, batch_size=4)
    assert [len(gate_T) for gate_T in heard.gates] == [dataset.mel_lengths[i] for i in utterances]
    assert [tuple(alignment_US.shape) for alignment_US in heard.alignments] == [
        (math.ceil(dataset.mel_lengths[i] / 3), dataset.text_lengths[i]) for i in utterances
    ]
    assert heard.right == heard.wrong


def test_evaluating_twice_gives_equal_numbers_and_leaves_no_trace(dataset: PreparedDataset) -> None:
    model = network(dataset)
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    states = global_random_states()
    first = evaluate(model, dataset, TINY, device=CPU, seed=3)
    assert global_random_states() == states
    torch.rand(7)
    second = evaluate(model, dataset, TINY, device=CPU, seed=3)
    assert first.metrics == second.metrics
    assert all(np.array_equal(a.mel_TM, b.mel_TM) for a, b in zip(first.spoken, second.spoken, strict=True))
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert evaluate(model, dataset, TINY, device=CPU, seed=4).metrics["mel_loss"] != first.metrics["mel_loss"]


def test_the_size_of_a_batch_changes_no_number(
    dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network(dataset)
    whole = evaluate(model, dataset, TINY, device=CPU, seed=0, free_run=False).metrics
    monkeypatch.setattr(module, "BATCH", 4)
    assert evaluate(model, dataset, TINY, device=CPU, seed=0, free_run=False).metrics == pytest.approx(
        whole, rel=1e-5
    )


def test_a_model_full_of_nan_scores_the_worst(dataset: PreparedDataset) -> None:
    model = network(dataset)
    with torch.no_grad():
        model.embedding.weight.fill_(math.nan)
    evaluation = evaluate(model, dataset, TINY, device=CPU, seed=0)
    assert evaluation.metrics["tts_score"] == WORST
    assert evaluation.metrics["failure_rate"] == 1.0
    assert math.isnan(evaluation.metrics["mel_loss"])


def test_without_a_free_run_nothing_is_made_up(dataset: PreparedDataset) -> None:
    evaluation = evaluate(network(dataset), dataset, TINY, device=CPU, seed=0, free_run=False)
    assert not evaluation.spoken
    assert (
        not {"tts_score", "mcd_dtw", "failure_rate", "stop_rate", "length_ratio"} & evaluation.metrics.keys()
    )


def test_wrong_weights_are_named_before_anything_is_computed(dataset: PreparedDataset) -> None:
    with pytest.raises(ConfigError, match="did you mean text_use"):
        evaluate(cast("Tacotron2", None), dataset, TINY, device=CPU, seed=0, weights={"textuse": 1.0})


def test_utterances_are_chosen_evenly_over_all_lengths() -> None:
    lengths = [50, 10, 40, 30, 20, 60]
    assert spread(range(6), lengths, 3) == (4, 2, 5)
    assert spread(range(6), lengths, 99) == (1, 4, 3, 2, 0, 5)
    assert spread((), lengths, 3) == ()


def test_samples_are_a_sound_and_two_pictures_each(dataset: PreparedDataset, tmp_path: Path) -> None:
    evaluation = judge(dataset, Scripted())
    written = write_samples(
        evaluation, dataset, TINY, sounds=tmp_path / "s", alignments=tmp_path / "a", title="trial 7, step 50"
    )
    assert [path.name for path in written.sounds] == ["0.wav", "1.wav"]
    assert [path.name for path in written.alignments] == ["0.png", "1.png"]
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == sorted(
        ["0.wav", "1.wav", *["0.png", "1.png"] * 2]
    )
    assert all(path.stat().st_size > 500 for path in (*written.sounds, *written.alignments))


def loaded(dataset: PreparedDataset, threshold: float) -> LoadedVoice:
    return LoadedVoice(
        model=network(dataset).eval(),
        config=TINY,
        profile=VoiceProfile.of(dataset),
        gate_threshold=threshold,
        step=0,
        path=Path(),
    )


def test_speaking_keeps_the_order_and_repeats_itself(dataset: PreparedDataset) -> None:
    texts = ["fox bird king", "dog", "cat horse"]
    voice = loaded(dataset, threshold=1.0)
    spoken = speak(voice, texts, seed=1, max_seconds=0.4, griffin_lim_iterations=2)
    assert [speech.text for speech in spoken] == texts
    for speech in spoken:
        assert not speech.stopped
        assert speech.mel_TM.shape == (35, 80)
        assert speech.alignment_US.shape == (12, len(speech.text) + 1)
        assert len(speech.samples) == 34 * 256
    again = speak(voice, texts, seed=1, max_seconds=0.4, griffin_lim_iterations=2)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(spoken, again, strict=True))


@pytest.mark.parametrize(("text", "message"), [("кот", "cannot read 'к', 'о', 'т'"), (" ", "no text")])
def test_a_text_the_voice_cannot_read_is_refused(dataset: PreparedDataset, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        speak(loaded(dataset, 0.5), [text])
