"""What the roles `trial` and `reader` may do in Optuna's database, granted by its owner; `migration` is the only caller.

A trial runs code and reads data that the operator does not know. Optuna's CMA-ES sampler keeps its state as a pickle in the
trials' system attributes, and the operator unpickles it: whoever may write there runs code in the operator. So a trial may
read what its reporter reads, add and change intermediate values, and write one attribute: its progress. The attributes
beside it are the operator's memory of attempts and decisions; a row policy keeps them apart.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812  psycopg2 names its classes in lower case
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from tacotune.api.names import ATTRIBUTE_PROGRESS

READ_BY_TRIALS: Final = (
    "studies",
    "study_directions",
    "study_user_attributes",
    "trials",
    "trial_params",
    "trial_values",
    "trial_user_attributes",
    "trial_system_attributes",
    "trial_intermediate_values",
    "version_info",
    "alembic_version",
)
"""What Optuna reads to set a value and to load one trial; and, for the page beside the best voice, a study's attempts."""

COMMON: Final = (
    "REVOKE ALL ON DATABASE {database} FROM PUBLIC, {role}",
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {role}",
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {role}",
    "REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM PUBLIC, {role}",
)
TRIAL: Final = (
    *(f"GRANT SELECT ON {{schema}}.{table} TO {{role}}" for table in READ_BY_TRIALS),
    # Columns, not tables: a row cannot be moved to another trial or step.
    "GRANT INSERT (trial_id, step, intermediate_value, intermediate_value_type) ON {schema}.trial_intermediate_values TO {role}",
    "GRANT UPDATE (intermediate_value, intermediate_value_type) ON {schema}.trial_intermediate_values TO {role}",
    "GRANT INSERT (trial_id, key, value_json), UPDATE (value_json) ON {schema}.trial_user_attributes TO {role}",
    "GRANT USAGE ON SEQUENCE {schema}.trial_intermediate_values_trial_intermediate_value_id_seq TO {role}",
    "GRANT USAGE ON SEQUENCE {schema}.trial_user_attributes_trial_user_attribute_id_seq TO {role}",
)
READER: Final = (
    "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
    # Tables of a later Optuna are readable from the moment they are made.
    "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}",
)
POLICED: Final = "trial_user_attributes"
TRIAL_POLICIES: Final = {
    "tacotune_trial_reads": "FOR SELECT TO {role} USING (true)",
    "tacotune_trial_adds_progress": "FOR INSERT TO {role} WITH CHECK (key = {progress})",
    "tacotune_trial_changes_progress": "FOR UPDATE TO {role} USING (key = {progress})",
}
READER_POLICIES: Final = {"tacotune_reader_reads": "FOR SELECT TO {role} USING (true)"}

_SNAPSHOT = """
SELECT 'database', datname, '', unnest(datacl)::text FROM pg_database WHERE datname = current_database()
UNION ALL SELECT 'schema', nspname, '', unnest(nspacl)::text FROM pg_namespace WHERE nspname = current_schema()
UNION ALL SELECT 'relation', relname, '', unnest(relacl)::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace
UNION ALL SELECT 'column', attrelid::regclass::text, attname, unnest(attacl)::text
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = current_schema()::regnamespace
UNION ALL SELECT 'default', defaclobjtype::text, '', unnest(defaclacl)::text FROM pg_default_acl
UNION ALL SELECT 'policy', policyname, cmd, concat_ws(' ', roles, qual, with_check) FROM pg_policies
ORDER BY 1, 2, 3, 4
"""


def ensure_grants(connection: Connection, database: str, trial: str, reader: str | None) -> bool:
    """Give both roles exactly these rights and take away all others, in one transaction; tells whether anything changed.

    Args:
        connection: To Optuna's database, as its owner.
        database: Its name.
        trial: Role of the trials.
        reader: Role of dashboards; None when there is none.
    """
    with connection, connection.cursor() as cursor:
        before = _snapshot(cursor)
        cursor.execute("SELECT current_schema()")
        (schema,) = cursor.fetchone() or ("public",)
        names = {"database": sql.Identifier(database), "schema": sql.Identifier(schema)}
        _grant(cursor, COMMON + TRIAL, names | {"role": sql.Identifier(trial)})
        _protect(cursor, schema)
        _police(cursor, TRIAL_POLICIES, schema, trial)
        if reader is not None:
            _grant(cursor, COMMON + READER, names | {"role": sql.Identifier(reader)})
            _police(cursor, READER_POLICIES, schema, reader)
        return _snapshot(cursor) != before


def _snapshot(cursor: Cursor) -> list[tuple[Any, ...]]:
    cursor.execute(_SNAPSHOT)
    return cursor.fetchall()


def _grant(cursor: Cursor, statements: Sequence[str], names: Mapping[str, sql.Identifier]) -> None:
    for statement in statements:
        cursor.execute(sql.SQL(statement).format(**names))


# Both of these lock the table for a moment, against running trials: not without need.


def _protect(cursor: Cursor, schema: str) -> None:
    table = sql.Identifier(schema, POLICED)
    cursor.execute("SELECT relrowsecurity FROM pg_class WHERE oid = %s::regclass", (table.as_string(cursor),))
    if cursor.fetchone() != (True,):
        cursor.execute(sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(table))


def _police(cursor: Cursor, policies: Mapping[str, str], schema: str, role: str) -> None:
    for name, rule in policies.items():
        cursor.execute(
            "SELECT roles::text[] FROM pg_policies WHERE schemaname = %s AND tablename = %s AND policyname = %s",
            (schema, POLICED, name),
        )
        found = cursor.fetchone()
        if found == ([role],):
            continue
        words = {
            "policy": sql.Identifier(name),
            "table": sql.Identifier(schema, POLICED),
            "role": sql.Identifier(role),
            "progress": sql.Literal(ATTRIBUTE_PROGRESS),
        }
        if found is not None:
            cursor.execute(sql.SQL("DROP POLICY {policy} ON {table}").format(**words))
        cursor.execute(sql.SQL(f"CREATE POLICY {{policy}} ON {{table}} {rule}").format(**words))
