"""`s3pipelines sql`: a statement from the command line or a pipe."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from deltalake import write_deltalake

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.sql import sql
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.errors import InvalidInput
from s3pipelines.settings import Settings

Ask = Callable[..., Result]
KEYS = ["maps/[bold]a[/bold].tif", "maps/b\nc\x1b[31m.tif", "maps/d.png"]


@pytest.fixture
def filled(catalog: Catalog) -> Catalog:
    ensure_table(catalog, OBJECTS)
    now = datetime(2024, 5, 1, tzinfo=UTC)
    rows = [
        {
            "source": "maps",
            "bucket": "b",
            "key": key,
            "size_bytes": len(key),
            "etag": "e",
            "last_modified": now,
            "storage_class": "STANDARD",
            "extension": key.rpartition(".")[2],
            "indexed_at": now,
        }
        for key in KEYS
    ]
    write_deltalake(
        catalog.table_uri("objects"),
        pa.Table.from_pylist(rows, OBJECTS.arrow),
        mode="append",
        storage_options=catalog.delta_options(),
    )
    return catalog


def asking(catalog: Catalog) -> Ask:
    context = CliContext(Settings(catalog=catalog.location.uri))  # pyright: ignore[reportCallIssue]

    def ask(*arguments: str, **options: object) -> Result:
        return CliRunner().invoke(sql, arguments, obj=context, **options)  # pyright: ignore[reportArgumentType]

    return ask


@pytest.fixture
def ask(filled: Catalog) -> Ask:
    """Run the command over a catalog with three objects, once local and once on S3."""
    return asking(filled)


@pytest.fixture
def ask_nothing(local_catalog: Catalog) -> Ask:
    """Run the command over an empty catalog."""
    return asking(local_catalog)


def test_a_table_shows_the_rows_and_their_number(ask: Ask) -> None:
    shown = ask("SELECT source, count(*) AS objects FROM objects GROUP BY ALL").stdout.split()
    assert shown[0:2] == ["source", "objects"]
    assert shown[-4:] == ["maps", "3", "1", "row"]


def test_keys_cannot_write_to_the_terminal(ask: Ask) -> None:
    shown = ask("SELECT key FROM objects ORDER BY key").stdout
    assert "maps/[bold]a[/bold].tif" in shown
    assert r"maps/b\nc\x1b[31m.tif" in shown
    assert "\x1b" not in shown


def test_null_differs_from_an_empty_text(ask_nothing: Ask) -> None:
    shown = ask_nothing("SELECT NULL AS a, '' AS b, 'c' AS c").stdout.split()
    assert shown == ["a", "b", "c", "─" * len(shown[3]), "NULL", "c", "1", "row"]


def test_a_long_table_is_cut_and_says_so(ask_nothing: Ask) -> None:
    shown = ask_nothing("FROM range(1000000)", "--max-rows", "3").stdout
    assert "The first 3 rows; there are more" in shown
    assert len(shown.splitlines()) < 10


def test_a_long_value_is_cropped(ask_nothing: Ask) -> None:
    shown = ask_nothing("SELECT repeat('x', 1000000) AS x").stdout
    assert "x…" in shown
    assert len(shown) < 2_000


def test_the_plan_of_a_query_is_printed_whole(ask: Ask) -> None:
    shown = ask("EXPLAIN ANALYZE SELECT count(*) FROM objects").stdout
    assert "Total Time" in shown
    assert "explain_value" not in shown


def test_csv_goes_to_standard_output(ask: Ask) -> None:
    shown = ask("SELECT key, version_id FROM objects ORDER BY key", "--format", "csv").stdout_bytes
    rows = list(csv.reader(io.StringIO(shown.decode(), newline="")))
    assert rows == [["key", "version_id"], *([key, ""] for key in sorted(KEYS))]


@pytest.mark.parametrize("option", [["--json"], ["--format", "json"]])
def test_json_goes_to_standard_output(ask: Ask, option: list[str]) -> None:
    rows = json.loads(ask("FROM objects ORDER BY key LIMIT 1", *option).stdout_bytes)
    assert rows[0]["last_modified"] == "2024-05-01T00:00:00Z"
    assert list(rows[0]) == OBJECTS.column_names


def test_parquet_goes_through_a_pipe(ask: Ask) -> None:
    found = ask("FROM objects", "--format", "parquet").stdout_bytes
    assert pq.read_table(io.BytesIO(found)).num_rows == 3


def test_the_ending_of_the_output_says_the_format(ask: Ask, tmp_path: Path) -> None:
    for name in ("x.csv", "x.json", "x.PARQUET"):
        assert ask("FROM objects", "--output", str(tmp_path / name)).exit_code == 0
    assert (tmp_path / "x.csv").read_text().startswith('"source",')
    assert len(json.loads((tmp_path / "x.json").read_text())) == 3
    assert pq.read_table(tmp_path / "x.PARQUET").num_rows == 3
    assert ask("FROM objects", "--format", "table", "--output", str(tmp_path / "x")).exit_code == 0
    assert "3 rows" in (tmp_path / "x").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("SELECT 1", "--output", "x.txt"),
        ("SELECT 1", "--json", "--format", "csv"),
        ("SELECT 1", "--format", "xml"),
        ("SELECT 1", "--max-rows", "0"),
    ],
)
def test_wrong_options_are_refused(ask_nothing: Ask, arguments: tuple[str, ...]) -> None:
    assert ask_nothing(*arguments).exit_code == 2


def test_parquet_is_refused_on_a_terminal(
    ask_nothing: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    refused = ask_nothing("SELECT 1", "--format", "parquet")
    assert refused.exit_code == 2
    assert "not for a terminal" in refused.output


def test_a_failure_leaves_no_file(ask_nothing: Ask, tmp_path: Path) -> None:
    for statement in ("COPY objects TO 'x'", "SELECT error('late') FROM range(1000000)"):
        failed = ask_nothing(statement, "--output", str(tmp_path / "x.csv"))
        assert isinstance(failed.exception, InvalidInput)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_statement_may_come_from_standard_input(ask: Ask) -> None:
    for arguments in ((), ("-",)):
        shown = ask(*arguments, "--json", input="SELECT count(*) AS n\nFROM objects;\n")
        assert json.loads(shown.stdout_bytes) == [{"n": 3}]


def test_an_empty_standard_input_is_no_statement(ask_nothing: Ask) -> None:
    assert "There is no statement" in str(ask_nothing(input="").exception)


def test_a_mistake_is_an_error_of_ours_and_no_traceback(ask: Ask) -> None:
    error = ask("SELECT sze FROM objects").exception
    assert isinstance(error, InvalidInput)
    assert "size_bytes" in error.message


def command_line(catalog: Path, statement: str, *options: str) -> subprocess.Popen[bytes]:
    program = f"from s3pipelines.cli import main; main({['sql', statement, *options]!r})"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "S3PIPELINES_CATALOG": str(catalog)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "table"])
def test_a_reader_that_has_enough_ends_the_command_in_silence(tmp_path: Path, kind: str) -> None:
    statement = "SELECT i, md5(i::TEXT) FROM range(100000000) t(i)"
    process = command_line(tmp_path, statement, "--format", kind, "--max-rows", "5000")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(100)
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""


def test_ctrl_c_ends_the_command_at_once(tmp_path: Path) -> None:
    endless = "SELECT count(*) FROM range(1000000000000) t(i) WHERE md5(i::TEXT) = 'x'"
    output = tmp_path / "x.csv"
    process = command_line(tmp_path, endless, "--output", str(output))
    try:
        while not list(tmp_path.glob(".s3pipelines-*.part")):
            time.sleep(0.1)
            assert process.poll() is None
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_without_a_statement_a_terminal_gets_the_prompt(
    ask_nothing: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    prompted: list[int] = []
    monkeypatch.setattr(
        "s3pipelines.cli.sql_prompt.run_prompt",
        lambda open_session, history, max_rows: prompted.append(max_rows),
    )
    assert ask_nothing().exit_code == 0
    assert prompted == [40]
    assert ask_nothing("--json").exit_code == 2
