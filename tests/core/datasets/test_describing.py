"""What is known of each object."""

import base64
import hashlib
import io
from dataclasses import replace
from pathlib import Path

from PIL import Image

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.describing import describe
from s3pipelines.core.datasets.registering import Wanted, register
from s3pipelines.core.imaging.missing import Work
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sql.selection import Selection
from tests.core.datasets.proxy import Answer, CountingProxy, Passed


def _described(catalog: Catalog, selection: Selection | None = None, **more) -> dict[str, dict]:
    return {row["name"]: row for row in describe(catalog, "maps", selection, **more)}


def test_tags_checksums_and_facts_of_images_are_told_together(local_catalog, source, write, pool):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, "JPEG")
    jpeg = buffer.getvalue()
    image = write("scans/a.jpg", jpeg)
    write("scans/b.txt", b"a note")
    register(local_catalog, Wanted("maps", [image.parent], tags={"rights": "free"}))
    apply_changes(local_catalog, "maps")
    run(local_catalog, Work("maps", "header"), pool=pool)

    rows = _described(local_catalog)

    assert list(rows) == ["scans/a.jpg", "scans/b.txt"]
    picture, note = rows["scans/a.jpg"], rows["scans/b.txt"]
    assert (picture["key"], picture["size_bytes"]) == ("maps/scans/a.jpg", len(jpeg))
    assert picture["tags"] == note["tags"] == {"rights": "free"}
    digest = hashlib.sha256(jpeg)
    assert picture["checksums"] == {"sha256": base64.b64encode(digest.digest()).decode()}
    assert picture["sha256"] == digest.hexdigest()
    assert (picture["image"]["format"], picture["image"]["width_px"]) == ("jpeg", 40)
    assert note["image"] is None
    assert {row["state"] for row in rows.values()} == {"as_described"}


def test_without_asking_the_catalog_tells_what_it_knows(
    local_catalog, source, write, proxy: CountingProxy
):
    catalog = replace(local_catalog, access=proxy.access)
    register(catalog, Wanted("maps", [write("a.tif", b"1")], tags={"rights": "free"}))
    apply_changes(catalog, "maps")
    proxy.passed.clear()

    [row] = _described(catalog, ask=False).values()

    assert (row["tags"], row["checksums"], row["state"]) == ({"rights": "free"}, {}, "not_asked")
    assert row["image"] is None
    assert proxy.passed == []


def test_what_changed_since_the_index_is_said_of_each_object(
    local_catalog, source, s3, bucket, put_objects
):
    put_objects("maps/a", "maps/b", "maps/c")
    refresh_index(local_catalog, "maps")
    s3.put_object(Bucket=bucket, Key="maps/a", Body=b"other")
    s3.delete_object(Bucket=bucket, Key="maps/b")

    rows = _described(local_catalog)

    assert {name: row["state"] for name, row in rows.items()} == {
        "a": "changed",
        "b": "gone",
        "c": "as_described",
    }
    only = _described(local_catalog, Selection(keys=frozenset({"maps/c"})))
    assert list(only) == ["c"]


def test_who_may_not_read_tags_is_told_the_rest(
    local_catalog, source, put_objects, proxy: CountingProxy
):
    put_objects("maps/a")
    refresh_index(local_catalog, "maps")

    def refuse(passed: Passed, answer: Answer) -> Answer:
        if "tagging" in passed.query:
            return Answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
        return answer

    proxy.change = refuse
    [row] = _described(replace(local_catalog, access=proxy.access)).values()

    assert (row["state"], row["size_bytes"]) == ("as_described", 3)
    assert "denied" in row["detail"]


def test_more_objects_than_one_batch_come_in_their_order(local_catalog, source, s3, bucket):
    keys = [f"maps/{number:04d}" for number in range(1005)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    refresh_index(local_catalog, "maps")

    assert [row["key"] for row in describe(local_catalog, "maps", ask=False)] == keys


def test_it_may_be_ended_early(local_catalog, source, put_objects, tmp_path: Path):
    put_objects("maps/a", "maps/b")
    refresh_index(local_catalog, "maps")

    rows = describe(local_catalog, "maps")
    assert next(rows)["name"] == "a"
    rows.close()
