"""Names are functions of study, trial and attempt, and fit into what Kubernetes allows."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tacotune.api.names import MAX_NAME, job_name, shorten, trial_directory

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
STUDIES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", fullmatch=True)


def test_jobs_are_named_after_study_trial_and_attempt() -> None:
    assert job_name("ruslan", "trial", 7, 2) == "ruslan-7-2"
    assert job_name("ruslan", "final", 7, 1) == "ruslan-final-1"
    assert job_name("ruslan", "prepare", -1, 3) == "ruslan-prepare-3"


@given(STUDIES, st.integers(0, 99_999), st.integers(1, 999))
def test_every_job_of_every_valid_study_has_a_valid_name(study: str, trial: int, attempt: int) -> None:
    for purpose in ("trial", "final", "prepare"):
        name = job_name(study, purpose, trial, attempt)
        assert len(name) <= MAX_NAME
        assert LABEL.fullmatch(name)


@given(
    STUDIES,
    st.tuples(st.integers(0, 99_999), st.integers(1, 99)),
    st.tuples(st.integers(0, 99_999), st.integers(1, 99)),
)
def test_unequal_attempts_have_unequal_names(
    study: str, one: tuple[int, int], other: tuple[int, int]
) -> None:
    assert (job_name(study, "trial", *one) == job_name(study, "trial", *other)) == (one == other)


def test_a_name_is_cut_but_stays_unique() -> None:
    long, longer = "a" * 80, "a" * 81
    assert len(shorten(long)) == MAX_NAME
    assert shorten(long) != shorten(longer)
    assert shorten("short") == "short"
    assert not shorten("a" * 53 + "-" * 30).startswith("a" * 53 + "--")


def test_attempts_of_a_trial_share_its_folder() -> None:
    assert trial_directory("trial", 7) == "trials/0007"
    assert trial_directory("final", 7) == "final"
