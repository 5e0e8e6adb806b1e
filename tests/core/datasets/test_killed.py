"""Transfers that are killed by SIGKILL again and again end with the same files, and little twice.

Eight kills of the three of them together by default, fifty with those that are marked `slow`.
"""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import AUDITS, OBJECTS, TAGS, TableSchema
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from tests.core.datasets.conftest import bytes_of
from tests.core.datasets.direct.conftest import ticket
from tests.core.datasets.killing import repeat_until_done
from tests.core.datasets.proxy import CountingProxy
from tests.core.datasets.transfer_worker import PART, RANGE

__all__ = ["ticket"]

pytestmark = pytest.mark.timeout(1200)

SMALL = 20
# At a time, of one file: see `sending` and `fetching`.
RANGES_AT_A_TIME = 32


def times(few: int, many: int):
    """A few kills always, and many of them when there is time."""
    return pytest.mark.parametrize("kills", [few, pytest.param(many, marks=pytest.mark.slow)])


@pytest.fixture
def folder(write) -> Path:
    """Many small files and one of several parts."""
    for number in range(SMALL):
        write(f"scans/{number:02d}.tif", bytes_of(2000, str(number)))
    return write("scans/deep/big.bin", bytes_of(3 * PART + 1)).parents[1]


@pytest.fixture
def where(local_catalog: Catalog) -> str:
    """The catalog, for another process."""
    return local_catalog.location.uri


@pytest.fixture
def filled(local_catalog: Catalog, s3, bucket: str, folder: Path) -> str:
    """The indexed source `maps` with these files, each with a tag."""
    for name, body in tree(folder).items():
        s3.put_object(Bucket=bucket, Key=f"maps/{name}", Body=body, Tagging=f"name={len(body)}")
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    refresh_index(local_catalog, "maps")
    return "maps"


def tree(folder: Path) -> dict[str, bytes]:
    """What is in a folder, without what is hidden."""
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(at): path.read_bytes() for at, path in found.items() if at.parts[0][0] != "."}


def stored(s3, bucket: str, prefix: str) -> dict[str, bytes]:
    """What is below a prefix."""
    keys = [row["Key"] for row in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
    return {
        key.removeprefix(prefix): s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        for key in keys
    }


def rows(catalog: Catalog, schema: TableSchema, query: str) -> list[tuple]:
    with connect(catalog) as connection:
        create_source_views(connection, catalog, "maps", schema)
        return connection.execute(query).fetchall()


def sent(proxy: CountingProxy) -> Counter[tuple[str, str]]:
    """How often each object or part was sent."""
    return Counter(
        (one.key, one.query.get("partNumber", "")) for one in proxy.passed if one.method == "PUT"
    )


@pytest.mark.slow
@times(2, 12)
def test_a_registration_sends_nothing_twice(
    local_catalog, source, where, folder, s3, bucket, proxy: CountingProxy, kills: int
):
    made = repeat_until_done(proxy, where, ["register", str(folder)], kills, SMALL * 2)

    assert made >= max(1, kills // 4)
    assert stored(s3, bucket, "maps/") == tree(folder)
    assert set(sent(proxy).values()) == {1}
    assert rows(local_catalog, OBJECTS, "SELECT count(*), count(DISTINCT key) FROM objects") == [
        (SMALL + 1, SMALL + 1)
    ]
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


@pytest.mark.slow
@times(2, 8)
def test_an_upload_sends_nothing_twice(where, folder, s3, bucket, proxy: CountingProxy, kills: int):
    to = f"s3://{bucket}/new/"

    made = repeat_until_done(proxy, where, ["upload", str(folder), to], kills, SMALL * 2)

    assert made >= max(1, kills // 4)
    assert stored(s3, bucket, "new/") == tree(folder)
    assert set(sent(proxy).values()) == {1}


@times(1, 6)
def test_an_upload_by_a_ticket_sends_nothing_twice(
    where, write, ticket, s3, bucket, proxy: CountingProxy, kills: int
):
    body = bytes_of(7 * PART + 1)
    path = ticket(through=proxy.endpoint, size_bytes=len(body), part_bytes=PART)
    file = write("big.bin", body)

    repeat_until_done(proxy, where, ["direct", str(path), str(file)], kills, 8)

    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    assert set(sent(proxy).values()) == {1}


@pytest.mark.slow
@times(3, 24)
def test_a_download_fetches_no_more_twice_than_was_under_way(
    where, filled, folder, tmp_path, proxy: CountingProxy, kills: int
):
    here, total = tmp_path / "here", sum(map(len, tree(folder).values()))

    made = repeat_until_done(proxy, where, ["download", str(here)], kills, 30)

    assert made >= max(1, kills // 4)
    assert tree(here) == tree(folder)
    ranges = Counter(one.headers["range"] for one in proxy.passed if "range" in one.headers)
    small = Counter(
        one.key
        for one in proxy.passed
        if one.method == "GET" and one.key and not {"range"} & one.headers.keys()
    )
    again = RANGE * sum(ranges.values()) + 2000 * sum(small.values()) - total
    # Each process had so many ranges of the large file, and all of the small ones, under way.
    assert again <= made * (RANGES_AT_A_TIME * RANGE + SMALL * 2000) + RANGE


@times(1, 5)
def test_an_audit_has_a_row_of_each_object(
    local_catalog, where, filled, proxy: CountingProxy, kills: int
):
    repeat_until_done(proxy, where, ["audit"], kills, 60)

    counted = "SELECT outcome, count(*), count(DISTINCT key) FROM audits GROUP BY ALL"
    assert rows(local_catalog, AUDITS, counted) == [("ok", SMALL + 1, SMALL + 1)]


@pytest.mark.slow
@times(1, 5)
def test_a_bag_is_whole_and_lists_each_file_once(
    where, filled, folder, tmp_path, proxy: CountingProxy, kills: int
):
    bag = tmp_path / "bag"

    repeat_until_done(proxy, where, ["bag", str(bag)], kills, 60)

    assert tree(bag / "data") == tree(folder)
    listed = (bag / "manifest-sha256.txt").read_text().splitlines()
    assert sorted(listed) == sorted(
        f"{hashlib.sha256(body).hexdigest()}  data/{name}" for name, body in tree(folder).items()
    )
    assert (bag / "bagit.txt").exists()


@times(1, 5)
def test_tags_have_a_row_of_each_object(
    local_catalog, where, filled, proxy: CountingProxy, kills: int
):
    repeat_until_done(proxy, where, ["tags"], kills, SMALL)

    counted = "SELECT name, count(*), count(DISTINCT key) FROM tags GROUP BY ALL"
    assert rows(local_catalog, TAGS, counted) == [("name", SMALL + 1, SMALL + 1)]
