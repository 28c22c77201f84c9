"""`warmStart.weights: best` on a cluster: which earlier study's voice the trials begin with.

It is chosen once, before the first trial, and remembered by an annotation of the study's own volume: all trials begin alike, whatever
the earlier studies do meanwhile. `kubernetes` shows it the volume in each pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tacotune.adapters.kube_api import KubeApi, collection
from tacotune.adapters.kube_view import KubeView
from tacotune.api import names
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.manifests.warm_start import EarlierVoice
from tacotune.ports import InvalidStudy

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A study that is named by `fromStudies`."""

    study: str
    folder: str = ""
    """On its volume; empty when it has no voice to begin with."""
    value: float | None = None
    """Of its best trial; unknown when the study itself is gone."""
    problem: str = ""
    """Why it has none, for people."""


def candidate(
    name: str, claim: Document | None, earlier: Document | None, *, own_uid: str, pods: int
) -> Candidate:
    """What an earlier study has to offer.

    Args:
        name: Its name.
        claim: Its volume.
        earlier: The TTSStudy of that name, which the volume may have outlived.
        own_uid: Of the study that wants to begin with it.
        pods: How many pods of that study run at once.
    """
    volume = names.checkpoints_claim_name(name)
    if claim is None or "deletionTimestamp" in claim["metadata"]:
        return Candidate(name, problem=f"there is no volume {volume}")
    promoted = str(claim["metadata"].get("annotations", {}).get(names.ANNOTATION_PROMOTED, ""))
    folder = promoted.partition("/")[0]
    # Its own voice: a study cannot begin with what it will find.
    if not folder or folder.startswith(own_uid[:8]):
        return Candidate(name, problem=f"{name} has published no voice yet")
    if "ReadWriteOncePod" in claim.get("spec", {}).get("accessModes", []) and pods > 1:
        return Candidate(
            name, problem=f"volume {volume} is ReadWriteOncePod, which lets one pod mount it, not {pods}"
        )
    value = None
    if earlier is not None and folder.startswith(str(earlier["metadata"].get("uid", ""))[:8]):
        value = earlier.get("status", {}).get("best", {}).get("value")
    return Candidate(name, folder, value)


def best_of(candidates: Sequence[Candidate], direction: str, namespace: str) -> EarlierVoice:
    """The voice of the study with the best value; one whose study is gone comes after those that can be compared.

    Raises:
        InvalidStudy: None has a voice; says why of each.
    """
    able = [found for found in candidates if found.folder]
    if not able:
        why = "; ".join(found.problem for found in candidates)
        raise InvalidStudy(
            f"spec.warmStart.weights: best, but namespace {namespace} has no voice to begin with: {why}. "
            "Let these studies publish one, or set weights to none"
        )
    known = [(found.value, found) for found in able if found.value is not None]
    if not known:
        chosen = able[0]
    elif direction == "Minimize":
        chosen = min(known, key=lambda entry: entry[0])[1]
    else:
        chosen = max(known, key=lambda entry: entry[0])[1]
    return EarlierVoice(chosen.study, chosen.folder)


class WarmStart:
    """The earlier voice of one study; `look` shows it what a pass has read."""

    def __init__(self, api: KubeApi, view: KubeView, study: StudyKey, root: PurePosixPath) -> None:
        self._api = api
        self._view = view
        self._study = study
        self._root = root
        self._voice: EarlierVoice | None = None

    @property
    def voice(self) -> EarlierVoice | None:
        """The one that was chosen, if trials begin with one."""
        return self._voice

    def look(self, claim: Document, spec: TTSStudySpec) -> None:
        """Read which voice was chosen; choose one where trials are to begin with one for the first time.

        Raises:
            InvalidStudy: There is none.
        """
        annotations = claim["metadata"].get("annotations", {})
        root, _, chosen = str(annotations.get(names.ANNOTATION_WARM_START, "")).partition("/")
        if root == self._root.name and "/" in chosen:
            # From before a reset it would name another folder of ours.
            self._voice = EarlierVoice(*chosen.split("/", 1))
        elif spec.warm_start is not None and spec.warm_start.weights == "best":
            self._voice = voice = self._choose(spec)
            mark = f"{self._root.name}/{voice.study}/{voice.folder}"
            path = self._claim_path(self._study.name)
            self._view.claim = self._api.merge(
                path, {"metadata": {"annotations": {names.ANNOTATION_WARM_START: mark}}}
            )

    def still_there(self) -> None:
        """Make sure that a pod which mounts the voice will start.

        Raises:
            InvalidStudy: Its volume is gone.
        """
        if self._voice is None:
            return
        claim = self._api.get(self._claim_path(self._voice.study))
        if claim is None or "deletionTimestamp" in claim["metadata"]:
            raise InvalidStudy(
                f"spec.warmStart: trials of this study begin with the voice of {self._voice.study}, whose volume "
                f"{names.checkpoints_claim_name(self._voice.study)} is gone; bring it back, or begin anew: annotate the study with "
                f"{names.ANNOTATION_RESET}"
            )

    def _choose(self, spec: TTSStudySpec) -> EarlierVoice:
        assert spec.warm_start is not None
        candidates = []
        for name in spec.warm_start.from_studies:
            claim = self._api.get(self._claim_path(name))
            earlier = self._api.get(f"{collection(self._study.namespace, names.PLURAL)}/{name}")
            pods = spec.parallelism * spec.trainer.workers
            candidates.append(candidate(name, claim, earlier, own_uid=self._study.uid, pods=pods))
        return best_of(candidates, spec.all_objectives[0].direction, self._study.namespace)

    def _claim_path(self, study: str) -> str:
        claims = collection(self._study.namespace, "persistentvolumeclaims")
        return f"{claims}/{names.checkpoints_claim_name(study)}"
