"""Reading tags from S3 into the table `tags`."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import TAGS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.errors import BadCredentials, NotFound
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.index.up_to_date import bring_up_to_date
from s3pipelines.core.sources.registry import create_source, update_source
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.sql.session import open_session
from s3pipelines.core.tags.listing import TagCount, list_tags
from s3pipelines.core.tags.refreshing import refresh_tags
from tests.core.datasets.conftest import proxy
from tests.core.datasets.proxy import Answer, CountingProxy, Passed

__all__ = ["proxy"]

Tag = Callable[..., None]


@pytest.fixture
def tag(s3, bucket: str) -> Tag:
    """Give an object of `maps` exactly these tags."""

    def put(name: str, **tags: str) -> None:
        tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
        s3.put_object_tagging(Bucket=bucket, Key=f"maps/{name}", Tagging={"TagSet": tag_set})

    return put


@pytest.fixture
def tagged(local_catalog: Catalog, s3, bucket: str, tag: Tag) -> str:
    """The indexed source `maps`: two objects with tags, one without."""
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    for name in ("a", "b", "c"):
        s3.put_object(Bucket=bucket, Key=f"maps/{name}", Body=name.encode())
    tag("a", rights="free", scanner="A3")
    tag("b", rights="free")
    refresh_index(local_catalog, "maps")
    return "maps"


def _tags(catalog: Catalog) -> list[tuple[str, str, str]]:
    with connect(catalog) as connection:
        create_source_views(connection, catalog, "maps", TAGS)
        return connection.execute("SELECT key, name, value FROM tags ORDER BY ALL").fetchall()


def test_tags_are_read_once_for_each_state_of_an_object(
    local_catalog, tagged, s3, bucket, proxy: CountingProxy
):
    catalog = replace(local_catalog, access=proxy.access)

    done = refresh_tags(catalog, "maps")

    assert (done.due, done.read, done.tagged, done.changed, done.failed) == (3, 3, 2, 2, [])
    assert _tags(local_catalog) == [
        ("maps/a", "rights", "free"),
        ("maps/a", "scanner", "A3"),
        ("maps/b", "rights", "free"),
    ]
    assert proxy.count("GET", "tagging") == 3
    assert refresh_tags(catalog, "maps").due == 0
    s3.put_object(Bucket=bucket, Key="maps/c", Body=b"new", Tagging="rights=mine")
    refresh_index(local_catalog, "maps")
    proxy.passed.clear()
    assert refresh_tags(catalog, "maps").changed == 1
    assert [one.key for one in proxy.passed] == ["maps/c"]


def test_a_tag_that_was_taken_away_is_no_longer_in_the_view(local_catalog, tagged, tag):
    refresh_tags(local_catalog, "maps")
    tag("a", scanner="A0")
    assert refresh_tags(local_catalog, "maps", older_than=timedelta(days=1)).due == 0

    done = refresh_tags(local_catalog, "maps", older_than=timedelta(0))

    assert (done.due, done.changed) == (3, 1)
    expected = [("maps/a", "scanner", "A0"), ("maps/b", "rights", "free")]
    assert _tags(local_catalog) == expected
    with open_session(local_catalog) as session:
        rows = session.run("SELECT key, name, value FROM tags ORDER BY ALL").read_all().to_pylist()
    assert [tuple(row.values()) for row in rows] == expected
    tag("a", rights="free")
    refresh_tags(local_catalog, "maps", older_than=timedelta(0))
    assert _tags(local_catalog)[0] == ("maps/a", "rights", "free")


def test_an_object_that_is_denied_is_told_of_and_tried_again(
    local_catalog, tagged, proxy: CountingProxy
):
    def deny(passed: Passed, answer: Answer) -> Answer:
        body = b"<Error><Code>AccessDenied</Code></Error>"
        return Answer(403, {}, body) if passed.key == "maps/a" else answer

    proxy.change = deny
    catalog = replace(local_catalog, access=proxy.access)

    done = refresh_tags(catalog, "maps")

    assert [(one.key, one.error) for one in done.failed] == [("maps/a", "access_denied")]
    assert done.read == 2
    proxy.change = lambda _, answer: answer
    assert (refresh_tags(catalog, "maps").read, len(_tags(local_catalog))) == (1, 3)


def test_what_was_read_before_the_end_is_written(local_catalog, tagged, proxy: CountingProxy):
    refused = [0]

    def refuse(passed: Passed, answer: Answer) -> Answer:
        if passed.key != "maps/c":
            return answer
        time.sleep(1)
        refused[0] += 1
        return Answer(403, {}, b"<Error><Code>InvalidAccessKeyId</Code></Error>")

    proxy.change = refuse

    with pytest.raises(BadCredentials):
        refresh_tags(replace(local_catalog, access=proxy.access), "maps")

    assert refused == [1]
    assert refresh_tags(local_catalog, "maps").due == 1


def test_only_the_selected_objects_are_asked_about(local_catalog, tagged, proxy: CountingProxy):
    catalog = replace(local_catalog, access=proxy.access)

    assert refresh_tags(catalog, "maps", Selection(glob="b")).read == 1

    assert [one.key for one in proxy.passed] == ["maps/b"]
    with pytest.raises(NotFound, match="no source 'other'"):
        refresh_tags(catalog, "other")


def test_a_source_that_asks_for_it_has_its_tags_read_after_each_full_listing(
    local_catalog, tagged, tag
):
    said: list[str] = []
    bring_up_to_date(local_catalog, "maps", full=True, say=said.append)
    assert _tags(local_catalog) == []
    update_source(local_catalog, "maps", "with tags", object_tags=True)

    bring_up_to_date(local_catalog, "maps", full=True, say=said.append)

    assert len(_tags(local_catalog)) == 3
    assert "Read the tags of 3 objects, 2 of them changed" in said
    tag("b", rights="other")
    bring_up_to_date(local_catalog, "maps", full=True)
    assert ("maps/b", "rights", "other") in _tags(local_catalog)


def test_tags_are_counted_over_the_objects_as_they_are_now(local_catalog, tagged, s3, bucket):
    refresh_tags(local_catalog, "maps")
    s3.put_object(Bucket=bucket, Key="maps/b", Body=b"new")
    refresh_index(local_catalog, "maps")

    found = list_tags(local_catalog, "maps")

    assert found.tags == (TagCount("rights", "free", 1), TagCount("scanner", "A3", 1))
    assert (found.objects, found.read) == (3, 2)
    assert list_tags(local_catalog, "maps", "scanner").tags == (TagCount("scanner", "A3", 1),)
