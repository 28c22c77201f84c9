"""Alignment and spectrogram pictures, drawn with Pillow alone: small PNGs that are readable at a glance.

Text or pitch goes up, time goes right, bright is much. A voice that reads shows one sharp line from the lower left
corner to the upper right one.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import floor, log10

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WIDTH = 560
"""Of the whole picture, in pixels."""
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 30, 38
ROW_FOR_LETTER = 9
"""From that many pixels per symbol on, the axis shows the symbols themselves."""

# Viridis, by Stéfan van der Walt and Nathaniel Smith (CC0), at every tenth.
_VIRIDIS = "440154 482475 414487 355f8d 2a788e 21918c 22a884 44bf70 7ad151 bddf26 fde725"
_SHADES = 254
_PAPER, _INK = 254, 255

# Pillow's built-in font knows Latin letters only.
_LATIN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "yo", "ж": "zh", "з": "z", "и": "i", "й": "j",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "kh", "ц": "c", "ч": "ch", "ш": "sh", "щ": "sch", "ъ": "'", "ы": "y", "ь": "'", "э": "e", "ю": "yu", "я": "ya",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Axis:
    """Ticks of one axis: where, as a share of its length, and what is written there."""

    label: str
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: values in [0, 1], row 0 at the bottom, nan left blank, and its vertical axis."""

    image: NDArray[np.floating]
    height: int
    vertical: Axis


def alignment_png(
    alignment_US: NDArray[np.floating], *, title: str, seconds_per_step: float, symbols: Sequence[str] = ()
) -> bytes:
    """Draw one alignment: which symbol each decoder step looks at.

    Args:
        alignment_US: Weights of one utterance without padding; nan is left blank.
        title: One line; what does not fit is cut.
        seconds_per_step: Of speech, for the time axis.
        symbols: The text, one entry per column; written along the axis where there is room.
    """
    steps, count = alignment_US.shape
    height = min(max(count * 10, 200), 420)
    if len(symbols) == count and height / count >= ROW_FOR_LETTER:
        ticks = tuple(((row + 0.5) / count, symbol) for row, symbol in enumerate(symbols))
        axis = Axis("text", ticks)
    else:
        axis = _axis("symbol", count)
    panel = Panel(np.clip(alignment_US.T, 0.0, 1.0), height, axis)
    return _draw([panel], title, _axis("seconds", steps * seconds_per_step))


def mel_png(mels: Mapping[str, NDArray[np.floating]], *, title: str, seconds_per_frame: float) -> bytes:
    """Draw log-mel spectrograms above each other, with one time axis and one color scale.

    Args:
        mels: Label, as "spoken" or "recorded", to frames x bands.
        title: One line; what does not fit is cut.
        seconds_per_frame: For the time axis.
    """
    frames = max(len(mel) for mel in mels.values())
    values = np.concatenate([mel[np.isfinite(mel)] for mel in mels.values()])
    # The far ends are single cells; cutting them off leaves the colors to speech.
    low, high = np.percentile(values, (2, 99.8)) if values.size else (0.0, 1.0)
    panels = []
    for label, mel in mels.items():
        bands = mel.shape[1]
        canvas = np.full((bands, frames), np.nan)
        canvas[:, : len(mel)] = np.clip((mel.T - low) / max(high - low, 1e-9), 0.0, 1.0)
        panels.append(Panel(canvas, 160, _axis(f"{label}, mel band", bands)))
    return _draw(panels, title, _axis("seconds", frames * seconds_per_frame))


def drawable(text: str) -> str:
    """What the built-in font can show: Cyrillic in Latin letters, other unknown characters as a question mark."""
    dashes = unicodedata.normalize("NFC", text).translate({ord(c): "-" for c in "—–·"})
    plain = (c for c in dashes if not unicodedata.combining(c))
    latin = (_LATIN.get(c.lower(), c) for c in plain)
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in "".join(latin))


def nice_ticks(end: float, most: int = 8) -> tuple[float, ...]:
    """Round numbers from 0 up to the end, at most that many."""
    if end <= 0:
        return (0.0,)
    power = 10.0 ** floor(log10(end / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if end / (power * factor) <= most - 1)
    return tuple(step * index for index in range(int(end / step + 1e-9) + 1))


def _axis(label: str, end: float) -> Axis:
    return Axis(label, tuple((tick / end, f"{tick:g}") for tick in nice_ticks(end)) if end > 0 else ())


def _draw(panels: Sequence[Panel], title: str, time: Axis) -> bytes:
    gap = 18
    height = TOP + sum(panel.height for panel in panels) + gap * (len(panels) - 1) + BOTTOM
    picture = Image.new("P", (WIDTH, height), _PAPER)
    picture.putpalette(_palette())
    draw = ImageDraw.Draw(picture)
    draw.fontmode = "1"  # No gray edges: the palette has none.
    font, small = _font(13), _font(10)
    draw.text((LEFT, 8), _fit(drawable(title), font, WIDTH - LEFT - RIGHT), _INK, font)
    top, right = TOP, WIDTH - RIGHT
    for panel in panels:
        shades = np.where(np.isnan(panel.image), _PAPER, np.nan_to_num(panel.image) * (_SHADES - 1))
        plot = Image.fromarray(np.rint(shades[::-1]).astype(np.uint8)).resize(
            (right - LEFT, panel.height), Image.Resampling.NEAREST
        )
        picture.paste(plot, (LEFT, top))
        bottom = top + panel.height
        draw.rectangle((LEFT - 1, top - 1, right, bottom), outline=_INK)
        for share, text in panel.vertical.ticks:
            y = bottom - share * panel.height
            draw.line((LEFT - 4, y, LEFT - 2, y), _INK)
            draw.text((LEFT - 7, y), drawable(text) or "'", _INK, small, anchor="rm")
        _upright(picture, panel.vertical.label, (2, (top + bottom) // 2), small)
        top = bottom + gap
    bottom = top - gap
    for share, text in time.ticks:
        x = LEFT + share * (right - LEFT)
        draw.line((x, bottom + 1, x, bottom + 4), _INK)
        draw.text((x, bottom + 6), text, _INK, small, anchor="ma")
    draw.text(((LEFT + right) / 2, bottom + 20), time.label, _INK, small, anchor="ma")
    buffer = BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    assert isinstance(font, ImageFont.FreeTypeFont), (
        "Pillow was built without FreeType"
    )  # Its wheels never are.
    return font


def _upright(
    picture: Image.Image, text: str, middle_left: tuple[int, int], font: ImageFont.FreeTypeFont
) -> None:
    """Write from bottom to top."""
    left, upper, right, lower = (int(edge) for edge in font.getbbox(text))
    # Without smoothing letters run wider than the box says.
    label = Image.new("P", (round((right - left) * 1.1) + 2, lower - upper + 2), _PAPER)
    drawing = ImageDraw.Draw(label)
    drawing.fontmode = "1"
    drawing.text((1 - left, 1 - upper), text, _INK, font)
    label = label.transpose(Image.Transpose.ROTATE_90)
    picture.paste(label, (middle_left[0], middle_left[1] - label.height // 2))


def _fit(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    while text and font.getlength(text) > width:
        text = text[:-4] + "..." if text.endswith("...") else text[:-3] + "..."
    return text


def _palette() -> list[int]:
    """Viridis, then paper and ink."""
    anchors = np.array([list(bytes.fromhex(color)) for color in _VIRIDIS.split()], float)
    at = np.linspace(0, len(anchors) - 1, _SHADES)
    shades = np.stack([np.interp(at, range(len(anchors)), anchors[:, channel]) for channel in range(3)], 1)
    return [*np.rint(shades).astype(int).ravel().tolist(), 255, 255, 255, 32, 32, 32]
