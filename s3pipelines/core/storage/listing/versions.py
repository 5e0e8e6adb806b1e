"""One request of a listing of versions, of which the latest version of each key is an object.

The pages are those of `ListObjectVersions`: old versions and delete markers fill them as well, so
that one may hold no object and is none the worse. What was listed up to a key goes on behind that
key as soon as its latest version was seen, whatever old versions it has left. Where the server has
not come to that yet, it goes on with both markers, in the middle of the versions of a key.
"""

from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

import pyarrow as pa
import pyarrow.compute as pc

from s3pipelines.core.errors import AccessDenied
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.connection import Reply
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.listing.asking import Asked, AskPage, ReadPage, ask_page
from s3pipelines.core.storage.listing.pages import (
    LISTED_VERSIONS,
    ListingPage,
    NotInOrder,
    check_keys,
    nothing_of,
    server_time_of,
)
from s3pipelines.core.storage.listing.parsing import first_key
from s3pipelines.core.storage.listing.version_parsing import VersionsAnswer, parse_versions
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.verbs.versioning import bucket_versioning

_OPERATION = "ListObjectVersions"
# The version id of what was written while the bucket kept no versions.
_NO_ID = "null"
_NOTHING = nothing_of(LISTED_VERSIONS)


@dataclass(frozen=True)
class LatestVersions:
    """Asks for the latest versions of the keys, as an `AskPage`.

    Attributes:
        keeps_null: The id `null` counts as one. In a bucket that never kept versions it does not.
    """

    keeps_null: bool

    async def __call__(
        self,
        client: BucketClient,
        location: S3Location,
        *,
        after: str = "",
        token: str = "",
        end: str | None = None,
        page_size: int = 1000,
    ) -> ReadPage:
        """Ask for a page; see `ask_page`."""
        query = {"versions": "", "encoding-type": "url", "max-keys": str(page_size)}
        if location.prefix:
            query["prefix"] = location.prefix
        if token:
            query |= dict(parse_qsl(token, strict_parsing=True))
        elif after:
            query["key-marker"] = after
        reply = await client.ask(_OPERATION, "GET", query=query)
        return partial(self._read, reply, location, after, end)

    def _read(self, reply: Reply, location: S3Location, after: str, end: str | None) -> Asked:
        server_time = server_time_of(reply.headers.get("date", ""))
        if end is not None and (first := first_key(reply.body)) is not None and first > end:
            return Asked(ListingPage(_NOTHING, server_time, False), first, "", 0)
        answer = parse_versions(reply.body, location)
        objects = self._objects(answer, after, location)
        page = ListingPage(objects, server_time, answer.is_last)
        last_key = max(after, answer.last_known)
        passed_all = last_key == answer.last_key and last_key > after
        must_name = not answer.is_last and not passed_all
        # What does not lead on must not look like much: its range would be divided for nothing.
        entries = answer.entries if last_key > after else 0
        return Asked(page, last_key, answer.token, entries, must_name, answer.first_key)

    def _objects(self, answer: VersionsAnswer, after: str, location: S3Location) -> pa.RecordBatch:
        """The objects behind `after`; some servers go on with the key that was named."""
        objects = answer.objects
        if after and answer.entries and answer.first_key < after:
            raise NotInOrder.of(
                location, f"is not in key order ({answer.first_key!r} after {after!r})"
            )
        if objects.num_rows and objects.column("key")[0].as_py() == after:
            objects = objects.slice(1)
        check_keys(objects, after, location)
        if self.keeps_null:
            return objects
        ids = objects.column("version_id")
        told = pc.call_function("not_equal", [ids, pa.scalar(_NO_ID)])
        known = pc.call_function("if_else", [told, ids, pa.scalar(None, pa.string())])
        return objects.set_column(objects.schema.get_field_index("version_id"), "version_id", known)


def asking(access: Access, bucket: str, *, versions: bool) -> AskPage:
    """How to ask a bucket for its objects.

    Args:
        access: How to reach it.
        bucket: Its name.
        versions: Version ids are wanted. Where it may not be asked whether the bucket ever kept
            versions (s3:GetBucketVersioning), `null` is no id.

    Raises:
        StorageError: The bucket cannot be asked.
    """
    if not versions:
        return ask_page
    place = bucket_place(access, bucket)
    with LoopThread() as loop:
        client = BucketClient(place, most_in_flight=1)
        loop.run(client.__aenter__())
        try:
            return LatestVersions(loop.run(bucket_versioning(client)) is not None)
        except AccessDenied:
            return LatestVersions(keeps_null=False)
        finally:
            loop.run(client.__aexit__(None, None, None))
