"""Asking S3 what many keys are now: one HEAD per key, many in flight, in one event loop.

Any key is asked for exactly as it is written, `.`, `..` and `//` too.
"""

import asyncio
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from queue import SimpleQueue
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from s3pipelines.core.errors import (
    AccessDenied,
    BadCredentials,
    Gone,
    NoSuchBucket,
    StorageError,
    Throttled,
    Unreachable,
    WrongRegion,
)
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import BucketPlace, bucket_place
from s3pipelines.core.storage.present import (
    Present,
    present_from_head,
    present_from_listing,
)
from s3pipelines.core.storage.verbs.xml import parse, text

# No other key of the bucket would fare better.
_OF_ALL_KEYS = (BadCredentials, NoSuchBucket, WrongRegion)
# A HEAD waits for no body; the usual 60 s, tried five times, would hold up all that follows.
_READ_TIMEOUT_S = 20


@dataclass(frozen=True)
class Asked:
    """The answer for one key.

    Attributes:
        key: Its key.
        found: What it is; None without an error means that S3 says there is no such object.
        error: Why it could not be found out.
    """

    key: str
    found: Present | None
    error: StorageError | None = None


def ask_many(
    access: Access, bucket: str, keys: Iterable[str], *, in_flight: int = 64
) -> Generator[Asked, None, None]:
    """Ask what each of `keys` is now; nothing is asked before the first answer is wanted.

    Args:
        access: How to reach the bucket.
        bucket: Its name.
        keys: Any number of them; at most twice `in_flight` are taken ahead of what was yielded.
        in_flight: Most requests at a time.

    Yields:
        One answer for each of `keys`, as they come in, in any order. Once the iterator is closed,
        no other key is asked, but nothing waits for the requests that are under way.

    Raises:
        BadCredentials: S3 does not accept the credentials, or there are none.
        NoSuchBucket: The bucket does not exist. (It is looked for at the first key that S3 does
            not have: a deleted bucket must not look like one whose objects are all deleted.)
        WrongRegion: The bucket lies in another region.
    """
    upcoming = iter(keys)
    first = list(islice(upcoming, 2 * in_flight))
    if not first:
        return
    try:
        place = bucket_place(access, bucket)
    except _OF_ALL_KEYS:
        raise
    except StorageError as error:
        yield from (Asked(key, None, error) for key in chain(first, upcoming))
        return
    with LoopThread() as loop:
        asker = _Asker(place, in_flight)
        loop.run(asker.open())
        try:
            yield from _answers(loop, asker, chain(first, upcoming), in_flight)
        finally:
            loop.run(asker.close())


def _answers(
    loop: LoopThread, asker: "_Asker", upcoming: Iterator[str], in_flight: int
) -> Generator[Asked, None, None]:
    waiting = 0
    while True:
        # Twice as many as are asked at a time, so that the loop has work while the caller is busy
        # with an answer; and many handed over at once, as each time wakes the loop.
        if waiting <= in_flight + in_flight // 2:
            keys = list(islice(upcoming, 2 * in_flight - waiting))
            loop.soon(lambda keys=keys: asker.begin(keys))
            waiting += len(keys)
        if not waiting:
            return
        answer = asker.ended.get()
        if isinstance(answer, BaseException):
            raise answer
        waiting -= 1
        yield answer


class _Asker:
    """Asks for single keys of one bucket, in an event loop.

    Attributes:
        ended: Answers as they come in, for the caller's thread; or what ends all.
    """

    def __init__(self, place: BucketPlace, in_flight: int) -> None:
        self.ended: SimpleQueue[Asked | BaseException] = SimpleQueue()
        self._client = BucketClient(place, most_in_flight=in_flight, read_timeout_s=_READ_TIMEOUT_S)
        self._bucket = place.bucket
        self._tasks: set[asyncio.Task[None]] = set()
        self._confirming = asyncio.Lock()
        self._bucket_exists = False

    async def open(self) -> None:
        await self._client.__aenter__()

    async def close(self) -> None:
        """Drop what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.__aexit__(None, None, None)

    def begin(self, keys: Sequence[str]) -> None:
        """Ask for these, too; called in the loop."""
        for key in keys:
            task = asyncio.get_running_loop().create_task(self._ask(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, key: str) -> None:
        try:
            self.ended.put(Asked(key, await self._found(key)))
        except asyncio.CancelledError:
            raise
        except StorageError as error:
            ends_all = isinstance(error, _OF_ALL_KEYS)
            self.ended.put(error if ends_all else Asked(key, None, error))
        except BaseException as error:  # noqa: BLE001 - it is raised where the answers are taken
            self.ended.put(error)

    async def _found(self, key: str) -> Present | None:
        try:
            return await self._head(key)
        except Gone:
            await self._confirm_bucket(key)
            return None
        except (BadCredentials, NoSuchBucket, Throttled):
            raise
        except StorageError as refused:
            if isinstance(refused, Unreachable) and not isinstance(refused.__cause__, ClientError):
                raise  # Nobody answered, so nobody would answer a listing.
            return await self._listed_instead(key, refused)

    async def _head(self, key: str) -> Present:
        with s3_errors(self._bucket, key):
            reply = await self._client.ask("HeadObject", "HEAD", key=key)
        try:
            return present_from_head(key, reply.headers)
        except (KeyError, ValueError, TypeError) as error:
            raise StorageError(
                f"The endpoint answers for s3://{self._bucket}/{key} without {error}.",
                hint="Check what stands between here and the S3 server.",
            ) from error

    async def _confirm_bucket(self, key: str) -> None:
        """A HEAD has no body, so a missing bucket is the same bare 404 as a missing object."""
        async with self._confirming:
            if self._bucket_exists:
                return
            try:
                with s3_errors(self._bucket):
                    await self._client.ask("HeadBucket", "HEAD")
            except AccessDenied:
                # Some may list below a prefix only.
                await self._listed(key)
            self._bucket_exists = True

    async def _listed_instead(self, key: str, refused: StorageError) -> Present | None:
        """What a listing says of a key whose HEAD was refused.

        It needs another permission, takes no key of the customer's, reads no object, and says in
        its body which of many things a bare 400 or 403 meant.
        """
        try:
            return await self._listed(key)
        except _OF_ALL_KEYS:
            raise
        except StorageError as error:
            # A server that fails may not do so later, whatever the listing says meanwhile.
            raise (refused if isinstance(refused, Unreachable) else error) from error.__cause__

    async def _listed(self, key: str) -> Present | None:
        query = {"list-type": "2", "prefix": key, "max-keys": "1", "encoding-type": "url"}
        with s3_errors(self._bucket):
            reply = await self._client.ask(
                "ListObjectsV2",
                "GET",
                query=query,
                headers={"x-amz-optional-object-attributes": "RestoreStatus"},
            )
        root = parse(reply.body, "ListObjectsV2")
        decoded = unquote_plus if text(root, "EncodingType") == "url" else str
        row = root.find("Contents")
        # Of all keys that begin with this one, it comes first itself.
        found = None if row is None else decoded(text(row, "Key"))
        is_odd = found is not None and not found.startswith(key)
        is_empty = found is None and text(root, "IsTruncated") != "false"
        if is_odd or is_empty:
            raise self._not_answered(key)
        if row is None or found != key:
            return None
        try:
            return present_from_listing(key, reply.headers, row)
        except ValueError as error:
            raise self._not_answered(key) from error

    def _not_answered(self, key: str) -> StorageError:
        return StorageError(
            f"The listing of s3://{self._bucket}/{key} does not answer what was asked.",
            hint="Check that it is an S3 general purpose bucket.",
        )
