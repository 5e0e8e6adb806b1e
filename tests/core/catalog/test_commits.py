"""Commits as the log has them: whose rows they changed, when, and how."""

import json
from datetime import UTC, datetime, timedelta

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.commits import CommitLog, FilesChanged, commit_of_text
from s3pipelines.core.catalog.schemas import OBJECTS, OBJECTS_TAIL
from tests.core.catalog.states import States
from tests.servers import on_every_catalog


@on_every_catalog
def test_a_commit_says_whose_rows_it_changed(catalog: Catalog):
    states = States(catalog)
    states.append("maps", a="1", b="1")
    states.append("maps", c="1")
    states.append("scans", a="1")
    states.compact("maps")
    states.replace("maps", a="2")
    log = CommitLog(catalog, OBJECTS)

    assert log.versions == [0, 1, 2, 3, 4, 5]
    assert log.is_whole
    commits = [log.commit(version) for version in log.versions]
    assert [commit.changed for commit in commits] == [
        {},
        {"maps": FilesChanged(added=1, rows=2)},
        {"maps": FilesChanged(added=1, rows=1)},
        {"scans": FilesChanged(added=1, rows=1)},
        {},  # The same rows in another file.
        {"maps": FilesChanged(added=1, removed=1, rows=1)},
    ]
    assert [commit.operation for commit in commits] == [
        "CREATE TABLE", "WRITE", "WRITE", "WRITE", "OPTIMIZE", "WRITE",
    ]  # fmt: skip
    assert [commit.version for commit in log.newest_first()] == log.versions[::-1]
    assert commits == sorted(commits, key=lambda commit: commit.at)
    assert abs(commits[-1].at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_table_that_is_not_there_has_no_commits(catalog: Catalog):
    log = CommitLog(catalog, OBJECTS_TAIL)

    assert (log.versions, list(log.newest_first())) == ([], [])
    assert log.last_until(datetime.now(UTC)) is None
    assert log.is_whole


def test_the_version_of_a_time_is_the_last_one_until_then(local_catalog: Catalog):
    states = States(local_catalog)
    for etag in "12345":
        states.replace(a=etag)
    log = CommitLog(local_catalog, OBJECTS)
    just = timedelta(microseconds=1)

    for version in log.versions:
        at = log.commit(version).at
        before = None if version == 0 else version - 1
        assert log.last_until(at) == version
        assert log.last_until(at - just) == log.last_before(at) == before
        assert log.last_before(at + just) == version


def test_a_removal_need_not_say_whose_file_it_was():
    text = json.dumps({"remove": {"path": "source=a.b-c/part-0.parquet", "dataChange": True}})

    assert commit_of_text(7, text).changed == {"a.b-c": FilesChanged(removed=1)}
