"""Speaking: the decoder fed with its own frames, all utterances side by side."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tacotrain.model.decoder import Decoder


@dataclass(frozen=True, slots=True)
class Inference:
    """What was spoken, zero at padding."""

    mel_BTM: Tensor
    """Normalized log-mel frames."""
    mel_lengths_B: Tensor
    """Frames, int64, on the CPU."""
    alignment_BUS: Tensor
    """Attention weights of each decoder step; zero after an utterance's end."""
    stopped_B: Tensor
    """Whether each utterance stopped by itself, bool, on the CPU."""


def speak(
    decoder: Decoder,
    memory_BSE: Tensor,
    padding_BS: Tensor,
    *,
    max_frames: int,
    gate_threshold: float,
    minimum_frames: int,
    generator: torch.Generator,
) -> Inference:
    """Decode freely, without the postnet; arguments as in `Tacotron2.infer`."""
    ratio, utterances = decoder.frames_per_step, memory_BSE.shape[0]
    steps = -(-max_frames // ratio)
    state = _State.first(decoder, memory_BSE, padding_BS)
    frame_BM = memory_BSE.new_zeros(utterances, decoder.mel_bands)
    lengths_B = torch.full((utterances,), max_frames)
    stopped_B = torch.zeros(utterances, dtype=torch.bool)
    mels, alignments = [], []
    for step in range(steps):
        masks = decoder.prenet.draw((utterances,), generator, memory_BSE)
        mel_BRM, gate_BR = state.advance(decoder, decoder.prenet(frame_BM, masks))
        mels.append(mel_BRM)
        alignments.append(state.weights_BS)
        frame_BM = mel_BRM[:, -1]
        ends_BR = torch.sigmoid(gate_BR).cpu() > gate_threshold
        for place in range(ratio):
            frames = step * ratio + place + 1
            if frames < minimum_frames or frames > max_frames:
                continue
            ends_B = ends_BR[:, place] & ~stopped_B
            lengths_B[ends_B] = frames
            stopped_B |= ends_B
        if bool(stopped_B.all()):
            break
    longest = int(lengths_B.max())
    valid_BT = torch.arange(longest) < lengths_B.unsqueeze(1)
    spoken_BU = torch.arange(len(alignments)) < torch.div(
        lengths_B + ratio - 1, ratio, rounding_mode="floor"
    ).unsqueeze(1)
    mel_BTM = torch.cat(mels, 1)[:, :longest] * valid_BT.unsqueeze(2).to(memory_BSE)
    alignment_BUS = torch.stack(alignments, 1) * spoken_BU.unsqueeze(2).to(memory_BSE)
    return Inference(mel_BTM, lengths_B, alignment_BUS, stopped_B)


class _State:
    """Everything that one step hands to the next."""

    def __init__(
        self, memory_BSE: Tensor, keys_BSA: Tensor, padding_BS: Tensor, hidden_dim: int, decoder_dim: int
    ) -> None:
        utterances, symbols, context_dim = memory_BSE.shape
        self.memory_BSE, self.keys_BSA, self.padding_BS = memory_BSE, keys_BSA, padding_BS
        self.context_BE = memory_BSE.new_zeros(utterances, context_dim)
        self.attention = (
            memory_BSE.new_zeros(utterances, hidden_dim),
            memory_BSE.new_zeros(utterances, hidden_dim),
        )
        self.decoder = (
            memory_BSE.new_zeros(utterances, decoder_dim),
            memory_BSE.new_zeros(utterances, decoder_dim),
        )
        self.weights_BS = memory_BSE.new_zeros(utterances, symbols)
        self.cumulative_BS = memory_BSE.new_zeros(utterances, symbols)

    @classmethod
    def first(cls, decoder: Decoder, memory_BSE: Tensor, padding_BS: Tensor) -> "_State":
        keys_BSA = decoder.attention_layer.memory_layer(memory_BSE)
        return cls(
            memory_BSE,
            keys_BSA,
            padding_BS,
            decoder.attention_rnn.hidden_size,
            decoder.decoder_rnn.hidden_size,
        )

    def advance(self, decoder: Decoder, entering_BP: Tensor) -> tuple[Tensor, Tensor]:
        """Make one step: mel_BRM and gate_BR."""
        self.attention = decoder.attention_rnn(torch.cat((entering_BP, self.context_BE), 1), self.attention)
        layer = decoder.attention_layer
        seen_B2S = torch.stack((self.weights_BS, self.cumulative_BS), 1)
        location = layer.location_layer(seen_B2S)
        query_BA = layer.query_layer(self.attention[0])
        energy_BS = layer.v(torch.tanh(query_BA.unsqueeze(1) + location + self.keys_BSA)).squeeze(2)
        self.weights_BS = torch.softmax(energy_BS.masked_fill(self.padding_BS, float("-inf")), 1)
        self.cumulative_BS = self.cumulative_BS + self.weights_BS
        self.context_BE = torch.bmm(self.weights_BS.unsqueeze(1), self.memory_BSE).squeeze(1)
        self.decoder = decoder.decoder_rnn(torch.cat((self.attention[0], self.context_BE), 1), self.decoder)
        return decoder.project(torch.cat((self.decoder[0], self.context_BE), 1))
