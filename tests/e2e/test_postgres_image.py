"""The Postgres image of the tests, as the chart runs it: restricted, on a read-only root, its password from a Secret."""

from support.namespace import Namespace
from support.pods import Object, claim, job, pod, pod_spec, service

IMAGE = "tacotune/postgres:e2e"
USER = 999
PASSWORD = "one time"
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "postgres"},
    "stringData": {"password": PASSWORD},
}


def _server() -> Object:
    return pod_spec(
        image=IMAGE,
        user=USER,
        claims={"/var/lib/postgresql/data": "rows"},
        scratch=("/tmp", "/var/run/postgresql"),
        env=[
            {"name": "POSTGRES_USER", "value": "owner"},
            {"name": "POSTGRES_DB", "value": "optuna"},
            {
                "name": "POSTGRES_PASSWORD",
                "valueFrom": {"secretKeyRef": {"name": "postgres", "key": "password"}},
            },
        ],
        readinessProbe={"exec": {"command": ["pg_isready", "--host=127.0.0.1"]}, "periodSeconds": 1},
    )


def _client(statement: str, password: str = PASSWORD) -> Object:
    return pod_spec(
        *("psql", "--host=postgres", "--username=owner", "--no-psqlrc", "-At", "-c", statement, "optuna"),
        image=IMAGE,
        user=USER,
        env=[{"name": "PGPASSWORD", "value": password}],
    )


def test_rows_outlive_the_server_and_strangers_stay_out(namespace: Namespace) -> None:
    server = pod("postgres", _server(), app="postgres")
    namespace.apply(SECRET, claim("rows", "256Mi"), server, service("postgres", 5432, app="postgres"))
    namespace.wait("pod/postgres", "condition=Ready")
    namespace.apply(job("write", _client("CREATE TABLE trial AS SELECT 7 AS number")))
    namespace.wait("job/write", "condition=Complete")

    namespace.delete("pod/postgres")
    namespace.apply(server)
    namespace.wait("pod/postgres", "condition=Ready")
    namespace.apply(job("read", _client("SELECT number FROM trial")))
    namespace.apply(job("stranger", _client("SELECT 1", password="wrong")))
    namespace.wait("job/read", "condition=Complete")
    assert namespace.kubectl("logs", "job/read") == "7\n"
    namespace.wait("job/stranger", "condition=Failed")
    assert "password authentication failed" in namespace.kubectl("logs", "job/stranger")
