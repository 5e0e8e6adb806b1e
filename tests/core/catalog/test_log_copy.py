"""A copied log: the same table as the one on S3, now and after each commit."""

from pathlib import Path

import pyarrow as pa
import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.key_ranges import files_of_version
from s3pipelines.core.catalog.log_copy import LogCopy
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.errors import InvalidInput
from tests.core.catalog.states import States


def assert_same(copy: LogCopy) -> None:
    table, real = copy.now(), open_table(copy.catalog, OBJECTS)
    assert table is not None
    assert table.version() == real.version()
    assert pa.schema(table.schema().to_arrow()) == pa.schema(real.schema().to_arrow())

    def files(handle) -> list[tuple[str, int]]:
        found = files_of_version(copy.catalog, OBJECTS, handle)
        return sorted((file.uri, file.rows) for some in found.values() for file in some)

    assert files(table) == files(real)


def test_a_table_that_does_not_exist_yet_is_none_until_it_does(s3_catalog: Catalog, tmp_path: Path):
    copy = LogCopy(s3_catalog, OBJECTS, tmp_path / "log")
    assert copy.now() is None
    assert copy.now() is None
    States(s3_catalog)
    assert_same(copy)


def test_it_follows_commits_checkpoints_and_removals_of_the_log(
    s3_catalog: Catalog, tmp_path: Path
):
    states = States(s3_catalog)
    old = LogCopy(s3_catalog, OBJECTS, tmp_path / "old")
    assert_same(old)
    for number in range(3):
        states.append(**{f"k{number}": "1"})
        assert_same(old)
    states.replace(k="2")
    open_table(s3_catalog, OBJECTS).create_checkpoint()
    assert_same(old)
    assert_same(LogCopy(s3_catalog, OBJECTS, tmp_path / "at the checkpoint"))
    states.append(l="1")
    states.append(m="1")
    assert_same(LogCopy(s3_catalog, OBJECTS, tmp_path / "after it"))

    # What an upkeep after `delta.logRetentionDuration` leaves: a checkpoint without its past.
    table = open_table(s3_catalog, OBJECTS)
    table.create_checkpoint()
    for version in range(table.version()):
        s3_catalog.documents.remove(f"tables/objects/_delta_log/{version:020}.json")
    assert_same(old)
    assert_same(LogCopy(s3_catalog, OBJECTS, tmp_path / "without commits"))
    states.append(n="1")
    assert_same(old)


def test_a_table_of_a_newer_release_is_refused(s3_catalog: Catalog, tmp_path: Path):
    States(s3_catalog)
    copy = LogCopy(s3_catalog, OBJECTS, tmp_path / "log")
    copy.now()
    open_table(s3_catalog, OBJECTS).alter.set_table_properties(
        {"s3pipelines.schemaVersion": "99"}, raise_if_not_exists=False
    )
    with pytest.raises(InvalidInput, match="schema version 99"):
        copy.now()
