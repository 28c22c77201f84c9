"""The whole network: what training, evaluation and synthesis call.

Shape suffixes are those of `batch`; V = valid symbols or frames of all utterances, N = valid decoder steps, R = frames a step.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tacotrain.batch import Batch
from tacotrain.config import TrainConfig
from tacotrain.kernels.packing import Packing
from tacotrain.model import dropout
from tacotrain.model.decoder import Decoder
from tacotrain.model.dropout import DropoutMasks
from tacotrain.model.encoder import Encoder
from tacotrain.model.inference import Inference, speak
from tacotrain.model.postnet import Postnet
from tacotrain.model.rows import Rows


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the network says about a batch, zero at padding."""

    mel_BTM: Tensor
    """Frames before the postnet."""
    mel_postnet_BTM: Tensor
    """Frames after it."""
    gate_BT: Tensor
    """Logit of each frame being the last."""
    alignment_BUS: Tensor
    """Attention weights; rows of existing steps sum to 1."""
    text_lengths_B: Tensor
    """Symbols, on the CPU."""
    mel_lengths_B: Tensor
    """Frames, on the CPU."""
    step_lengths_B: Tensor
    """Decoder steps, on the CPU."""


class Tacotron2(nn.Module):
    """Tacotron 2; `Tacotron2(config of preset base, 148)` takes NVIDIA/tacotron2's published weights unchanged.

    An utterance gives the same result alone and in a padded batch. Dropout is never drawn inside: training passes
    `draw_masks(batch, generator)`, evaluation `evaluation_masks(batch, seed)`.
    """

    def __init__(
        self, config: TrainConfig, symbols: int, mel_bands: int = 80, *, decoder: type[Decoder] = Decoder
    ) -> None:
        super().__init__()
        self.config = config
        self.mel_bands = mel_bands
        self.embedding = nn.Embedding(symbols, config.embedding_dim)
        bound = (6.0 / (symbols + config.embedding_dim)) ** 0.5
        nn.init.uniform_(self.embedding.weight, -bound, bound)
        self.encoder = Encoder(
            config.embedding_dim, config.encoder_layers, config.encoder_kernel, config.encoder_dim
        )
        self.decoder = decoder(
            mel_bands=mel_bands,
            frames_per_step=config.reduction_factor,
            memory_dim=config.encoder_dim,
            prenet_dim=config.prenet_dim,
            prenet_dropout=config.prenet_dropout,
            attention_rnn_dim=config.attention_rnn_dim,
            attention_dim=config.attention_dim,
            location_filters=config.location_filters,
            location_kernel=config.location_kernel,
            decoder_rnn_dim=config.decoder_rnn_dim,
            dropout_mode="recurrent" if config.decoder_dropout_mode == "recurrent" else "output",
        )
        self.postnet = Postnet(mel_bands, config.postnet_layers, config.postnet_kernel, config.postnet_dim)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.weight.device

    def forward(self, batch: Batch, masks: DropoutMasks | None = None) -> Outputs:
        """Predict each utterance's frames from its text and its own earlier frames.

        Args:
            batch: Utterances in any order.
            masks: Dropout of every layer, needed in training. In eval mode only the prenet's count; by default they are
                `evaluation_masks(batch, 0)`.

        Raises:
            ValueError: Training without masks.
        """
        if not self.training:
            masks = DropoutMasks(prenet_UBP=(masks or self.evaluation_masks(batch, 0)).prenet_UBP)
        if masks is None:
            raise ValueError(
                "training needs dropout masks: pass draw_masks(batch, generator), or DropoutMasks() for none"
            )
        step_lengths_B = self._steps(batch)
        packing = Packing.of(step_lengths_B, self.device)
        memory_BSE, padding_BS = self.encode(batch.text_BS, batch.text_lengths_B, masks.encoder_VC)
        teacher_NM = self._teacher(batch.mel_BTM, packing, masks.frames_UB)
        decoded = self.decoder(
            memory_BSE[packing.order_B], padding_BS[packing.order_B], teacher_NM, packing, masks
        )

        frames = Rows.of(batch.mel_lengths_B, self.device)
        mel_BTM = packing.unpack(decoded.mel_NRM.flatten(1)).view(len(step_lengths_B), -1, self.mel_bands)
        gate_BT = packing.unpack(decoded.gate_NR).flatten(1).unsqueeze(2)
        mel_VM = frames.gather(mel_BTM)
        refined_VM = mel_VM + self.postnet(mel_VM, frames, masks.postnet_VC)
        return Outputs(
            mel_BTM=frames.scatter(mel_VM),
            mel_postnet_BTM=frames.scatter(refined_VM),
            gate_BT=frames.scatter(frames.gather(gate_BT)).squeeze(2),
            alignment_BUS=packing.unpack(decoded.alignment_NS),
            text_lengths_B=batch.text_lengths_B,
            mel_lengths_B=batch.mel_lengths_B,
            step_lengths_B=step_lengths_B,
        )

    def encode(
        self, text_BS: Tensor, text_lengths_B: Tensor, masks: tuple[Tensor, ...] = ()
    ) -> tuple[Tensor, Tensor]:
        """Encode texts: memory_BSE, zero at padding, and padding_BS, True there."""
        symbols = Rows.of(text_lengths_B, self.device)
        embedded_VD = self.embedding(symbols.gather(text_BS.unsqueeze(2)).squeeze(1))
        memory_BSE = symbols.scatter(self.encoder(embedded_VD, symbols, masks))
        places = torch.arange(symbols.longest, device=self.device)
        return memory_BSE, places.unsqueeze(0) >= text_lengths_B.to(self.device).unsqueeze(1)

    def draw_masks(self, batch: Batch, generator: torch.Generator) -> DropoutMasks:
        """Draw all dropout of a training step, encoder and postnet included, from one generator in a fixed order."""
        config, like = self.config, self.embedding.weight
        steps, utterances = int(self._steps(batch).max()), len(batch.mel_lengths_B)

        def mask(probability: float, *shape: int) -> Tensor | None:
            return dropout.draw(shape, probability, generator, like) if probability else None

        def masks(probability: float, valid: int, widths: tuple[int, ...]) -> tuple[Tensor, ...]:
            return tuple(drawn for width in widths if (drawn := mask(probability, valid, width)) is not None)

        prenet = self.decoder.prenet.draw((steps, utterances), generator, like)
        kept = mask(config.frame_dropout, steps, utterances)
        return DropoutMasks(
            prenet_UBP=prenet,
            frames_UB=None if kept is None else kept.ne(0).to(like.dtype),
            attention_UBH=mask(config.attention_dropout, steps, utterances, config.attention_rnn_dim),
            decoder_UBD=mask(config.decoder_dropout, steps, utterances, config.decoder_rnn_dim),
            encoder_VC=masks(
                config.encoder_dropout, int(batch.text_lengths_B.sum()), self.encoder.convolutions.widths
            ),
            postnet_VC=masks(config.postnet_dropout, batch.frames, self.postnet.convolutions.widths),
        )

    def evaluation_masks(self, batch: Batch, seed: int) -> DropoutMasks:
        """Draw the prenet's masks from the seed and each utterance's number: the same in any batch and for every model of this width."""
        like, steps = self.embedding.weight, self._steps(batch)
        longest = int(steps.max())
        drawn = []
        for utterance, length in zip(batch.utterances_B, steps.tolist(), strict=True):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + utterance)
            masks = self.decoder.prenet.draw((length,), generator, like)
            drawn.append([nn.functional.pad(mask, (0, 0, 0, longest - length)) for mask in masks])
        return DropoutMasks(prenet_UBP=tuple(torch.stack(layer, 1) for layer in zip(*drawn, strict=True)))

    @torch.no_grad()
    def infer(
        self,
        text_BS: Tensor,
        text_lengths_B: Tensor,
        *,
        max_frames: int,
        gate_threshold: float = 0.5,
        generator: torch.Generator,
        minimum_frames: int = 10,
    ) -> Inference:
        """Speak freely, all texts at once, until every one has stopped.

        Args:
            text_BS: Symbol ids, 0 at padding.
            text_lengths_B: Symbols, on the CPU.
            max_frames: Frames after which an utterance is cut.
            gate_threshold: Probability from which a frame is the last one.
            generator: Source of the prenet's dropout, which stays on.
            minimum_frames: Frames before which nothing stops.
        """
        assert not self.training, "call eval() before infer()"
        memory_BSE, padding_BS = self.encode(text_BS, text_lengths_B)
        spoken = speak(
            self.decoder,
            memory_BSE,
            padding_BS,
            max_frames=max_frames,
            gate_threshold=gate_threshold,
            minimum_frames=minimum_frames,
            generator=generator,
        )
        frames = Rows.of(spoken.mel_lengths_B, self.device)
        mel_VM = frames.gather(spoken.mel_BTM)
        refined_BTM = frames.scatter(mel_VM + self.postnet(mel_VM, frames, ()))
        return Inference(refined_BTM, spoken.mel_lengths_B, spoken.alignment_BUS, spoken.stopped_B)

    def _steps(self, batch: Batch) -> Tensor:
        return torch.div(
            batch.mel_lengths_B + self.config.reduction_factor - 1,
            self.config.reduction_factor,
            rounding_mode="floor",
        )

    def _teacher(self, mel_BTM: Tensor, packing: Packing, kept_UB: Tensor | None) -> Tensor:
        """Give the last frame before each step: frame r u - 1, and zeros before the first."""
        last_N = packing.step_N * self.config.reduction_factor - 1
        row_N = packing.utterance_N * mel_BTM.shape[1] + last_N.clamp(min=0)
        kept_N = last_N.ge(0).to(mel_BTM.dtype)
        if kept_UB is not None:
            kept_N = kept_N * packing.pack_time_major(kept_UB.unsqueeze(2)).squeeze(1)
        return mel_BTM.flatten(0, 1)[row_N] * kept_N.unsqueeze(1)
