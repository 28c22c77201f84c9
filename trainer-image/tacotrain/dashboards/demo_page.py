"""What the demo shows: a text, one voice or two beside each other, what they say, and how they were trained.

`demo_app` is the script that Streamlit runs; this module stays loaded between the clicks.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from tacotrain.dashboards.demo_context import Context, context
from tacotrain.dashboards.speaker import CannotSpeak
from tacotrain.dashboards.tables import comparison
from tacotrain.dashboards.vocoder_folders import vocoder_folders
from tacotrain.dashboards.voices import Recipe, Voice, recipe

LONGEST_TEXT: Final = 400
"""Characters; about half a minute."""
LOOK_SECONDS: Final = 5
"""Between two looks for a better voice, while the page is open."""
GRIFFIN_LIM: Final = "Griffin-Lim"
NOBODY: Final = "nobody"
EXAMPLES: Final[Mapping[str, str]] = {"en": "The red cat sees a dog.", "ru": "Рыжий кот видит собаку."}


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one voice answered; it stays on the page until the next text."""

    voice: Voice
    recipe: Recipe
    answer: Mapping[str, Any]
    """Empty when it could not speak."""
    error: str = ""


def show() -> None:
    """The whole page."""
    study = context()
    name = study.study_name.split(".")[1] if study.study_name.count(".") >= 2 else study.study_name
    st.set_page_config(page_title=f"{name}: hear the voices", page_icon="🔊", layout="wide")
    st.title(f"Hear the voices of {name}")
    best = study.voices.best()
    _announce(study, best)
    voices = {voice.key: voice for voice in study.voices.all()}
    if not voices:
        st.warning("The study's folder holds no checkpoint any more; the page goes on when there is one.")
        return
    chosen = _ask(study, voices)
    spoken: Sequence[Spoken] = st.session_state.get("spoken", ())
    if spoken:
        for column, one in zip(st.columns(len(spoken), gap="large"), spoken, strict=True):
            with column:
                _present(one)
    _compare([(one.voice, one.recipe) for one in spoken] or [(voice, recipe(voice)) for voice in chosen])


def _announce(study: Context, best: Voice | None) -> None:
    """Tell of a better voice, and look for one from time to time."""
    if "best" not in st.session_state:
        st.session_state.best = best.stamp if best else None
    if news := st.session_state.get("news"):
        st.success(news, icon=":material/celebration:")
    _look(study)


@st.fragment(run_every=LOOK_SECONDS)
def _look(study: Context) -> None:
    best = study.voices.best()
    if best is not None and best.stamp != st.session_state.best:
        st.session_state.best = best.stamp
        st.session_state.news = (
            f"A better voice has arrived: {best.label.removeprefix('best: ')}. “best” now speaks with it."
        )
        st.rerun()


def _ask(study: Context, voices: Mapping[str, Voice]) -> Sequence[Voice]:
    """The text and the choices, which are returned; speaks when the button is pressed."""
    keys = list(voices)
    language = recipe(voices[keys[0]]).language
    text = st.text_area(
        "Text", value=EXAMPLES.get(language, EXAMPLES["en"]), max_chars=LONGEST_TEXT, height=80
    )
    left, right, third = st.columns(3)

    labels = {key: voice.label for key, voice in voices.items()}
    first = _choose(left, "Voice", keys, labels)
    second = _choose(right, "Compare with", [NOBODY, *keys], labels)
    folders = vocoder_folders(study.root)
    vocoder = third.selectbox(
        "Vocoder",
        [GRIFFIN_LIM, *folders],
        help="From mel frames to sound. Put a HiFi-GAN's folder into `vocoders/` of the study's folder to have it here.",
    )
    seed = left.number_input(
        "Seed", min_value=0, max_value=2**31 - 1, value=0, help="The voice never says a sentence twice alike."
    )
    iterations = right.slider(
        "Griffin-Lim iterations",
        1,
        200,
        60,
        disabled=vocoder != GRIFFIN_LIM,
        help="More sound cleaner and take longer.",
    )
    chosen = [voices[key] for key in dict.fromkeys((first, second)) if key in voices]
    if st.button("Speak", type="primary", icon=":material/volume_up:"):
        folder = folders.get(vocoder)
        request = {
            "text": text,
            "seed": seed,
            "iterations": iterations,
            "vocoder": str(folder) if folder else None,
        }
        with st.spinner("Speaking …"):
            st.session_state.spoken = [_speak(study, voice, request) for voice in chosen]
        st.session_state.pop("news", None)
    return chosen


def _choose(place: DeltaGenerator, title: str, keys: Sequence[str], labels: Mapping[str, str]) -> str:
    """Choose a voice by its key; the choice outlives new labels, which are another widget to Streamlit."""
    before = st.session_state.get(title)
    chosen = place.selectbox(
        title,
        keys,
        index=keys.index(before) if before in keys else 0,
        format_func=lambda key: labels.get(key, key),
        key=f"{title}: {', '.join(labels.values())}",
    )
    st.session_state[title] = chosen
    return chosen


def _speak(study: Context, voice: Voice, request: Mapping[str, Any]) -> Spoken:
    described = recipe(voice)
    try:
        asked = {"do": "speak", "checkpoint": str(voice.checkpoint), "stamp": voice.stamp}
        return Spoken(voice, described, study.speaker.ask({**asked, **request}))
    except CannotSpeak as error:
        return Spoken(voice, described, {}, str(error))


def _present(spoken: Spoken) -> None:
    """What one voice said."""
    voice, answer = spoken.voice, spoken.answer
    st.subheader(voice.label)
    goal = (
        f"{spoken.recipe.objective or 'score'} {voice.value:.4f}"
        if voice.value is not None
        else "no score yet"
    )
    st.caption(f"{goal} · step {spoken.recipe.step} · {voice.state}")
    if not answer:
        st.error(spoken.error, icon=":material/error:")
        return
    sound = base64.b64decode(answer["wav"])
    st.audio(sound, format="audio/wav")
    if not answer["stopped"]:
        st.warning("The voice did not find the end of the sentence; it was cut.")
    st.download_button(
        f"Download ({answer['seconds']:.1f} s, wav)",
        sound,
        file_name=f"{voice.file_name}.wav",
        mime="audio/wav",
        key=f"download {voice.key}",
        on_click="ignore",
        icon=":material/download:",
    )
    st.image(
        base64.b64decode(answer["alignment"]), caption="Alignment: which letter is read when", width="stretch"
    )
    st.image(base64.b64decode(answer["mel"]), caption="Mel spectrogram", width="stretch")


def _compare(voices: Sequence[tuple[Voice, Recipe]]) -> None:
    """Parameters and metrics, a column for each voice."""
    labels = [voice.label for voice, _ in voices]
    # What makes one of them special is also said of the other, where it may be the preset's.
    names = dict.fromkeys(name for _, found in voices for name in found.parameters)
    parameters = [
        {"preset": found.preset} | {name: {**found.trained, **found.parameters}.get(name) for name in names}
        for _, found in voices
    ]
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Parameters")
        st.markdown(comparison(labels, parameters))
    with right:
        st.subheader("Metrics")
        st.markdown(comparison(labels, [voice.metrics for voice, _ in voices]))
