"""The optimizer against torch's own, and the averaged weights."""

import pytest
import torch
from torch import Tensor, nn

from tacotrain.optim import AdamW, WeightAverage

GOOD, BAD = torch.tensor(0.0), torch.tensor(1.0)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 3))


def backward(model: nn.Module, seed: int) -> None:
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(seed))
    model(x).square().sum().backward()


def weights(model: nn.Module) -> list[Tensor]:
    return [weight.detach().clone() for weight in model.parameters()]


def test_it_is_adamw_as_published() -> None:
    model = network()
    optimizer = AdamW(model, weight_decay=0.1)
    expected = [weight.double() for weight in weights(model)]
    first = [torch.zeros_like(weight) for weight in expected]
    second = [torch.zeros_like(weight) for weight in expected]
    for step in range(1, 11):
        rate = 0.01 / step
        backward(model, step)
        gradients = [weight.grad.double().clone() for weight in model.parameters() if weight.grad is not None]
        optimizer.step(rate, GOOD)
        for index, gradient in enumerate(gradients):
            # Loshchilov and Hutter 2019, algorithm 2; biases and norms do not decay.
            decay = 0.1 if gradient.ndim >= 2 else 0.0
            first[index] = 0.9 * first[index] + 0.1 * gradient
            second[index] = 0.999 * second[index] + 0.001 * gradient.square()
            update = (first[index] / (1 - 0.9**step)) / ((second[index] / (1 - 0.999**step)).sqrt() + 1e-8)
            expected[index] = expected[index] - rate * (update + decay * expected[index])
    for weight, wanted in zip(weights(model), expected, strict=True):
        torch.testing.assert_close(weight.double(), wanted, rtol=1e-5, atol=1e-6)


def test_a_bad_step_changes_nothing_and_leaves_no_gradient() -> None:
    disturbed, undisturbed = network(), network()
    optimizers = [AdamW(model, weight_decay=0.1) for model in (disturbed, undisturbed)]
    for step in range(6):
        if step == 3:
            before = weights(disturbed)
            for weight in disturbed.parameters():
                weight.grad = torch.full_like(weight, float("nan"))
            optimizers[0].step(0.01, BAD)
            assert all(torch.equal(a, b) for a, b in zip(weights(disturbed), before, strict=True))
            assert all(weight.grad is None for weight in disturbed.parameters())
        for model, optimizer in zip((disturbed, undisturbed), optimizers, strict=True):
            backward(model, step)
            optimizer.step(0.01, GOOD)
    assert all(torch.equal(a, b) for a, b in zip(weights(disturbed), weights(undisturbed), strict=True))


def test_a_saved_state_goes_on_with_the_same_bits() -> None:
    model, copy = network(), network()
    optimizer = AdamW(model, weight_decay=0.1)
    for step in range(5):
        backward(model, step)
        optimizer.step(0.01, GOOD)
    copy.load_state_dict(model.state_dict())
    resumed = AdamW(copy, weight_decay=0.1)
    resumed.load_state_dict(optimizer.state_dict())
    for step in range(5, 10):
        for net, opt in ((model, optimizer), (copy, resumed)):
            backward(net, step)
            opt.step(0.01, GOOD)
    assert all(torch.equal(a, b) for a, b in zip(weights(model), weights(copy), strict=True))


def shift(model: nn.Module, amount: float) -> None:
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(amount)


def test_the_average_follows_fast_at_first_and_by_its_decay_later() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = WeightAverage(model, 0.9)
    nn.init.ones_(model.weight)
    average.update(GOOD)
    # The first update takes 9/11 of the new weight, not a tenth.
    assert average.weights()["weight"].item() == pytest.approx(9 / 11)
    for _ in range(200):
        average.update(GOOD)
    nn.init.zeros_(model.weight)
    before = average.weights()["weight"].item()
    average.update(GOOD)
    assert average.weights()["weight"].item() == pytest.approx(before * 0.9)


def test_a_bad_step_leaves_the_average_alone() -> None:
    model = nn.Linear(2, 2)
    average = WeightAverage(model, 0.9)
    before = {name: tensor.clone() for name, tensor in average.weights().items()}
    shift(model, 1.0)
    average.update(BAD)
    assert all(torch.equal(tensor, before[name]) for name, tensor in average.weights().items())


def test_the_average_is_in_the_model_for_the_length_of_a_block_only() -> None:
    model = network()
    average = WeightAverage(model, 0.9)
    shift(model, 1.0)
    live = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with average.applied():
        inside = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert not torch.equal(inside["0.weight"], live["0.weight"])
    assert all(torch.equal(tensor, live[name]) for name, tensor in model.state_dict().items())


def test_a_saved_average_goes_on() -> None:
    model = network()
    average = WeightAverage(model, 0.9)
    shift(model, 1.0)
    average.update(GOOD)
    other = WeightAverage(model, 0.9)
    other.load_state_dict(average.state_dict())
    assert all(torch.equal(tensor, average.weights()[name]) for name, tensor in other.weights().items())
    average.update(GOOD)
    other.update(GOOD)
    assert all(torch.equal(tensor, average.weights()[name]) for name, tensor in other.weights().items())
