"""Tacotron 2 (Shen et al. 2018) with the submodule and parameter names of NVIDIA/tacotron2, and none of its padding leaks."""

from tacotrain.model.dropout import DropoutMasks
from tacotrain.model.inference import Inference
from tacotrain.model.tacotron2 import Outputs, Tacotron2

__all__ = ["DropoutMasks", "Inference", "Outputs", "Tacotron2"]
