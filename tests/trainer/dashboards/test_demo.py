"""The demo: what can be heard, by whom it is spoken, the page itself, and the server with a browser before it."""

import json
import os
import sys
import wave
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser
from streamlit.testing.v1 import AppTest

from support.browser import page, screenshot
from support.dashboard_process import answers, dashboard
from support.eventually import eventually
from support.prepared import AUDIO
from support.voice_study import copy, make_study, publish, tree
from tacotrain.dashboards import demo
from tacotrain.dashboards.demo_context import Context, provide
from tacotrain.dashboards.hifigan import Generator
from tacotrain.dashboards.hosts import allowed, same_site
from tacotrain.dashboards.speaker import CannotSpeak, Speaker
from tacotrain.dashboards.speaking import answer
from tacotrain.dashboards.tables import comparison
from tacotrain.dashboards.vocoder_folders import vocoder_folders
from tacotrain.dashboards.voices import SECONDS, Voices, recipe

NAME = "voices.ruslan.01234567"


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trained trials, no best one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TACOTUNE_TERMINATION_LOG", str(tmp_path_factory.mktemp("log") / "termination"))
        return make_study(tmp_path_factory.mktemp("demo"))


@pytest.fixture(autouse=True)
def termination_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACOTUNE_TERMINATION_LOG", str(tmp_path / "termination-log"))


@pytest.fixture
def root(silent: Path, tmp_path: Path) -> Path:
    """The same, with trial 1 published."""
    found = copy(silent, tmp_path / "study")
    publish(found, 1)
    return found


@pytest.fixture(scope="module")
def speaker() -> Iterator[Speaker]:
    """The real process, shared: loading torch takes seconds."""
    made = Speaker()
    yield made
    made.close()


def request(root: Path, **changes: Any) -> dict[str, Any]:
    best = Voices(root).best()
    assert best is not None
    asked = {"do": "speak", "checkpoint": str(best.checkpoint), "stamp": best.stamp}
    return asked | {"text": "A bad cab.", "seed": 0, "iterations": 2, "vocoder": None} | changes


# Which voices there are.


def test_the_best_voice_comes_first_then_every_trial_with_a_checkpoint(root: Path) -> None:
    best, *trials = Voices(root).all()
    assert (best.key, best.trial, best.checkpoint) == ("best", 1, (root / "best/checkpoint").resolve())
    assert [(voice.key, voice.trial, voice.state) for voice in trials] == [
        ("trial 0", 0, "complete"),
        ("trial 1", 1, "complete"),
    ]
    result = json.loads((root / "trials/0001/result.json").read_text())
    assert (best.value, trials[1].value) == (result["values"][0],) * 2
    assert best.label == f"best: trial 1 ({best.value:.3f})"
    assert trials[1].metrics["tts_score"] == result["metrics"]["tts_score"]


def test_parameters_are_those_that_were_published_or_those_that_the_preset_does_not_have(root: Path) -> None:
    best, first, _ = Voices(root).all()
    assert recipe(best).parameters == {"learning_rate": 0.02}
    found = recipe(first)
    assert (found.language, found.objective, found.preset, found.step) == (
        "en",
        "tts_score",
        "tiny",
        int(first.checkpoint.name.removeprefix("step-")),
    )
    assert found.parameters["learning_rate"] == 0.01
    assert "griffin_lim_iterations" in found.parameters  # Changed by the trial.
    assert "lr_schedule" not in found.parameters  # The preset's.


def test_a_trial_that_still_trains_speaks_with_its_best_checkpoint_so_far(root: Path) -> None:
    (root / "trials/0000/result.json").unlink()
    voice = next(voice for voice in Voices(root).all() if voice.key == "trial 0")
    so_far = json.loads((root / "trials/0000/checkpoints/best.json").read_text())
    assert (voice.state, voice.value) == ("training", so_far["value"])
    assert voice.checkpoint.name == f"step-{so_far['step']:08d}"


def test_what_is_half_there_or_leads_elsewhere_is_not_offered(root: Path, tmp_path: Path) -> None:
    (root / "trials/0000/result.json").write_text('{"checkpoint": "../../../outside"}')
    (root / "trials/0001/result.json").write_text("{")
    (root / "trials/0001/checkpoints/best.json").unlink()
    (root / "trials/notes").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/metadata.json").write_text("{}")
    assert [voice.key for voice in Voices(root).all()] == ["best"]


def test_in_the_middle_of_a_publication_the_voice_before_is_the_best(root: Path) -> None:
    voices = Voices(root)
    before = voices.best()
    (root / "best").rename(root / ".best.old")
    after = voices.best()
    assert before is not None
    assert after is not None
    assert after.stamp == before.stamp


def test_a_better_voice_has_another_stamp_and_trials_are_looked_for_now_and_then(root: Path) -> None:
    now = [0.0]
    voices = Voices(root, clock=lambda: now[0])
    before = voices.all()[0]
    publish(root, 0)
    copy(root / "trials/0000", root / "trials/0002")
    assert voices.all()[0].stamp != before.stamp
    assert [voice.key for voice in voices.all()] == ["best", "trial 0", "trial 1"]
    now[0] += SECONDS
    assert [voice.key for voice in voices.all()][-1] == "trial 2"


def test_without_a_folder_there_is_no_voice(tmp_path: Path) -> None:
    assert Voices(tmp_path / "missing").all() == ()


# Speaking.


def test_a_sentence_is_spoken_the_same_for_the_same_seed(root: Path) -> None:
    first, again, other = (answer(request(root, seed=seed)) for seed in (0, 0, 1))
    assert first == again
    assert first["wav"] != other["wav"]
    assert first["text"] == "a bad cab."


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"text": "кот"}, "cannot read 'к'"),
        ({"text": "  "}, "there is no text to speak"),
        ({"vocoder": "/nowhere"}, "/nowhere: no vocoder here"),
        ({"checkpoint": "/nowhere", "stamp": "x"}, "/nowhere: no checkpoint here"),
        ({"seed": "zero"}, "internal error (ValueError"),
    ],
)
def test_what_cannot_be_spoken_is_answered_with_a_sentence(
    root: Path, changes: dict[str, Any], sentence: str
) -> None:
    assert sentence in answer(request(root, **changes))["error"]


def test_a_damaged_checkpoint_is_not_loaded(root: Path) -> None:
    weights = root / "best/checkpoint/weights.pt"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert "damaged" in answer(request(root))["error"]


def test_the_process_speaks_ends_when_idle_and_comes_back(root: Path) -> None:
    speaker = Speaker(idle_seconds=0.2)
    try:
        sound = speaker.ask(request(root))
        eventually(lambda: not speaker.running)
        assert speaker.ask(request(root)) == sound
    finally:
        speaker.close()


ECHO = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"


def program(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_a_refusal_is_an_error_and_the_process_stays() -> None:
    speaker = Speaker(program(ECHO))
    with pytest.raises(CannotSpeak, match="no such letter"):
        speaker.ask({"error": "no such letter"})
    assert speaker.ask({"text": "a"}) == {"text": "a"}
    speaker.close()
    with pytest.raises(CannotSpeak, match="about to close"):
        speaker.ask({})


def test_when_the_process_dies_the_page_is_told_and_the_next_request_starts_another(tmp_path: Path) -> None:
    flag = tmp_path / "died"
    dies_once = (
        f"import os, pathlib, sys\nflag = pathlib.Path({str(flag)!r})\n"
        "if not flag.exists():\n    flag.touch(); sys.stdin.readline(); os.kill(os.getpid(), 9)\n" + ECHO
    )
    speaker = Speaker(program(dies_once))
    with pytest.raises(CannotSpeak, match="ended with code -9; most often memory ran out"):
        speaker.ask({"text": "a"})
    assert speaker.ask({"text": "a"}) == {"text": "a"}
    speaker.close()


def test_a_request_that_takes_too_long_is_given_up() -> None:
    speaker = Speaker(program("import sys\nsys.stdin.readline(); sys.stdin.readline()"), longest_seconds=0.5)
    with pytest.raises(CannotSpeak, match="took longer than"):
        speaker.ask({"text": "a"})
    assert not speaker.running
    speaker.close()


def test_the_process_ends_with_the_page_however_that_ended() -> None:
    code = (
        "import os, sys\nfrom tacotrain.dashboards.speaker import Speaker\n"
        f"speaker = Speaker((sys.executable, '-c', {ECHO!r}))\nspeaker.ask({{}})\n"
        "print(speaker._process.pid, flush=True)\nos.kill(os.getpid(), 9)"
    )
    with os.popen(f"{sys.executable} -c '{code.replace(chr(39), chr(34))}'") as shell:
        pid = int(shell.read())
    eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text())


# Vocoders.


def test_vocoders_lie_in_the_studys_folder_or_where_the_environment_says(tmp_path: Path) -> None:
    for folder in ("study/vocoders/own", "study/vocoders/empty", "else/where"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("study/vocoders/own", "else/where"):
        (tmp_path / folder / "config.json").touch()
        (tmp_path / folder / "generator").touch()
    given = {"TACOTUNE_VOCODERS": f"{tmp_path}/else/where/generator:{tmp_path}/gone"}
    assert vocoder_folders(tmp_path / "study", given) == {
        "where": tmp_path / "else/where",
        "own": tmp_path / "study/vocoders/own",
    }


TINY_HIFIGAN = {
    "resblock": "2",
    "upsample_rates": [8, 16],
    "upsample_kernel_sizes": [16, 32],
    "upsample_initial_channel": 8,
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 2]],
    "num_mels": AUDIO.n_mels,
    "n_fft": AUDIO.n_fft,
    "hop_size": AUDIO.hop_length,
    "sampling_rate": AUDIO.sample_rate,
    "fmin": 0,
    "fmax": 4000,
}


def test_a_hifigan_of_ones_own_is_offered_and_speaks(app: AppTest, root: Path) -> None:
    folder = root / "vocoders/tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(TINY_HIFIGAN))
    torch.manual_seed(0)
    torch.save({"generator": Generator(TINY_HIFIGAN).state_dict()}, folder / "g_00000001")
    usual = answer(request(root))
    assert answer(request(root, vocoder=str(folder)))["wav"] != usual["wav"]
    app.run()
    assert app.selectbox[2].options == ["Griffin-Lim", "tiny"]
    app.selectbox[2].select("tiny")
    pressed(app)
    assert not app.error
    assert len(app.get("audio")) == 1


# The page.


@pytest.fixture
def app(root: Path, speaker: Speaker) -> AppTest:
    provide(Context(root, NAME, Voices(root), speaker))
    return AppTest.from_file(str(demo.PAGE), default_timeout=60).run()


def pressed(app: AppTest) -> AppTest:
    return app.button[0].click().run()


def test_the_page_offers_the_voices_and_names_their_parameters(app: AppTest, root: Path) -> None:
    assert not app.exception
    assert app.title[0].value == "Hear the voices of ruslan"
    assert [option.rpartition(" (")[0] for option in app.selectbox[0].options] == [
        "best: trial 1",
        "trial 0",
        "trial 1",
    ]
    assert "learning\\_rate | 0.02" in app.markdown[0].value
    assert "tts\\_score" in app.markdown[1].value


def test_a_typed_sentence_is_spoken_seen_and_can_be_downloaded(app: AppTest) -> None:
    app.text_area[0].set_value("A bad cab.")
    pressed(app)
    assert not app.exception
    assert not app.error
    assert app.subheader[0].value.startswith("best: trial 1")
    assert app.caption[0].value.startswith("tts_score ")
    sounds, pictures, downloads = (app.get(kind) for kind in ("audio", "image", "download_button"))
    assert (len(sounds), len(pictures), len(downloads)) == (1, 2, 1)


def test_two_trials_are_compared_beside_each_other(app: AppTest) -> None:
    app.selectbox[0].select("trial 0")
    app.selectbox[1].select("trial 1")
    pressed(app)
    assert [head.value.partition(" (")[0] for head in app.subheader] == [
        "trial 0",
        "trial 1",
        "Parameters",
        "Metrics",
    ]
    assert len(app.get("audio")) == 2
    assert "learning\\_rate | **0.01** | **0.02**" in app.markdown[0].value


def test_letters_that_the_voice_cannot_read_are_named_on_the_page(app: AppTest) -> None:
    app.text_area[0].set_value("кот")
    pressed(app)
    assert not app.exception
    assert "cannot read 'к'" in app.error[0].value
    assert not app.get("audio")


def test_a_better_voice_is_told_and_speaks_from_then_on(app: AppTest, root: Path) -> None:
    assert not app.success
    publish(root, 0)
    app.run()
    assert app.success[0].value.startswith("A better voice has arrived: trial 0 (")
    pressed(app)
    assert app.subheader[0].value.startswith("best: trial 0")
    app.run()
    assert not app.success


def test_a_study_whose_files_were_removed_says_so(app: AppTest, root: Path) -> None:
    provide(Context(root / "gone", NAME, Voices(root / "gone"), Speaker(program(ECHO))))
    app.run()
    assert not app.exception
    assert "no checkpoint any more" in app.warning[0].value


def test_what_others_wrote_is_no_markup() -> None:
    table = comparison(["<b>a</b>", "b|c"], [{"x": "[link](http://evil)", "y": 1.0}, {"x": None, "y": 1.0}])
    assert table.splitlines() == [
        r"|  | \<b\>a\</b\> | b\|c |",
        "| --- | --- | --- |",
        r"| x | **\[link\]\(http\://evil\)** | **–** |",
        "| y | 1 | 1 |",
    ]


# Who may ask.


@pytest.mark.parametrize(
    ("host", "fine"),
    [
        ("localhost:5003", True),
        ("127.0.0.1:1", True),
        ("[::1]:5003", True),
        ("10.1.2.3", True),
        ("ruslan-demo.voices.svc:5003", True),
        ("VOICES.example.org.", True),
        ("evil.com", False),
        ("localhost.evil.com", False),
        ("svc", False),
        ("", False),
        (None, False),
        ("[", False),
    ],
)
def test_hosts(host: str | None, fine: bool) -> None:
    assert allowed(host, ("*.svc:5003", "voices.example.org")) is fine


@pytest.mark.parametrize(
    ("origin", "fine"),
    [
        (None, True),
        ("http://localhost:5003", True),
        ("https://voices.example.org", True),
        ("http://localhost:9999", False),
        ("http://10.1.2.3", False),
        ("https://evil.com", False),
        ("null", False),
    ],
)
def test_origins_of_web_sockets(origin: str | None, fine: bool) -> None:
    assert same_site(origin, "localhost:5003", ("voices.example.org",)) is fine


# The server.


def test_closed_until_a_voice_could_be_loaded_then_streamlit_on_the_same_port(
    browser: Browser, silent: Path, tmp_path: Path
) -> None:
    root = tmp_path / "study"
    with dashboard("demo", root, NAME, tmp_path / "log.txt", environment={}) as running:
        for path in ("/", "/_stcore/health", "/anything"):
            closed = running.get(path)
            assert closed.status_code == 503
            assert (
                closed.text
                == "There is no voice to hear yet: the demo opens with the study's first best checkpoint.\n"
            )
        copy(silent, root)
        publish(root, 1)
        answers(running, "/_stcore/health")
        before = tree(root)
        assert running.get("/", host="evil.com").status_code == 403
        with page(browser, running.url, height=1700) as opened:
            opened.get_by_role("textbox", name="Text").fill("A bad cab.")
            opened.get_by_role("combobox", name="Compare with").click()
            opened.get_by_role("option", name="trial 0").click()
            opened.get_by_role("button", name="Speak").click()
            opened.locator("audio").nth(1).wait_for()
            with opened.expect_download() as download:
                opened.get_by_role("button", name="Download").first.click()
            with wave.open(BytesIO(download.value.path().read_bytes())) as sound:
                assert sound.getframerate() == 8000
                seconds = sound.getnframes() / 8000
            heard = opened.locator("audio").first.evaluate(
                "sound => new Promise((heard, failed) => {"
                "  sound.onended = () => heard(sound.duration); sound.onerror = () => failed('it does not play');"
                "  sound.play().catch(failed); })"
            )
            assert heard == pytest.approx(seconds, abs=0.05)
            screenshot(opened, "demo-two-voices", tmp_path)
            assert tree(root) == before  # The demo writes nothing there.
            publish(root, 0)
            # Nobody reloads the page: it looks by itself, and the choice of before stays.
            opened.get_by_text("A better voice has arrived: trial 0").wait_for()
            opened.get_by_role("button", name="Speak").click()
            opened.get_by_role("heading", name="best: trial 0").wait_for()
            screenshot(opened, "demo-better-voice", tmp_path)


def test_a_best_voice_that_cannot_be_loaded_is_told(root: Path, tmp_path: Path) -> None:
    weights = root / "best/checkpoint/weights.pt"
    weights.write_bytes(b"x" + weights.read_bytes()[1:])
    with dashboard("demo", root, NAME, tmp_path / "log.txt", environment={}) as running:
        eventually(lambda: "cannot be loaded" in running.get("/").text, within=60)
        assert "weights.pt does not match its sha256" in running.get("/").text
        assert running.get("/_stcore/health").status_code == 503
