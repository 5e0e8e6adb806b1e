"""Annotating: what the table has then, and when nothing is written."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import ANNOTATIONS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.errors import InvalidInput, NotFound
from s3pipelines.core.sources.registry import delete_source
from s3pipelines.core.sql.object_pages import ObjectsRequest, list_objects
from s3pipelines.core.sql.selection import Selection
from tests.core.annotations.conftest import AddSource, Annotate, Rows

OWN = "FROM annotations SELECT * EXCLUDE (annotated_at) ORDER BY source, key"


def version(home: Catalog) -> int:
    return open_table(home, ANNOTATIONS).version()


@pytest.fixture(autouse=True)
def sources(add_source: AddSource) -> None:
    """Two sources; the second one has nothing to do with the first."""
    add_source("maps", "maps/a.tif", "maps/b.tif", "maps/c.tif")
    add_source("scans", "scans/1.tif")


def test_rows_are_joined_to_the_index_by_source_and_key(given: Annotate, rows: Rows):
    done = given("maps", 'file,title,shelf,page\na.tif,"Carte, ""x""",007,1\nb.tif,,010,2\n')

    assert (done.rows, done.written, done.matched.matched) == (2, True, 2)
    assert done.matched.objects_without_row == 1
    assert done.columns == {"title": "VARCHAR", "shelf": "VARCHAR", "page": "BIGINT"}
    joined = "SELECT key, title, shelf, page FROM objects JOIN annotations USING (source, key)"
    assert rows(f"{joined} ORDER BY key") == [
        {"key": "maps/a.tif", "title": 'Carte, "x"', "shelf": "007", "page": 1},
        {"key": "maps/b.tif", "title": None, "shelf": "010", "page": 2},
    ]


def test_a_source_without_annotations_is_an_empty_view(rows: Rows):
    assert rows("FROM annotations") == []
    assert [row["column_name"] for row in rows("DESCRIBE annotations")] == ANNOTATIONS.column_names


def test_the_same_file_again_writes_nothing(given: Annotate, home: Catalog):
    content = "file,title,year,when\na.tif,Ä,1890,2020-01-01T10:00:00Z\nb.tif,,,\n"
    given("maps", content)
    before = version(home)

    again = given("maps", content)

    assert not again.written
    assert version(home) == before


@pytest.mark.parametrize(
    "content",
    [
        "file,title\na.tif,other\nb.tif,y\n",
        "file,title\na.tif,x\n",
        "file,title\na.tif,x\nc.tif,y\n",
        "file,title\na.tif,x\nb.tif,\n",
        "file,title,more\na.tif,x,1\nb.tif,y,2\n",
        "file,other\na.tif,x\nb.tif,y\n",
    ],
)
def test_another_file_replaces_the_rows_of_its_source_alone(
    given: Annotate, rows: Rows, home: Catalog, content: str
):
    given("scans", "file,title\n1.tif,kept\n")
    given("maps", "file,title\na.tif,x\nb.tif,y\n")
    before = version(home)

    assert given("maps", content).written
    assert version(home) == before + 1
    keys = [f"maps/{line.partition(',')[0]}" for line in content.splitlines()[1:]]
    found = rows(OWN)
    assert [row["key"] for row in found] == [*keys, "scans/1.tif"]
    assert found[-1]["title"] == "kept"


def test_rows_without_an_object_are_kept_counted_and_written_out(
    given: Annotate, rows: Rows, tmp_path: Path, add_source: AddSource
):
    out = tmp_path / "out.csv"
    content = 'file,title\nz.tif,"1, 2"\na.tif,A\ny.tif,\n'

    done = given("maps", content, unmatched=out)

    assert (done.matched.matched, done.matched.unmatched) == (1, 2)
    assert done.matched.examples == ("z.tif", "y.tif")
    assert out.read_text() == 'file,title\nz.tif,"1, 2"\ny.tif,\n'
    add_source("maps", "maps/z.tif")
    joined = "SELECT key FROM objects JOIN annotations USING (source, key) ORDER BY key"
    assert [row["key"] for row in rows(joined)] == ["maps/a.tif", "maps/z.tif"]


def test_a_selection_may_ask_for_annotations(given: Annotate, home: Catalog):
    given("maps", "file,rights\na.tif,public domain\nb.tif,reserved\n")
    where = "key IN (SELECT key FROM annotations WHERE rights = 'public domain')"

    page = list_objects(home, "maps", ObjectsRequest(Selection(where=where)))

    assert [row["key"] for row in page.rows] == ["maps/a.tif"]


def test_a_selection_sees_columns_that_only_another_source_has(given: Annotate, home: Catalog):
    given("maps", "file,title\na.tif,x\n")
    given("scans", "file,year\n1.tif,1890\n")
    where = "key IN (SELECT key FROM annotations WHERE year IS NULL AND title = 'x')"

    assert list_objects(home, "maps", ObjectsRequest(Selection(where=where))).total == 1
    assert list_objects(home, "scans", ObjectsRequest(Selection(where=where))).total == 0


def test_odd_names_are_names_like_others(given: Annotate, rows: Rows):
    names = ["a b", "it's", "x,y;{}()", "back`tick", "Ä%20", "select", "c0", "number"]
    table = pa.table({"file": ["a.tif"], 'quo"te': ["v"], **{name: ["v"] for name in names}})

    given("maps", table)

    (row,) = rows(OWN)
    assert [row[name] for name in ['quo"te', *names]] == ["v"] * 9


def test_types_of_parquet_are_kept_or_widened(given: Annotate, rows: Rows):
    at = dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    table = pa.table(
        {
            "file": ["a.tif", "b.tif"],
            "small": pa.array([1, None], pa.int8()),
            "half": pa.array([0.5, None], pa.float32()),
            "huge": pa.array([2**63, None], pa.uint64()),
            "naive": pa.array([at.replace(tzinfo=None), None], pa.timestamp("ns")),
            "tags": [["x", "y"], None],
            "where": [{"lon e": 1.5}, None],
            "nothing": pa.array([None, None], pa.int32()),
        }
    )

    done = given("maps", table)

    row = rows(OWN)[0]
    assert (row["small"], row["half"], row["huge"]) == (1, 0.5, Decimal(2**63))
    assert (row["naive"], row["tags"], row["where"]) == (at, ["x", "y"], {"lon e": 1.5})
    assert done.columns["nothing"] == "VARCHAR"
    assert not given("maps", table).written


def test_a_column_has_one_type_in_all_sources(given: Annotate, rows: Rows):
    given("maps", "file,number,price,note\na.tif,x7,1.5,\n")

    with pytest.raises(InvalidInput, match=r"'number'.*BIGINT.*VARCHAR.*--text 'number'"):
        given("scans", "file,number\n1.tif,7\n")
    with pytest.raises(InvalidInput, match=r"'price'.*VARCHAR.*DOUBLE.*rename"):
        given("scans", "file,price\n1.tif,cheap\n")
    done = given("scans", "file,NUMBER,price\n1.tif,7,2\n", text=("NUMBER",))

    assert done.columns == {"number": "VARCHAR", "price": "DOUBLE"}
    assert [(row["number"], row["price"]) for row in rows(OWN)] == [("x7", 1.5), ("7", 2.0)]


def test_deleting_a_source_forgets_its_annotations(given: Annotate, rows: Rows, home: Catalog):
    given("maps", "file,title\na.tif,x\n")
    given("scans", "file,title\n1.tif,y\n")

    delete_source(home, "maps")

    assert [row["source"] for row in rows(OWN)] == ["scans"]
    with pytest.raises(NotFound):
        given("maps", "file,title\na.tif,x\n")


def test_who_is_overtaken_looks_again(given: Annotate, rows: Rows, monkeypatch: pytest.MonkeyPatch):
    given("scans", "file,title\n1.tif,y\n")
    real, turns = write_deltalake, []

    def overtaken(table: DeltaTable, *arguments: object, **options: object) -> None:
        turns.append(table.version())
        if len(turns) == 1:
            raise CommitFailedError("somebody was faster")
        real(table, *arguments, **options)  # pyright: ignore[reportArgumentType, reportCallIssue]

    monkeypatch.setattr("s3pipelines.core.annotations.annotate.write_deltalake", overtaken)

    assert given("maps", "file,title\na.tif,x\n").written
    assert len(turns) == 2
    assert [row["title"] for row in rows(OWN)] == ["x", "y"]
