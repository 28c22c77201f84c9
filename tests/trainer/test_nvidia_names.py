"""NVIDIA/tacotron2's published weights fit the base preset unchanged: the same names, the same shapes."""

import pytest
import torch

from tacotrain.config import TrainConfig
from tacotrain.model import Tacotron2

# `state_dict()` of the published model, 148 symbols.
PUBLISHED: dict[str, tuple[int, ...]] = {
    "embedding.weight": (148, 512),
    "encoder.convolutions.0.0.conv.weight": (512, 512, 5),
    "encoder.convolutions.0.0.conv.bias": (512,),
    "encoder.convolutions.0.1.weight": (512,),
    "encoder.convolutions.0.1.bias": (512,),
    "encoder.convolutions.0.1.running_mean": (512,),
    "encoder.convolutions.0.1.running_var": (512,),
    "encoder.convolutions.0.1.num_batches_tracked": (),
    "encoder.convolutions.1.0.conv.weight": (512, 512, 5),
    "encoder.convolutions.1.0.conv.bias": (512,),
    "encoder.convolutions.1.1.weight": (512,),
    "encoder.convolutions.1.1.bias": (512,),
    "encoder.convolutions.1.1.running_mean": (512,),
    "encoder.convolutions.1.1.running_var": (512,),
    "encoder.convolutions.1.1.num_batches_tracked": (),
    "encoder.convolutions.2.0.conv.weight": (512, 512, 5),
    "encoder.convolutions.2.0.conv.bias": (512,),
    "encoder.convolutions.2.1.weight": (512,),
    "encoder.convolutions.2.1.bias": (512,),
    "encoder.convolutions.2.1.running_mean": (512,),
    "encoder.convolutions.2.1.running_var": (512,),
    "encoder.convolutions.2.1.num_batches_tracked": (),
    "encoder.lstm.weight_ih_l0": (1024, 512),
    "encoder.lstm.weight_hh_l0": (1024, 256),
    "encoder.lstm.bias_ih_l0": (1024,),
    "encoder.lstm.bias_hh_l0": (1024,),
    "encoder.lstm.weight_ih_l0_reverse": (1024, 512),
    "encoder.lstm.weight_hh_l0_reverse": (1024, 256),
    "encoder.lstm.bias_ih_l0_reverse": (1024,),
    "encoder.lstm.bias_hh_l0_reverse": (1024,),
    "decoder.prenet.layers.0.linear_layer.weight": (256, 80),
    "decoder.prenet.layers.1.linear_layer.weight": (256, 256),
    "decoder.attention_rnn.weight_ih": (4096, 768),
    "decoder.attention_rnn.weight_hh": (4096, 1024),
    "decoder.attention_rnn.bias_ih": (4096,),
    "decoder.attention_rnn.bias_hh": (4096,),
    "decoder.attention_layer.query_layer.linear_layer.weight": (128, 1024),
    "decoder.attention_layer.memory_layer.linear_layer.weight": (128, 512),
    "decoder.attention_layer.v.linear_layer.weight": (1, 128),
    "decoder.attention_layer.location_layer.location_conv.conv.weight": (32, 2, 31),
    "decoder.attention_layer.location_layer.location_dense.linear_layer.weight": (128, 32),
    "decoder.decoder_rnn.weight_ih": (4096, 1536),
    "decoder.decoder_rnn.weight_hh": (4096, 1024),
    "decoder.decoder_rnn.bias_ih": (4096,),
    "decoder.decoder_rnn.bias_hh": (4096,),
    "decoder.linear_projection.linear_layer.weight": (80, 1536),
    "decoder.linear_projection.linear_layer.bias": (80,),
    "decoder.gate_layer.linear_layer.weight": (1, 1536),
    "decoder.gate_layer.linear_layer.bias": (1,),
    "postnet.convolutions.0.0.conv.weight": (512, 80, 5),
    "postnet.convolutions.0.0.conv.bias": (512,),
    "postnet.convolutions.0.1.weight": (512,),
    "postnet.convolutions.0.1.bias": (512,),
    "postnet.convolutions.0.1.running_mean": (512,),
    "postnet.convolutions.0.1.running_var": (512,),
    "postnet.convolutions.0.1.num_batches_tracked": (),
    "postnet.convolutions.1.0.conv.weight": (512, 512, 5),
    "postnet.convolutions.1.0.conv.bias": (512,),
    "postnet.convolutions.1.1.weight": (512,),
    "postnet.convolutions.1.1.bias": (512,),
    "postnet.convolutions.1.1.running_mean": (512,),
    "postnet.convolutions.1.1.running_var": (512,),
    "postnet.convolutions.1.1.num_batches_tracked": (),
    "postnet.convolutions.2.0.conv.weight": (512, 512, 5),
    "postnet.convolutions.2.0.conv.bias": (512,),
    "postnet.convolutions.2.1.weight": (512,),
    "postnet.convolutions.2.1.bias": (512,),
    "postnet.convolutions.2.1.running_mean": (512,),
    "postnet.convolutions.2.1.running_var": (512,),
    "postnet.convolutions.2.1.num_batches_tracked": (),
    "postnet.convolutions.3.0.conv.weight": (512, 512, 5),
    "postnet.convolutions.3.0.conv.bias": (512,),
    "postnet.convolutions.3.1.weight": (512,),
    "postnet.convolutions.3.1.bias": (512,),
    "postnet.convolutions.3.1.running_mean": (512,),
    "postnet.convolutions.3.1.running_var": (512,),
    "postnet.convolutions.3.1.num_batches_tracked": (),
    "postnet.convolutions.4.0.conv.weight": (80, 512, 5),
    "postnet.convolutions.4.0.conv.bias": (80,),
    "postnet.convolutions.4.1.weight": (80,),
    "postnet.convolutions.4.1.bias": (80,),
    "postnet.convolutions.4.1.running_mean": (80,),
    "postnet.convolutions.4.1.running_var": (80,),
    "postnet.convolutions.4.1.num_batches_tracked": (),
}


@pytest.fixture(scope="module")
def model() -> Tacotron2:
    with torch.device("meta"):
        return Tacotron2(TrainConfig.resolve("base", {}), symbols=148)


def test_the_base_preset_has_the_published_names_and_shapes(model: Tacotron2) -> None:
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == PUBLISHED
    assert sum(parameter.numel() for parameter in model.parameters()) == 28_193_153


def test_the_published_weights_load_strictly(model: Tacotron2) -> None:
    weights = {name: torch.empty(shape, device="meta") for name, shape in PUBLISHED.items()}
    model.load_state_dict(weights, strict=True, assign=True)
    del weights["decoder.gate_layer.linear_layer.bias"]
    with pytest.raises(RuntimeError, match=r"decoder\.gate_layer\.linear_layer\.bias"):
        model.load_state_dict(weights, strict=True, assign=True)


def test_the_reduction_factor_changes_the_projections_only() -> None:
    with torch.device("meta"):
        model = Tacotron2(TrainConfig.resolve("base", {"reduction_factor": 3}), symbols=148)
    changed = {
        name: tuple(value.shape)
        for name, value in model.state_dict().items()
        if PUBLISHED[name] != tuple(value.shape)
    }
    assert changed == {
        "decoder.linear_projection.linear_layer.weight": (240, 1536),
        "decoder.linear_projection.linear_layer.bias": (240,),
        "decoder.gate_layer.linear_layer.weight": (3, 1536),
        "decoder.gate_layer.linear_layer.bias": (3,),
    }
