"""A study's rows for somebody who may only read: nothing is made, nothing is written, no tables are missed quietly."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.storages import RDBStorage
from sqlalchemy.pool import NullPool

from tacotune.adapters import attributes
from tacotune.adapters.database_route import reachable
from tacotune.adapters.dsn import check_dsn
from tacotune.adapters.kube_api import Forbidden, KubeApi, collection
from tacotune.adapters.kube_user import User
from tacotune.adapters.search import SearchSpace
from tacotune.adapters.storage_errors import translated
from tacotune.adapters.trial_view import observe
from tacotune.api.study import TTSStudy
from tacotune.api.study_key import StudyKey
from tacotune.engine.observed import ObservedTrial
from tacotune.ports import Missing, PermanentError, StudyRecord

CONNECT_SECONDS = 5
KEY = "uri"


@dataclass(frozen=True, slots=True)
class Reading:
    """Where somebody reads from."""

    storage: str = ""
    """URL; empty: the one in a Secret."""
    namespaces: Sequence[str] = ()
    """Where the operator's release may be."""
    secret: str = ""
    """Its Secret with the reader's URL."""


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """What is stored of a study; nothing before the operator has begun it."""

    record: StudyRecord
    trials: Sequence[ObservedTrial] = ()


def stored_study(user: User, study: TTSStudy, reading: Reading) -> StoredStudy:
    """Read a study's rows.

    Raises:
        Forbidden: The person may not read the Secret with the URL.
        Missing: There is no such Secret.
        ClusterUnavailable: The way to the database is closed.
        StorageUnavailable: The database does not answer.
        PermanentError: It refuses.
    """
    if reading.storage:
        return read_rows(check_dsn(reading.storage), study)
    dsn, namespace = _secret_url(user.api, study, reading)
    with reachable(dsn, namespace, user.flags) as near:
        return read_rows(near, study)


def read_rows(dsn: str, study: TTSStudy) -> StoredStudy:
    """Read a study's rows from a database that this machine reaches."""
    # Optuna prints a line otherwise.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    connect = {"connect_timeout": CONNECT_SECONDS, "application_name": "kubectl-tacotune"}
    metadata, spec = study.metadata, study.spec
    with translated():
        try:
            storage = RDBStorage(
                dsn,
                engine_kwargs={"poolclass": NullPool, "connect_args": connect},
                # A reader could not, and whoever could must not: it may be the wrong database.
                skip_table_creation=True,
            )
        except RuntimeError as error:
            raise PermanentError(
                f"the database belongs to another version of Optuna than this tacotune: {error}"
            ) from error
        try:
            key = StudyKey(metadata.namespace, metadata.name, metadata.uid)
            study_id = storage.get_study_id_from_name(key.storage_name)
        except KeyError:
            return StoredStudy(StudyRecord())
        record = attributes.read_record(storage.get_study_user_attrs(study_id))
        trials = storage.get_all_trials(study_id, deepcopy=False)
    space = SearchSpace(spec.search_space)
    minimize = spec.all_objectives[0].direction == "Minimize"
    return StoredStudy(record, [observe(trial, space, minimize=minimize) for trial in trials])


def _secret_url(api: KubeApi, study: TTSStudy, reading: Reading) -> tuple[str, str]:
    """The URL, and the namespace of the pods that it is made for."""
    if study.spec.storage is not None:
        reference, namespace = study.spec.storage.secret_ref, study.metadata.namespace
        found = _secret(api, namespace, reference.name, reference.key)
        if isinstance(found, str):
            return check_dsn(found, f"Secret {reference.name}"), namespace
        raise _closed(found, f"Secret {reference.name} (spec.storage.secretRef)", [namespace], reference.key)
    refused: Forbidden | None = None
    for namespace in reading.namespaces:
        found = _secret(api, namespace, reading.secret, KEY)
        if isinstance(found, str):
            return check_dsn(found, f"Secret {reading.secret}"), namespace
        refused = refused or found
    raise _closed(refused, f"Secret {reading.secret}", reading.namespaces, KEY)


def _secret(api: KubeApi, namespace: str, name: str, key: str) -> str | Forbidden | None:
    """What a Secret has under a key; None when it is not there."""
    try:
        secret = api.get(f"{collection(namespace, 'secrets')}/{name}")
        return None if secret is None else base64.b64decode(secret["data"][key]).decode()
    except Forbidden as error:
        return error
    except (KeyError, TypeError, ValueError):
        return None


def _closed(refused: Forbidden | None, what: str, namespaces: Sequence[str], key: str) -> Exception:
    where = f"{what} in namespace {' or '.join(namespaces)}"
    if refused is not None:
        return Forbidden(
            f"you may not read {where}, which has the database's URL: an administrator can name you in the chart's "
            "rbac.readers; or give --storage URL"
        )
    return Missing(
        f"there is no {where} with the database's URL under the key {key}: --operator-namespace and --reader-secret say "
        "where it is; or give --storage URL"
    )
