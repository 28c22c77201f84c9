"""The `Cluster` port on one machine: an attempt is a process group of its own, and files say everything about it.

    <run directory>/
      attempts/<job>/       launch.json, trial.json (or the prepare arguments), process.json, log.txt, stopping, exit
      finished/<job>/       the same, after its Job was deleted: logs stay for people
      trials/0007/          the trial directory of docs/trial-contract.md
      prepared/             the dataset
      best/                 the best voice

A shell writes the exit code beside the log, so a runner that was killed and started again still learns how the attempts it
left behind have ended, and those that still run are simply found running.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil
from pydantic import ValidationError

from tacotune.adapters import promotion
from tacotune.adapters.attempt_files import AttemptFiles, newest_trial_document, read_json, write_json
from tacotune.adapters.child_environment import child_environment
from tacotune.adapters.documents import prepare_arguments, trial_document, under_earlier_snapshot
from tacotune.api.hashing import spec_hash
from tacotune.api.names import job_name, trial_directory
from tacotune.api.study_key import StudyKey
from tacotune.api.trial_contract import ExitCode, Progress, Termination, TrialDocument, TrialResult
from tacotune.engine.actions import PromoteBest
from tacotune.engine.observed import JobPhase, ObservedJob, Publication, Purpose
from tacotune.ports import ClusterUnavailable, Launch

# Waits for the trainer even while the group is being terminated, then leaves its exit code behind in one rename.
_SHELL = (
    "echo $$ >pid; trap : TERM INT HUP; "
    '"$@" >>log.txt 2>&1 </dev/null; code=$?; echo $code >exit.tmp && mv exit.tmp exit'
)


class ProcessCluster:
    """Attempts of one study as process groups of this machine."""

    def __init__(
        self,
        root: Path,
        study: StudyKey,
        *,
        storage_url: str | None,
        threads: int,
        warm_start: Path | None = None,
        trainer: Sequence[str] = (sys.executable, "-m", "tacotrain"),
    ) -> None:
        self._root = root
        self._study = study
        self._storage_url = storage_url
        self._threads = threads
        self._warm_start = warm_start
        self._trainer = tuple(trainer)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        for folder in ("attempts", "finished", "trials"):
            (root / folder).mkdir(parents=True, exist_ok=True)

    @property
    def prepared(self) -> Path:
        """Folder of the prepared dataset."""
        return self._root / "prepared"

    def directory(self, purpose: Purpose, trial: int) -> Path:
        """Folder that all attempts of a trial share."""
        return self._root / trial_directory(purpose.value, trial)

    def jobs(self) -> Sequence[ObservedJob]:
        """Every attempt that was not deleted, by name."""
        self._reap()
        found = [self._observe(AttemptFiles(path)) for path in sorted((self._root / "attempts").iterdir())]
        return [job for job in found if job is not None]

    def dataset(self) -> tuple[bool, str]:
        """Whether the prepared dataset is there."""
        document = read_json(self.prepared / "dataset.json")
        if document is None:
            return False, "not prepared yet"
        return True, f"prepared in {self.prepared}"

    def promoted(self) -> str:
        """What `best/` now holds."""
        return promotion.published(self._root)

    def page_of(self) -> int | None:
        """None: the runner makes the page at the end (`local.final_page`)."""
        return None

    def create_job(self, launch: Launch) -> None:
        """Write the attempt's documents and start its process group; one already there is left alone."""
        name = job_name(self._study.name, launch.purpose.value, launch.trial, launch.attempt)
        files = AttemptFiles(self._root / "attempts" / name)
        if files.process.exists() or (self._root / "finished" / name).exists():
            return
        if (orphan := _orphan(files)) is not None:
            self._register(files, orphan)
            return
        try:
            # A folder without process.json is what an earlier runner was killed in the middle of.
            shutil.rmtree(files.root, ignore_errors=True)
            files.root.mkdir()
            write_json(
                files.launch,
                {"purpose": launch.purpose.value, "trial": launch.trial, "attempt": launch.attempt},
            )
            directory = self.directory(launch.purpose, launch.trial)
            if launch.purpose is Purpose.PREPARE:
                arguments = prepare_arguments(launch.spec, self.prepared)
            else:
                directory.mkdir(parents=True, exist_ok=True)
                document = self._document(launch, directory)
                write_json(files.trial, document.model_dump(mode="json", by_alias=True))
                arguments = ["train", "--trial", str(files.trial)]
            self._spawn(name, files, [*self._trainer, *arguments])
        except OSError as error:
            raise ClusterUnavailable(f"cannot start {name} in {files.root}: {error}") from error

    def _document(self, launch: Launch, directory: Path) -> TrialDocument:
        document = trial_document(
            launch,
            self._study,
            warm_start=self._warm_start,
            dataset=self.prepared,
            directory=directory,
            threads=launch.spec.trainer.threads or self._threads,
        )
        if launch.spec_hash != spec_hash(launch.spec):
            earlier = newest_trial_document(self._root, launch.purpose, launch.trial)
            if earlier is not None:
                return under_earlier_snapshot(document, earlier, launch.overrides)
        return document

    def stop_job(self, name: str, reason: str) -> None:
        """SIGTERM to the group, once: a second one would cut its checkpoint short."""
        files = AttemptFiles(self._root / "attempts" / name)
        if files.root.exists() and not files.stopping.exists():
            files.stopping.write_text(reason)
            self._signal(files, signal.SIGTERM)

    def kill_job(self, name: str, reason: str) -> None:
        """SIGKILL to the group."""
        files = AttemptFiles(self._root / "attempts" / name)
        if files.root.exists():
            files.stopping.write_text(reason)
            self._signal(files, signal.SIGKILL)

    def delete_job(self, name: str) -> None:
        """Move an ended attempt's files to `finished/`."""
        source, target = self._root / "attempts" / name, self._root / "finished" / name
        if (child := self._children.pop(name, None)) is not None:
            # Its exit code is written; the shell that wrote it is about to end.
            child.wait()
        if source.exists():
            shutil.rmtree(target, ignore_errors=True)
            source.rename(target)

    def publication(self) -> Publication | None:
        """A voice is published when `promote` returns."""
        return None

    def promote(self, voice: PromoteBest) -> None:
        """Publish a voice in `best/`."""
        promotion.publish(self._root, voice.purpose, voice.trial, voice.checkpoint, self._trainer)

    def stop_all(self, reason: str) -> None:
        """Ask every live group to checkpoint and end."""
        for job in self.jobs():
            if not job.phase.ended:
                self.stop_job(job.name, reason)

    def kill_all(self) -> None:
        """End every live group at once: the runner itself is told to leave."""
        for job in self.jobs():
            if not job.phase.ended:
                self.kill_job(job.name, "the runner was told to leave at once")
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        self._children.clear()

    def _spawn(self, name: str, files: AttemptFiles, command: Sequence[str]) -> None:
        environment = child_environment()
        environment["TACOTUNE_TERMINATION_LOG"] = str(files.termination)
        environment["PYTHONUNBUFFERED"] = "1"
        environment.setdefault("OMP_NUM_THREADS", str(self._threads))
        if self._storage_url is not None:
            environment["TACOTUNE_STORAGE_URL"] = self._storage_url
        child = subprocess.Popen(  # noqa: S603  our own trainer, arguments as a list
            ["/bin/sh", "-c", _SHELL, "tacotrain", *command],
            cwd=files.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._children[name] = child
        self._register(files, psutil.Process(child.pid))

    def _register(self, files: AttemptFiles, leader: psutil.Process) -> None:
        write_json(
            files.process, {"pid": leader.pid, "createTime": leader.create_time(), "oomKills": _oom_kills()}
        )

    def _reap(self) -> None:
        """Collect ended children, so that they do not stay as zombies."""
        for name, child in list(self._children.items()):
            if child.poll() is not None:
                del self._children[name]

    def _observe(self, files: AttemptFiles) -> ObservedJob | None:
        launch, process = read_json(files.launch), read_json(files.process)
        if launch is None or process is None:
            return None  # Killed in the middle of a start: create_job begins anew.
        purpose, trial = Purpose(launch["purpose"]), int(launch["trial"])
        leader = _leader(process)
        exit_code = files.exit_code()
        directory = self.directory(purpose, trial)
        if exit_code is None and leader is None:
            exit_code = files.exit_code()  # It may have been written between the two looks.
            if exit_code is None:
                exit_code = ExitCode.KILLED  # The whole group is gone and left no word.
        phase = JobPhase.RUNNING
        if exit_code is not None:
            phase = JobPhase.SUCCEEDED if exit_code == 0 else JobPhase.FAILED
        termination = Termination.model_validate(read_json(files.termination) or {})
        stopping = files.stopping.read_text() if files.stopping.exists() else ""
        reason = ""
        if phase is JobPhase.FAILED and exit_code == ExitCode.KILLED:
            out_of_memory = not stopping and _oom_kills() > int(process.get("oomKills", 0))
            reason = "OOMKilled" if out_of_memory else "Killed"
        progress = _parse_progress(directory / "progress.json") if purpose is not Purpose.PREPARE else None
        return ObservedJob(
            name=files.root.name,
            purpose=purpose,
            trial=trial,
            attempt=int(launch["attempt"]),
            phase=phase,
            exit_code=exit_code,
            reason=reason,
            message=(termination.message or files.last_line()) if phase is JobPhase.FAILED else "",
            result=_parse_result(directory / "result.json") if phase is JobPhase.SUCCEEDED else None,
            cuda_out_of_memory=termination.cuda_out_of_memory,
            created_at=_time(float(process["createTime"])),
            started_at=_time(float(process["createTime"])),
            ended_at=files.ended_at() if phase.ended else None,
            progress=progress
            if progress is not None and progress.attempt == int(launch["attempt"])
            else None,
            stopping=stopping,
            memory_bytes=_group_memory(leader) if leader is not None and not phase.ended else 0,
        )

    def _signal(self, files: AttemptFiles, number: signal.Signals) -> None:
        leader = _leader(read_json(files.process) or {})
        if leader is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader.pid, number)


def _leader(process: Mapping[str, object]) -> psutil.Process | None:
    """The group's shell, if it is still the same process and alive."""
    with contextlib.suppress(psutil.Error, KeyError):
        found = psutil.Process(int(str(process["pid"])))
        same = abs(found.create_time() - float(str(process["createTime"]))) < 1.0
        if same and found.status() != psutil.STATUS_ZOMBIE:
            return found
    return None


def _orphan(files: AttemptFiles) -> psutil.Process | None:
    """The group of an attempt whose runner was killed between starting it and noting it down."""
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        found = psutil.Process(int((files.root / "pid").read_text()))
        if Path(found.cwd()) == files.root.resolve():
            return found
    return None


def _group_memory(leader: psutil.Process) -> int:
    total = 0
    with contextlib.suppress(psutil.Error):
        for process in leader.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def _oom_kills() -> int:
    """How many processes of this cgroup the kernel has killed for want of memory."""
    for path in (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control")):
        with contextlib.suppress(OSError, ValueError):
            for line in path.read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value)
    return 0


def _parse_progress(path: Path) -> Progress | None:
    with contextlib.suppress(ValidationError):
        document = read_json(path)
        return Progress.model_validate(document) if document is not None else None
    return None


def _parse_result(path: Path) -> TrialResult | None:
    with contextlib.suppress(ValidationError, json.JSONDecodeError):
        document = read_json(path)
        return TrialResult.model_validate(document) if document is not None else None
    return None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
