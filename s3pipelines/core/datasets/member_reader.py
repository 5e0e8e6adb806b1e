"""Reading members from any thread: what their keys hold, or what somebody covered since."""

import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from s3pipelines.core.datasets.members import Member
from s3pipelines.core.datasets.originals import covered_version, no_longer
from s3pipelines.core.datasets.states import SourceState
from s3pipelines.core.errors import Gone, PreconditionFailed
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import BucketPlace, bucket_place
from s3pipelines.core.storage.ranged_reads import ObjectReader
from s3pipelines.core.storage.verbs.get import head_headers

T = TypeVar("T")


class MemberReader:
    """Reads the members of one state of a source; may be shared by threads.

    Args:
        access: How to reach the bucket.
        state: The source, in that state.
    """

    def __init__(self, access: Access, state: SourceState) -> None:
        self._access = access
        self._state = state
        self._reader = ObjectReader(access, state.source.bucket)
        self._turn = threading.Lock()
        self._place: BucketPlace | None = None
        self._covered: dict[str, str] = {}

    def read(self, member: Member, offset: int, length: int) -> bytes:
        """The bytes from `offset`, `length` of them.

        Raises:
            PreconditionFailed: The object was overwritten since the state was taken.
            Gone: It was deleted, or is a member of a version and S3 does not have it any more.
            Archived: It must be restored first.
            StorageError: It cannot be read.
        """
        known = self._covered.get(member.key)
        try:
            return self._reader.read(member.key, member.etag, offset, length, known)
        except (PreconditionFailed, Gone) as error:
            if known is not None:
                raise
            found = self._uncovered(member, error)
        return self._reader.read(member.key, member.etag, offset, length, found)

    def headers(self, member: Member) -> Mapping[str, str]:
        """What S3 says of an object that was read before.

        Raises:
            StorageError: It cannot be asked.
        """
        version_id = self._covered.get(member.key)
        return self._ask(
            lambda client: head_headers(client, member.key, etag=member.etag, version_id=version_id)
        )

    def _uncovered(self, member: Member, error: PreconditionFailed | Gone) -> str:
        if self._state.version is None:
            raise error
        found = member.version_id or self._ask(lambda client: covered_version(client, member))
        if found is None:
            raise no_longer(member, error, self._state.name) from error
        self._covered[member.key] = found
        return found

    def _ask(self, ask: Callable[[BucketClient], Awaitable[T]]) -> T:
        with self._turn:
            if self._place is None:
                self._place = bucket_place(self._access, self._state.source.bucket)

        async def asked(place: BucketPlace) -> T:
            async with BucketClient(place, most_in_flight=1) as client:
                return await ask(client)

        with LoopThread() as loop:
            return loop.run(asked(self._place))
