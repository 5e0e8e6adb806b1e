"""What passes the gate and what does not, judged on the statement alone."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.gate import check_read_only
from tests.examples import examples

READS = """
SELECT * FROM objects
FROM objects
FROM main.objects
FROM memory.main.objects
TABLE objects
VALUES (1), (2)
SELECT 1 -- with a comment
SELECT 1;
(SELECT 1)
WITH big AS (FROM objects WHERE size_bytes > 5) SELECT count(*) FROM big
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) FROM n
WITH a AS MATERIALIZED (SELECT 1) SELECT * FROM a, (WITH b AS (FROM a) FROM b)
SELECT row_number() OVER (PARTITION BY source ORDER BY key) FROM objects QUALIFY 1 = 1
SELECT count(*) FILTER (WHERE size_bytes > 1), sum(size_bytes ORDER BY key) FROM objects
SELECT * EXCLUDE (etag) REPLACE (upper(key) AS key) FROM objects ORDER BY ALL LIMIT 10% OFFSET 1
SELECT COLUMNS('k.*'), [x * 2 for x in [1, 2]], list_transform([1], lambda x: x + 1) FROM objects
SELECT {'a': 1}.a, MAP {'a': 1}, CASE WHEN true THEN 1 END, ifnull(NULL, 1), TRY_CAST('a' AS INT)
SELECT key LIKE 'a%', key ~ 'a.*', key ILIKE 'b' ESCAPE '!', key GLOB '*.tif', key[1:2] FROM objects
SELECT DATE '2024-01-01' + INTERVAL 1 DAY, last_modified AT TIME ZONE 'UTC' FROM objects
SELECT EXISTS (FROM objects), 1 IN (SELECT 1), 1 = ANY (SELECT 1), (SELECT max(key) FROM objects)
SELECT '{"a": 1}'->>'$.a', json_extract('{}', '$')
SELECT 1 UNION BY NAME SELECT 2 INTERSECT SELECT 3
SELECT extension FROM objects GROUP BY GROUPING SETS ((extension), ())
FROM objects a ASOF JOIN objects b ON a.key = b.key AND a.last_modified >= b.last_modified
FROM objects USING SAMPLE 10%
FROM objects, unnest([1, 2]) t(i), range(3), generate_series(1, 2), json_each('[1]')
PIVOT objects ON extension IN ('tif', 'png') USING count(*)
SELECT * FROM (PIVOT objects ON extension IN ('tif') USING count(*))
UNPIVOT objects ON size_bytes
DESCRIBE objects
DESCRIBE SELECT 1
SUMMARIZE objects
SHOW TABLES
SHOW ALL TABLES
FROM (DESCRIBE objects)
FROM information_schema.columns
EXPLAIN SELECT 1
explain analyze FROM objects
EXPLAIN (ANALYZE, FORMAT json) FROM objects
SELECT 1e999, 'it''s', $$dollar$$, "key" FROM objects
""".strip().splitlines()

REFUSED = """
COPY objects TO 'x.csv'
COPY (FROM objects) TO 'x.csv'
EXPLAIN ANALYZE COPY objects TO 'x.csv'
EXPLAIN (ANALYZE) COPY objects TO 'x.csv'
EXPLAIN EXPLAIN ANALYZE COPY objects TO 'x.csv'
/* /* */ EXPLAIN SELECT 1 --*/ EXPLAIN ANALYZE COPY objects TO 'x.csv'
EXPORT DATABASE 'x'
IMPORT DATABASE 'x'
ATTACH 'x.db'
DETACH memory
USE memory
INSTALL spatial
LOAD spatial
UPDATE EXTENSIONS
SET threads = 1
SET VARIABLE x = 1
RESET threads
PRAGMA database_list
PRAGMA memory_limit = '1GB'
CALL enable_logging()
CALL range(3)
CREATE TABLE t AS SELECT 1
CREATE OR REPLACE VIEW objects AS SELECT 1
CREATE MACRO f(x) AS x
CREATE SECRET s (TYPE s3)
DROP VIEW objects
DROP SECRET catalog
INSERT INTO objects VALUES (1)
UPDATE objects SET key = ''
DELETE FROM objects
MERGE INTO objects USING objects ON true WHEN MATCHED THEN DELETE
WITH x AS (FROM objects) INSERT INTO objects FROM x
TRUNCATE objects
ALTER TABLE objects ADD COLUMN x INT
COMMENT ON VIEW objects IS 'x'
VACUUM
CHECKPOINT
BEGIN
PREPARE p AS SELECT 1
EXECUTE p
SELECT 1; COPY objects TO 'x.csv'
SELECT 1; SELECT 2
SHOW VARIABLES
PIVOT objects ON extension USING count(*)
FROM 'x.csv'
FROM 'x.parquet'
FROM "/etc/passwd"
FROM x.csv
FROM information_schema."x.csv"
FROM main."x.csv"
DESCRIBE 'x.csv'
SUMMARIZE "x.parquet"
WITH t AS (FROM 'x.csv') FROM t
WITH "x.csv" AS (SELECT 1) FROM "x.csv"
FROM (WITH csv AS (SELECT 1) FROM csv), x.csv
FROM (WITH pg_settings AS (SELECT 1) FROM pg_settings), pg_settings
FROM pg_settings
FROM pg_catalog.pg_settings
FROM duckdb_settings
FROM sqlite_master
FROM duckdb_settings()
FROM duckdb_secrets()
FROM duckdb_logs()
FROM which_secret('s3://x', 's3')
FROM query('SELECT 1')
FROM query_table('objects')
FROM histogram('x.csv', key)
FROM read_csv('x')
FROM read_text('/etc/passwd')
FROM read_blob('/etc/passwd')
FROM READ_PARQUET('x')
FROM system.main.read_text('/etc/passwd')
FROM parquet_scan('x')
FROM parquet_metadata('x')
FROM sniff_csv('x')
FROM glob('*')
FROM delta_scan('x')
FROM json_execute_serialized_sql('{}')
FROM range((SELECT count(*) FROM read_text('/etc/passwd')))
SELECT getenv('HOME')
SELECT current_setting('temp_directory')
SELECT getvariable('x')
SELECT write_blob('/tmp/x', 'a'::BLOB)
SELECT main.write_blob('/tmp/x', 'a'::BLOB)
SELECT "WRITE_BLOB"('/tmp/x', 'a'::BLOB)
SELECT write_log('x')
SELECT json_serialize_plan('FROM objects')
SELECT list_transform(['/tmp/x'], lambda p: write_blob(p, 'a'::BLOB))
SELECT * REPLACE (write_blob(key, 'a'::BLOB) AS key) FROM objects
SELECT count(*) FILTER (WHERE write_blob('/tmp/x', 'a'::BLOB)) FROM objects
SELECT 1 LIMIT (SELECT count(*) FROM glob('*'))
SELECT 1 ORDER BY (SELECT write_blob('/tmp/x', 'a'::BLOB))
SELECT sum(1) OVER (ORDER BY write_blob('/tmp/x', 'a'::BLOB))
SELECT write_blob('/tmp/x', 'a'::BLOB) OVER ()
FROM objects AT (VERSION => write_blob('/tmp/x', 'a'::BLOB))
FROM objects JOIN objects b ON write_blob('/tmp/x', 'a'::BLOB)
SELECT CASE WHEN true THEN write_blob('/tmp/x', 'a'::BLOB) END
SELECT write_blob('/tmp/x', 'a'::BLOB)::INT
VALUES (write_blob('/tmp/x', 'a'::BLOB))
PIVOT objects ON extension IN ('a') USING sum(write_blob('/tmp/x', 'a'::BLOB))
""".strip().splitlines()


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE objects (source TEXT, key TEXT, size_bytes BIGINT, etag TEXT, "
            "extension TEXT, last_modified TIMESTAMPTZ)"
        )
        connection.execute("INSERT INTO objects VALUES ('s', 'a.tif', 1, 'e', 'tif', now())")
        yield connection


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, where relative paths would be written."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(connection: duckdb.DuckDBPyConnection, statement: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        check_read_only(connection, statement)
    return refused.value


@pytest.mark.parametrize("statement", READS)
def test_a_statement_that_only_reads_passes_and_runs(
    connection: duckdb.DuckDBPyConnection, statement: str
) -> None:
    check_read_only(connection, statement)
    connection.execute(statement).fetchall()


@pytest.mark.parametrize("statement", REFUSED)
def test_a_statement_that_could_do_more_is_refused_in_one_line(
    connection: duckdb.DuckDBPyConnection, statement: str
) -> None:
    assert "\n" not in str(refusal(connection, statement))


@pytest.mark.parametrize("statement", ["", " ", ";", "-- nothing", "EXPLAIN"])
def test_nothing_is_no_statement(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    assert refusal(connection, statement).message == "There is no statement."


@pytest.mark.parametrize(
    ("statement", "meant"),
    [
        ("FROM object", "Did you mean objects?"),
        ("SELECT lenght('a')", "Did you mean length()?"),
        ("COPY objects TO 'x'", "COPY is refused."),
        ("PIVOT objects ON extension USING count(*)", "IN ('jpg', 'png')"),
        ("SELECT 1; SELECT 2", "These are 2 statements."),
        ("FRM objects", 'syntax error at or near "FRM"'),
        ("SELECT '", "unterminated quoted string"),
    ],
)
def test_a_refusal_says_how_to_go_on(
    connection: duckdb.DuckDBPyConnection, statement: str, meant: str
) -> None:
    assert meant in str(refusal(connection, statement))


@pytest.mark.parametrize("statement", ["SELECT '\udcff'", "SELECT 1\0; COPY objects TO 'x'"])
def test_what_is_not_text_is_refused(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    assert refusal(connection, statement).message == "The statement is not text."


@pytest.mark.parametrize(
    "statement",
    ["SELECT " + "abs(" * 500 + "1" + ")" * 500, "SELECT " + "NOT " * 100_000 + "true"],
)
def test_a_statement_nested_without_end_is_refused_without_a_crash(
    connection: duckdb.DuckDBPyConnection, statement: str
) -> None:
    refusal(connection, statement)


def test_a_long_list_of_keys_passes(connection: duckdb.DuckDBPyConnection) -> None:
    keys = ", ".join(f"'{number}.tif'" for number in range(20_000))
    check_read_only(connection, f"FROM objects WHERE key IN ({keys})")


WORDS = """
    SELECT FROM objects WITH AS ( ) ; , * 1 'x.csv' "x.csv" x.csv COPY TO EXPLAIN ANALYZE /* */ --
    EXPORT DATABASE INSERT INTO VALUES write_blob read_text glob SET PRAGMA CALL ATTACH a t
    count(*) WHERE = UNION ALL DESCRIBE SHOW TABLES
"""
STATEMENTS = st.lists(st.sampled_from([*WORDS.split(), "\n"]), max_size=12).map(" ".join)


@examples(400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statement=STATEMENTS | st.text(max_size=40))
def test_whatever_passes_is_one_select_and_writes_nothing(
    connection: duckdb.DuckDBPyConnection,
    empty_folder: Path,
    statement: str,
) -> None:
    try:
        check_read_only(connection, statement)
    except InvalidInput:
        return
    (parsed,) = duckdb.extract_statements(statement)
    assert parsed.type in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
    with suppress(duckdb.Error):
        connection.execute(statement).fetchall()
    assert list(empty_folder.iterdir()) == []


@examples(200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
def test_any_text_goes_through_a_literal_unchanged(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    literal = text.replace("'", "''")
    statement = f"SELECT k FROM (VALUES ('{literal}'), ('other')) t(k) WHERE k = '{literal}'"
    check_read_only(connection, statement)
    assert (text,) in connection.execute(statement).fetchall()
