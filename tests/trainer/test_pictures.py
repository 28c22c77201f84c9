"""Pictures: right way up, blank where there is nothing, small, and never an exception."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tacotrain.pictures import BOTTOM, LEFT, RIGHT, TOP, WIDTH, alignment_png, drawable, mel_png, nice_ticks

YELLOW, DARK, WHITE = (253, 231, 37), (68, 1, 84), (255, 255, 255)


def pixels(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png)).convert("RGB")


def plot_pixel(picture: Image.Image, right: float, up: float) -> object:
    """Color at a share of the plot's width and height."""
    width, height = WIDTH - LEFT - RIGHT, picture.height - TOP - BOTTOM
    return picture.getpixel((LEFT + int(right * width), TOP + int((1 - up) * height)))


def test_a_diagonal_runs_from_the_lower_left_to_the_upper_right() -> None:
    picture = pixels(alignment_png(np.eye(20), title="step 300", seconds_per_step=0.035))
    assert plot_pixel(picture, 0.02, 0.02) == YELLOW
    assert plot_pixel(picture, 0.98, 0.98) == YELLOW
    assert plot_pixel(picture, 0.02, 0.98) == plot_pixel(picture, 0.98, 0.02) == DARK


def test_a_picture_is_small_and_carries_its_symbols() -> None:
    symbols = [*"этот кот видит старый дом", "<end>"]
    with_letters = alignment_png(np.eye(26), title="этот", seconds_per_step=0.035, symbols=symbols)
    with_numbers = alignment_png(np.eye(26), title="этот", seconds_per_step=0.035)
    assert len(with_letters) < 10_000
    assert with_letters != with_numbers


def test_weights_that_are_not_finite_are_left_blank() -> None:
    weights = np.eye(20)
    weights[:10] = np.nan
    picture = pixels(alignment_png(weights, title="", seconds_per_step=0.035))
    assert plot_pixel(picture, 0.25, 0.5) == WHITE
    assert plot_pixel(picture, 0.98, 0.98) == YELLOW


def test_two_spectrograms_share_one_time_axis() -> None:
    ramp = np.linspace(-11, 1, 80)[None, :].repeat(100, 0)
    picture = pixels(
        mel_png({"spoken": ramp, "recorded": ramp[:50]}, title="x" * 200, seconds_per_frame=0.0116)
    )
    assert plot_pixel(picture, 0.9, 0.8) != WHITE
    assert plot_pixel(picture, 0.9, 0.2) == WHITE  # Behind the end of the short one.
    assert plot_pixel(picture, 0.2, 0.2) != WHITE


@pytest.mark.parametrize(
    "mel",
    [np.full((5, 80), np.nan), np.zeros((5, 80)), np.full((1, 80), np.inf)],
    ids=["nan", "constant", "inf"],
)
def test_a_broken_spectrogram_is_drawn_all_the_same(mel: np.ndarray) -> None:
    assert pixels(mel_png({"spoken": mel}, title="", seconds_per_frame=0.01)).width == WIDTH


def test_cyrillic_is_written_in_latin_letters() -> None:
    assert drawable("этот ёж — мой") == "etot yozh - moj"
    assert drawable("быстрый ко\N{COMBINING ACUTE ACCENT}т 日") == "bystryj kot ?"


@pytest.mark.parametrize(
    ("end", "ticks"), [(1.16, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)), (80, (0, 20, 40, 60, 80)), (0, (0.0,))]
)
def test_ticks_are_round_numbers(end: float, ticks: tuple[float, ...]) -> None:
    assert nice_ticks(end) == pytest.approx(ticks)
    assert len(nice_ticks(end)) <= 8
