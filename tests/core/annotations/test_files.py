"""Files of people: what is taken for what, and what is refused."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from s3pipelines.core.annotations.csv_columns import types_of_texts
from s3pipelines.core.annotations.files import check_names, load
from s3pipelines.core.errors import InvalidInput
from tests.examples import examples


def loaded(path: Path, content: bytes, key_column: str = "file", **options):
    path.write_bytes(content)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = load(connection, path, key_column, **options)
        return found, connection.execute("FROM given ORDER BY number").fetchall()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-20", None], "BIGINT"),
        (["007", "1"], "VARCHAR"),
        (["+1"], "VARCHAR"),
        (["-0"], "VARCHAR"),
        (["9" * 19], "VARCHAR"),
        (["1.5", "2", "-0.25"], "DOUBLE"),
        (["1.50"], "VARCHAR"),
        (["01.5"], "VARCHAR"),
        (["12e5"], "VARCHAR"),
        (["nan"], "VARCHAR"),
        (["true", "false"], "BOOLEAN"),
        (["t", "f"], "VARCHAR"),
        (["1890-01-31"], "DATE"),
        (["31/01/1890", "1890-01-31"], "VARCHAR"),
        (["1890-02-30"], "VARCHAR"),
        (["2020-01-01T10:00:00Z", "2020-01-01 10:00:00.5+01:00"], "TIMESTAMPTZ"),
        (["1", "x"], "VARCHAR"),
        ([" 1"], "VARCHAR"),
        ([None], None),
    ],
)
def test_a_type_is_taken_only_if_every_value_comes_back(values: list[str | None], expected):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("texts", pa.table({"c0": pa.array(values, pa.string())}))
        assert types_of_texts(connection, "texts", ["c0"]) == {"c0": expected}


_DIGITS = st.text(st.sampled_from("0123456789+-.e "), min_size=1, max_size=22)


@examples(100)
@for_all(st.lists(_DIGITS, min_size=1, max_size=3))
def test_no_number_loses_how_it_was_written(values: list[str]):
    with duckdb.connect() as connection:
        connection.register("texts", pa.table({"c0": pa.array(values)}))
        kind = types_of_texts(connection, "texts", ["c0"])["c0"]
        back = connection.execute(f"SELECT CAST(CAST(c0 AS {kind}) AS VARCHAR) FROM texts")
        found = [value for (value,) in back.fetchall()]
    for before, after in zip(values, found, strict=True):
        # An integer among numbers with a fraction.
        assert after == before or (kind == "DOUBLE" and after == f"{before}.0")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_way_a_csv_file_is_written_is_found_out(tmp_path: Path, delimiter: str, end: str):
    lines = [["file", "title", "no"], ["a.tif", '"two\nlines"', "1"], ["b.tif", '""', "2"]]
    text = "\ufeff" + "".join(delimiter.join(line) + end for line in lines)

    found, rows = loaded(tmp_path / "x.csv", text.encode())

    assert [(column.name, column.type) for column in found.columns] == [
        ("title", "VARCHAR"),
        ("no", "BIGINT"),
    ]
    assert rows == [(1, "a.tif", "two\nlines", 1), (2, "b.tif", None, 2)]


def test_all_rows_tell_the_type_not_the_first_ones(tmp_path: Path):
    lines = ["file,no", *(f"{number},{number}" for number in range(30_000)), "x,7a"]

    found, _ = loaded(tmp_path / "x.csv", "\n".join(lines).encode())

    assert found.columns[0].type == "VARCHAR"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"file,title\na.tif,\xff\xfe\n", "cannot be read"),
        (b"", "cannot be read|no row|no column"),
        (b"file,title\n", "no row"),
        (b"name,title\na.tif,x\n", "has no column 'file'"),
        (b"File,title\na.tif,x\n", "Did you mean 'File'"),
        (b"file,key\na.tif,x\n", "'key' of its own"),
        (b"file,Source\na.tif,x\n", "'source' of its own"),
        (b"file,title,Title\na.tif,x,y\n", "more than one column 'title'"),
        (b"file,title,\na.tif,x,y\n", "Column 3 of the file has no name"),
        (b"file,title\na.tif,x\n,y\nb.tif,z\n,z\n", r"2 rows have no key in 'file': 2, 4"),
        (b"file,title\na.tif,x\nb.tif,y,z,1\nc.tif,x\n", "cannot be read|no column"),
    ],
)
def test_a_file_that_will_not_do_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, words: str
):
    with pytest.raises(InvalidInput, match=words):
        loaded(tmp_path / "x.csv", content)


def test_a_file_that_is_not_there_or_not_parquet_is_refused(tmp_path: Path):
    with duckdb.connect() as connection:
        with pytest.raises(InvalidInput, match="There is no file"):
            load(connection, tmp_path / "none.csv", "file")
        with pytest.raises(InvalidInput, match="cannot be read"):
            loaded(tmp_path / "x.parquet", b"PAR1 or not")


def test_parquet_names_that_differ_by_case_and_keys_that_are_no_text_are_refused(tmp_path: Path):
    for table, words in (
        (pa.table({"file": ["a"], "Rights": ["x"], "rights": ["y"]}), "more than one column"),
        (pa.table({"file": [1]}), "holds no texts"),
    ):
        pq.write_table(table, tmp_path / "x.parquet")
        with duckdb.connect() as connection, pytest.raises(InvalidInput, match=words):
            load(connection, tmp_path / "x.parquet", "file")


def test_a_column_that_is_kept_as_text_must_be_there(tmp_path: Path):
    found, rows = loaded(tmp_path / "x.csv", b"file,no\na,1\n", text=("no",))
    assert (found.columns[0].type, rows[0][2]) == ("VARCHAR", "1")
    with pytest.raises(InvalidInput, match="Did you mean 'no'"):
        loaded(tmp_path / "x.csv", b"file,no\na,1\n", text=("nos",))


@for_all(st.lists(st.text(min_size=1, max_size=5), max_size=5))
def test_names_pass_only_if_sql_can_tell_them_apart(names: list[str]):
    lower = [name.lower() for name in ("file", *names)]
    fine = (
        len(set(lower)) == len(lower)
        and not {"source", "key", "annotated_at"} & set(lower)
        and all(name.strip() and "\0" not in name for name in names)
    )
    try:
        check_names(("file", *names), "file")
    except InvalidInput:
        assert not fine
    else:
        assert fine
