"""The whole network: no padding leaks, replayable dropout, one decoder in three disguises."""

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor, nn

from tacotrain.batch import Batch
from tacotrain.config import TrainConfig
from tacotrain.losses import compute_loss
from tacotrain.model import DropoutMasks, Tacotron2
from tacotrain.model.reference import ReferenceDecoder

SIZES: dict[str, object] = {
    "embedding_dim": 6, "encoder_dim": 8, "prenet_dim": 5, "attention_rnn_dim": 9, "attention_dim": 4, "location_filters": 3,
    "location_kernel": 5, "decoder_rnn_dim": 7, "postnet_dim": 6,
}  # fmt: skip
DROPOUT: dict[str, object] = {
    "prenet_dropout": 0.5, "attention_dropout": 0.2, "decoder_dropout": 0.2, "encoder_dropout": 0.2, "postnet_dropout": 0.2,
    "frame_dropout": 0.2,
}  # fmt: skip
BANDS = 3


def build(decoder: type[ReferenceDecoder] | None = None, **parameters: object) -> Tacotron2:
    torch.manual_seed(0)
    config = TrainConfig.resolve("tiny", {**SIZES, **DROPOUT, **parameters})
    options = {} if decoder is None else {"decoder": decoder}
    model = Tacotron2(config, symbols=12, mel_bands=BANDS, **options).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            # As after some training: fresh statistics would hide an offset in the padding.
            nn.init.uniform_(module.running_mean, -1, 1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
    return model


def make_batch(
    texts: tuple[int, ...] = (5, 9, 3), frames: tuple[int, ...] = (8, 6, 13), *, slack: int = 0
) -> Batch:
    """Random utterances; `slack` adds padding that nobody needs."""
    utterances = [
        seeded(100 + number, text, length)
        for number, (text, length) in enumerate(zip(texts, frames, strict=True))
    ]
    text_BS = torch.zeros(len(texts), max(texts) + slack, dtype=torch.int64)
    mel_BTM = torch.zeros(len(texts), max(frames) + slack, BANDS, dtype=torch.float64)
    for row, (symbols, mel) in enumerate(utterances):
        text_BS[row, : len(symbols)] = symbols
        mel_BTM[row, : len(mel)] = mel
    return Batch(tuple(range(len(texts))), text_BS, torch.tensor(texts), mel_BTM, torch.tensor(frames))


def seeded(seed: int, text: int, frames: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    symbols = torch.randint(1, 12, (text,), generator=generator)
    return symbols, torch.randn(frames, BANDS, generator=generator, dtype=torch.float64)


def alone(batch: Batch, row: int) -> Batch:
    text, frames = int(batch.text_lengths_B[row]), int(batch.mel_lengths_B[row])
    return Batch(
        (batch.utterances_B[row],),
        batch.text_BS[row : row + 1, :text],
        batch.text_lengths_B[row : row + 1],
        batch.mel_BTM[row : row + 1, :frames],
        batch.mel_lengths_B[row : row + 1],
    )


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_outputs_have_the_shapes_of_the_batch_and_padding_is_zero(ratio: int) -> None:
    model, batch = build(reduction_factor=ratio), make_batch()
    outputs = model(batch, model.draw_masks(batch, generator()))
    steps = -(-13 // ratio)
    assert outputs.mel_BTM.shape == outputs.mel_postnet_BTM.shape == (3, 13, BANDS)
    assert outputs.gate_BT.shape == (3, 13)
    assert outputs.alignment_BUS.shape == (3, steps, 9)
    assert outputs.step_lengths_B.tolist() == [-(-8 // ratio), -(-6 // ratio), steps]
    spoken = torch.arange(steps) < outputs.step_lengths_B.unsqueeze(1)
    assert torch.allclose(outputs.alignment_BUS.sum(2), spoken.double())
    assert outputs.alignment_BUS[2, :, 3:].abs().max() == 0
    for output in (outputs.mel_BTM, outputs.mel_postnet_BTM, outputs.gate_BT):
        assert output[1, 6:].abs().max() == 0


@pytest.mark.parametrize("mode", ["recurrent", "output"])
@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_the_fast_decoder_is_the_reference_in_values_and_gradients(ratio: int, mode: str) -> None:
    batch = make_batch()
    results, gradients = [], []
    for decoder in (None, ReferenceDecoder):
        model = build(decoder, reduction_factor=ratio, decoder_dropout_mode=mode)
        outputs = model(batch, model.draw_masks(batch, generator()))
        compute_loss(outputs, batch, model.config, 0).total.backward()
        results.append(
            torch.cat(
                [
                    getattr(outputs, name).detach().flatten()
                    for name in ("mel_postnet_BTM", "gate_BT", "alignment_BUS")
                ]
            )
        )
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert float((results[0] - results[1]).abs().max()) <= 1e-12
    scale = max(float(gradient.abs().max()) for gradient in gradients[1].values())
    for name, expected in gradients[1].items():
        # The bias of a convolution before batch norm has a gradient of zero, up to rounding.
        bound = 1e-10 * max(float(expected.abs().max()), 1e-3 * scale)
        assert float((gradients[0][name] - expected).abs().max()) <= bound, name


@pytest.mark.parametrize("ratio", [1, 3])
def test_an_utterance_alone_is_the_utterance_in_a_padded_batch(ratio: int) -> None:
    model = build(reduction_factor=ratio).eval()
    batch = make_batch(slack=4)
    together = model(batch, model.evaluation_masks(batch, 7))
    for row in range(3):
        single = alone(batch, row)
        apart = model(single, model.evaluation_masks(single, 7))
        frames, text = int(single.mel_lengths_B), int(single.text_lengths_B)
        steps = int(apart.step_lengths_B)
        for name in ("mel_BTM", "mel_postnet_BTM", "gate_BT"):
            assert torch.allclose(
                getattr(together, name)[row, :frames], getattr(apart, name)[0], atol=1e-12
            ), name
        assert torch.allclose(together.alignment_BUS[row, :steps, :text], apart.alignment_BUS[0], atol=1e-12)


def test_padding_does_not_reach_training_either() -> None:
    model, plain, slack = build(), make_batch(), make_batch(slack=6)
    masks = model.draw_masks(plain, generator())
    first = model(plain, masks)
    statistics = {name: value.clone() for name, value in model.state_dict().items() if "running" in name}
    other = build()
    second = other(slack, masks)
    assert torch.equal(first.mel_postnet_BTM, second.mel_postnet_BTM)
    assert torch.equal(first.alignment_BUS, second.alignment_BUS)
    assert all(torch.equal(other.state_dict()[name], value) for name, value in statistics.items())


def test_batch_statistics_are_those_of_valid_positions() -> None:
    model, batch = build(postnet_layers=2), make_batch()
    outputs = model(batch, DropoutMasks())
    convolution, norm = model.postnet.convolutions[0]  # type: ignore[misc]
    values = [
        nn.functional.conv1d(
            outputs.mel_BTM[row, :frames].t().unsqueeze(0),
            convolution.conv.weight,
            convolution.conv.bias,
            padding=2,
        )[0]
        for row, frames in enumerate(batch.mel_lengths_B.tolist())
    ]
    before = build(postnet_layers=2).postnet.convolutions[0][1]  # type: ignore[index]
    expected = 0.9 * before.running_mean + 0.1 * torch.cat(values, 1).mean(1)
    assert torch.allclose(norm.running_mean, expected.detach(), atol=1e-12)


def test_a_step_is_replayed_by_its_masks_and_by_its_generator() -> None:
    model, batch = build(), make_batch()
    first = model(batch, model.draw_masks(batch, generator(1))).mel_postnet_BTM
    torch.manual_seed(99)
    assert torch.equal(model(batch, model.draw_masks(batch, generator(1))).mel_postnet_BTM, first)
    assert not torch.equal(model(batch, model.draw_masks(batch, generator(2))).mel_postnet_BTM, first)


def test_masks_drop_their_share_and_keep_the_mean() -> None:
    model, batch = build(), make_batch((200,) * 4, (400,) * 4)
    masks = model.draw_masks(batch, generator())
    for mask, dropped in [
        (masks.prenet_UBP[0], 0.5),
        (masks.prenet_UBP[1], 0.5),
        (masks.attention_UBH, 0.2),
        (masks.decoder_UBD, 0.2),
        (masks.encoder_VC[1], 0.2),
        (masks.postnet_VC[0], 0.2),
    ]:
        assert mask is not None
        assert float(mask.eq(0).double().mean()) == pytest.approx(dropped, abs=0.03)
        assert float(mask.max()) == pytest.approx(1 / (1 - dropped), rel=1e-4)
    assert masks.frames_UB is not None
    assert set(masks.frames_UB.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("parameter", "field"),
    [
        ("prenet_dropout", "prenet_UBP"),
        ("frame_dropout", "frames_UB"),
        ("attention_dropout", "attention_UBH"),
        ("decoder_dropout", "decoder_UBD"),
        ("encoder_dropout", "encoder_VC"),
        ("postnet_dropout", "postnet_VC"),
    ],
)
def test_each_dropout_has_its_own_effect_in_training_and_only_the_prenets_in_evaluation(
    parameter: str, field: str
) -> None:
    model, batch = build(), make_batch()
    masks = model.draw_masks(batch, generator())
    only = DropoutMasks(**{field: getattr(masks, field)})
    clean = DropoutMasks()
    assert not torch.equal(model(batch, only).mel_postnet_BTM, model(batch, clean).mel_postnet_BTM)
    model.eval()
    same = torch.equal(model(batch, only).mel_postnet_BTM, model(batch, clean).mel_postnet_BTM)
    assert same == (field != "prenet_UBP")
    model = build(**{parameter: 0.0})
    drawn = model.draw_masks(batch, generator())
    off = [entry.name for entry in fields(drawn) if getattr(drawn, entry.name) in ((), None)]
    assert off == [field]


def test_training_without_masks_is_refused_and_evaluation_without_them_repeats() -> None:
    model, batch = build(), make_batch()
    with pytest.raises(ValueError, match="training needs dropout masks"):
        model(batch)
    model.eval()
    assert torch.equal(model(batch).mel_BTM, model(batch).mel_BTM)


def test_the_modes_of_decoder_dropout_differ() -> None:
    batch = make_batch()
    outputs = []
    for mode in ("recurrent", "output"):
        model = build(decoder_dropout_mode=mode)
        outputs.append(model(batch, model.draw_masks(batch, generator())).mel_BTM)
    assert torch.allclose(outputs[0][:, :3], outputs[1][:, :3])  # The first step has no past.
    assert not torch.allclose(outputs[0], outputs[1])


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_a_free_run_is_the_teacher_forced_run_on_its_own_frames(ratio: int) -> None:
    model, batch = build(reduction_factor=ratio).eval(), make_batch()
    spoken = model.infer(
        batch.text_BS,
        batch.text_lengths_B,
        max_frames=10,
        gate_threshold=1.0,
        generator=generator(5),
        minimum_frames=1,
    )
    assert spoken.mel_lengths_B.tolist() == [10, 10, 10]
    assert not spoken.stopped_B.any()
    # The postnet is already in spoken.mel_BTM; without it, decode again frame by frame until teacher and pupil agree.
    replay = generator(5)
    draws = [model.decoder.prenet.draw((3,), replay, model.embedding.weight) for _ in range(-(-10 // ratio))]
    masks = DropoutMasks(prenet_UBP=tuple(torch.stack(layer) for layer in zip(*draws, strict=True)))
    forced = replace(
        batch,
        mel_BTM=torch.zeros(3, 10, BANDS, dtype=torch.float64),
        mel_lengths_B=torch.tensor([10, 10, 10]),
    )
    for _ in range(len(draws)):
        forced = replace(forced, mel_BTM=model(forced, masks).mel_BTM.detach())
    outputs = model(forced, masks)
    assert torch.allclose(outputs.mel_BTM, forced.mel_BTM, atol=1e-12)
    assert torch.allclose(outputs.mel_postnet_BTM, spoken.mel_BTM, atol=1e-12)
    assert torch.allclose(outputs.alignment_BUS, spoken.alignment_BUS, atol=1e-12)


def test_a_free_run_stops_at_the_first_frame_whose_gate_opens() -> None:
    model, batch = build(reduction_factor=3).eval(), make_batch()
    bias = model.decoder.gate_layer.linear_layer.bias
    with torch.no_grad():
        model.decoder.gate_layer.linear_layer.weight.zero_()
        bias.copy_(torch.tensor([-9.0, 9.0, 9.0]))
    spoken = model.infer(
        batch.text_BS, batch.text_lengths_B, max_frames=30, generator=generator(), minimum_frames=6
    )
    assert spoken.mel_lengths_B.tolist() == [6, 6, 6]
    assert spoken.stopped_B.all()
    assert spoken.mel_BTM.shape == (3, 6, BANDS)
    assert spoken.alignment_BUS.shape == (3, 2, 9)
    spoken = model.infer(
        batch.text_BS, batch.text_lengths_B, max_frames=30, generator=generator(), minimum_frames=1
    )
    assert spoken.mel_lengths_B.tolist() == [2, 2, 2]


def test_the_float32_network_learns_one_batch_by_heart() -> None:
    torch.manual_seed(0)
    config = TrainConfig.resolve(
        "tiny", {**SIZES, "decoder_dropout_mode": "recurrent", "learning_rate": 2e-2}
    )
    model, batch = Tacotron2(config, 12, BANDS), make_batch()
    batch = replace(batch, mel_BTM=batch.mel_BTM.float())
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate)
    masks = model.draw_masks(batch, generator())
    history = []
    for step in range(40):
        loss = compute_loss(model(batch, masks), batch, config, step).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < history[0] / 2


def test_bfloat16_dense_layers_leave_the_recurrences_and_gradients_in_full_precision() -> None:
    model, batch = build().float(), make_batch()
    batch = replace(batch, mel_BTM=batch.mel_BTM.float())
    masks = model.draw_masks(batch, generator())
    exact = model(batch, masks)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(batch, masks)
        loss = compute_loss(outputs, batch, model.config, 0)
    assert outputs.alignment_BUS.dtype == torch.float32
    assert loss.total.dtype == torch.float32
    assert torch.allclose(outputs.alignment_BUS, exact.alignment_BUS, atol=0.02)
    assert torch.allclose(outputs.mel_postnet_BTM.float(), exact.mel_postnet_BTM, atol=0.2)
    loss.total.backward()
    assert all(
        parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters()
    )
