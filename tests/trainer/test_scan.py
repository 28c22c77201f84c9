"""The fast scans against the step-by-step reference: the same numbers and the same gradients."""

from dataclasses import dataclass, fields

import pytest
import torch
from torch import Tensor

from tacotrain.kernels import reference
from tacotrain.kernels.packing import Packing, previous_rows
from tacotrain.kernels.scan import attention_scan, lstm_scan
from tacotrain.kernels.step_linear import StepLinear

LENGTHS = {
    "unequal lengths": (9, 4, 7, 1),
    "equal lengths": (6, 6, 6, 6),
    "one utterance": (5,),
    "one step": (1, 1),
}
TEXTS = (11, 5, 8, 3)


@dataclass(frozen=True)
class Case:
    """Random weights and inputs of a small decoder, in the batch's order."""

    gates: Tensor
    recurrent: Tensor
    query: Tensor
    filters: Tensor
    dense: Tensor
    energy: Tensor
    memory: Tensor
    keys: Tensor

    @classmethod
    def random(cls, lengths: tuple[int, ...], dtype: torch.dtype, width: int = 10) -> "Case":
        generator = torch.Generator().manual_seed(3)
        batch, symbols, context, attention, kernel = len(lengths), max(TEXTS[: len(lengths)]), 8, 5, 7

        def values(*shape: int) -> Tensor:
            drawn = torch.randn(*shape, generator=generator, dtype=torch.float64) / shape[-1] ** 0.5
            return drawn.to(dtype).requires_grad_()

        return cls(
            gates=values(max(lengths), batch, 4 * width),
            recurrent=values(4 * width, context + width),
            query=values(attention, width),
            filters=values(4, 2, kernel),
            dense=values(attention, 4),
            energy=values(attention),
            memory=values(batch, symbols, context),
            keys=values(batch, symbols, attention),
        )

    def tensors(self) -> list[Tensor]:
        return [getattr(self, entry.name) for entry in fields(self)]


def padding(lengths: tuple[int, ...]) -> Tensor:
    texts = torch.tensor(TEXTS[: len(lengths)])
    return torch.arange(int(texts.max())) >= texts.unsqueeze(1)


def mask(lengths: tuple[int, ...], width: int, dropped: float, dtype: torch.dtype) -> Tensor | None:
    if dropped == 0:
        return None
    generator = torch.Generator().manual_seed(4)
    kept = torch.rand(max(lengths), len(lengths), width, generator=generator) > dropped
    return kept.to(dtype) / (1 - dropped)


def fast(case: Case, packing: Packing, lengths: tuple[int, ...], mask_UBH: Tensor | None) -> list[Tensor]:
    order = packing.order_B
    outputs = attention_scan(
        packing.pack_time_major(case.gates),
        case.recurrent,
        case.query,
        torch.einsum("fck,af->kca", case.filters, case.dense).flatten(0, 1),
        case.energy,
        case.memory[order],
        case.keys[order],
        padding(lengths)[order],
        None if mask_UBH is None else packing.pack_time_major(mask_UBH),
        packing.sizes,
    )
    return [packing.unpack(output) for output in outputs]


def slow(case: Case, packing: Packing, lengths: tuple[int, ...], mask_UBH: Tensor | None) -> list[Tensor]:
    outputs = reference.attention_steps(
        case.gates, case.recurrent, case.query, case.filters, case.dense, case.energy, case.memory, case.keys,
        padding(lengths), mask_UBH,
    )  # fmt: skip
    return [packing.unpack(packing.pack_time_major(output)) for output in outputs]


def gradients(outputs: list[Tensor], inputs: list[Tensor]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    weighted = [
        (output * torch.randn(output.shape, generator=generator, dtype=torch.float64).to(output)).sum()
        for output in outputs
    ]
    return list(torch.autograd.grad(torch.stack(weighted).sum(), inputs))


def distance(ours: list[Tensor], theirs: list[Tensor]) -> float:
    return max(
        float((a - b).abs().max() / b.abs().max().clamp(min=1e-30)) for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("dropped", [0.0, 0.3])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize(
    ("dtype", "output_bound", "gradient_bound"), [(torch.float64, 1e-12, 1e-10), (torch.float32, 1e-5, 1e-4)]
)
def test_the_attention_scan_is_the_reference(
    lengths: tuple[int, ...], dropped: float, dtype: torch.dtype, output_bound: float, gradient_bound: float
) -> None:
    case = Case.random(lengths, dtype)
    packing = Packing.of(torch.tensor(lengths), torch.device("cpu"))
    mask_UBH = mask(lengths, 10, dropped, dtype)
    ours, theirs = fast(case, packing, lengths, mask_UBH), slow(case, packing, lengths, mask_UBH)
    for output, expected in zip(ours, theirs, strict=True):
        assert float((output - expected).detach().abs().max()) <= output_bound
    assert distance(gradients(ours, case.tensors()), gradients(theirs, case.tensors())) <= gradient_bound


@pytest.mark.parametrize("dropped", [0.0, 0.3])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_the_lstm_scan_is_the_reference(lengths: tuple[int, ...], dropped: float) -> None:
    generator = torch.Generator().manual_seed(6)
    gates = torch.randn(
        max(lengths), len(lengths), 24, generator=generator, dtype=torch.float64, requires_grad=True
    )
    recurrent = torch.randn(24, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    packing = Packing.of(torch.tensor(lengths), torch.device("cpu"))
    mask_UBD = mask(lengths, 6, dropped, torch.float64)
    mask_ND = None if mask_UBD is None else packing.pack_time_major(mask_UBD)
    ours = [packing.unpack(lstm_scan(packing.pack_time_major(gates), recurrent, mask_ND, packing.sizes))]
    theirs = [packing.unpack(packing.pack_time_major(reference.lstm_steps(gates, recurrent, mask_UBD)))]
    assert float((ours[0] - theirs[0]).detach().abs().max()) <= 1e-12
    assert distance(gradients(ours, [gates, recurrent]), gradients(theirs, [gates, recurrent])) <= 1e-10


def test_the_scans_pass_a_numerical_gradient_check() -> None:
    lengths = (3, 1)
    case = Case.random(lengths, torch.float64, width=3)
    packing = Packing.of(torch.tensor(lengths), torch.device("cpu"))

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(fast(Case(*tensors), packing, lengths, None))

    assert torch.autograd.gradcheck(run, tuple(case.tensors()))


def test_packing_walks_the_longest_first_and_knows_each_rows_past() -> None:
    packing = Packing.of(torch.tensor([2, 4, 1]), torch.device("cpu"))
    assert packing.sizes == (3, 2, 1, 1)
    assert packing.order_B.tolist() == [1, 0, 2]
    assert packing.step_N.tolist() == [0, 0, 0, 1, 1, 2, 3]
    assert packing.utterance_N.tolist() == [1, 0, 2, 1, 0, 1, 1]
    # Rows 0-2 are the initial states, then come the results of the seven rows.
    assert previous_rows(torch.arange(10), packing.sizes).tolist() == [0, 1, 2, 3, 4, 6, 8]
    x_ND = torch.arange(7.0).unsqueeze(1)
    assert packing.unpack(x_ND).squeeze(2).tolist() == [[1, 4, 0, 0], [0, 3, 5, 6], [2, 0, 0, 0]]
    assert torch.equal(packing.pack_time_major(packing.unpack_time_major(x_ND)), x_ND)


@pytest.mark.parametrize("rows", [16, 3, 1])
def test_a_packed_weight_multiplies_like_any_other(rows: int) -> None:
    generator = torch.Generator().manual_seed(7)
    weight, x = torch.randn(1024, 512, generator=generator), torch.randn(rows, 512, generator=generator)
    base = torch.randn(rows, 1024, generator=generator)
    linear, exact = StepLinear(weight, 16), x.double() @ weight.double().t()
    assert torch.allclose(linear(x).double(), exact, atol=1e-3)
    assert torch.allclose(linear.add(base, x).double(), base.double() + exact, atol=1e-3)
