"""Which uploads count as abandoned, and what becomes of them."""

from datetime import UTC, datetime, timedelta

import pytest

from s3pipelines.core.buckets.abandoned import (
    abort_uploads,
    check_age_s,
    open_uploads,
    without_read_only,
)
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.access import Access
from tests.core.storage.fake_s3 import Answer, Asked, error_answer, fake_s3

# The clock of the server, not of this machine.
NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
DAY_S = 24 * 3600
DATE = {"Date": f"{NOW:%a, %d %b %Y %H:%M:%S} GMT"}


class _Server:
    """Uploads begun, and their latest parts sent, so many days ago; None: no part."""

    def __init__(self, uploads: dict[str, tuple[float, float | None]]) -> None:
        self.uploads = uploads
        self.denied: set[str] = set()

    def __call__(self, asked: Asked) -> Answer:
        if asked.method == "DELETE":
            if asked.query["uploadId"] in self.denied:
                return error_answer(403, "AccessDenied")
            del self.uploads[asked.query["uploadId"]]
            return Answer(204)
        if "uploads" in asked.query:
            return Answer(body=self._listed().encode(), headers=DATE)
        upload = asked.query["uploadId"]
        if upload not in self.uploads:
            return error_answer(404, "NoSuchUpload")
        return Answer(body=self._parts(self.uploads[upload][1]).encode(), headers=DATE)

    def _listed(self) -> str:
        listed = "".join(
            f"<Upload><Key>{name}</Key><UploadId>{name}</UploadId>"
            f"<Initiated>{_ago(begun)}</Initiated></Upload>"
            for name, (begun, _) in self.uploads.items()
        )
        return f"<R><IsTruncated>false</IsTruncated>{listed}</R>"

    def _parts(self, sent: float | None) -> str:
        part = (
            f"<Part><PartNumber>1</PartNumber><LastModified>{_ago(sent)}</LastModified>"
            f"<ETag>e</ETag><Size>5</Size></Part>"
            if sent is not None
            else ""
        )
        return f"<R><IsTruncated>false</IsTruncated>{part}</R>"


def _ago(days: float) -> str:
    return f"{NOW - timedelta(days=days):%Y-%m-%dT%H:%M:%S.000Z}"


def test_an_upload_is_as_old_as_its_latest_part():
    server = _Server({"old": (30, 20), "begun": (30, None), "goes-on": (30, 0.1), "new": (1, 1)})
    with fake_s3(server) as fake:
        found = list(open_uploads(fake.access(), "bucket", idle_for_s=7 * DAY_S))
        every = list(open_uploads(fake.access(), "bucket"))

    assert {one.upload.key: one.idle_s for one in found} == {"old": 20 * DAY_S, "begun": 30 * DAY_S}
    assert {one.upload.key: one.size_bytes for one in every}["goes-on"] == 5
    assert len(every) == 4


def test_each_is_looked_at_again_before_it_is_called_off_and_one_that_fails_stops_no_other():
    server = _Server(dict.fromkeys(("a", "goes-on", "ends", "denied", "z"), (30, 20)))
    server.denied.add("denied")
    with fake_s3(server) as fake:
        found = list(open_uploads(fake.access(), "bucket", idle_for_s=7 * DAY_S))
        server.uploads["goes-on"] = (30, 0)
        del server.uploads["ends"]
        reaped = abort_uploads(fake.access(), "bucket", found, idle_for_s=7 * DAY_S)

    assert (reaped.aborted, reaped.freed_bytes, reaped.resumed, reaped.failed) == (2, 10, 2, 1)
    assert "denied: Access to" in reaped.failures[0]
    assert set(server.uploads) == {"goes-on", "denied"}


def test_many_uploads_are_found_and_called_off(s3, bucket: str):
    for n in range(80):
        s3.create_multipart_upload(Bucket=bucket, Key=f"{n:03d}")

    found = list(open_uploads(Access(), bucket))
    reaped = abort_uploads(Access(), bucket, found, idle_for_s=0)

    assert [one.upload.key for one in found] == [f"{n:03d}" for n in range(80)]
    assert reaped.aborted == 80
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_uploads_in_read_only_sources_are_left_alone(s3, bucket: str, local_catalog: Catalog):
    create_source(local_catalog, "maps", f"s3://{bucket}/maps", read_only=True)
    for key in ("maps/a", "maps2/a"):
        s3.create_multipart_upload(Bucket=bucket, Key=key)

    found = open_uploads(Access(), bucket)
    ours, theirs = without_read_only(local_catalog, Access(), bucket, found)

    assert [one.upload.key for one in ours] == ["maps2/a"]
    assert [one.upload.key for one in theirs] == ["maps/a"]


def test_an_age_at_which_an_upload_may_be_in_progress_is_refused():
    assert check_age_s(3600) == 3600
    with pytest.raises(InvalidInput, match="may well be in progress"):
        check_age_s(3599)
