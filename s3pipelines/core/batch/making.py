"""Making files of the objects of a chunk at their targets: fetch → convert → keep → write.

Each file says in its own metadata which row of which plan it is. So whoever goes on after a process
was killed knows what is done by a look at the target, and does not convert it again.
"""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from s3pipelines.core.batch.actions.action import Chunk
from s3pipelines.core.batch.copying import states_condition
from s3pipelines.core.batch.delivery import wrong_target
from s3pipelines.core.batch.looking import Seen, look_at
from s3pipelines.core.batch.outcomes import failed
from s3pipelines.core.batch.rows import Outcome, Precondition, Row
from s3pipelines.core.batch.sites import Sites
from s3pipelines.core.batch.stamps import Stamp, stamp_of
from s3pipelines.core.batch.trash import keep_in_trash, trash_key
from s3pipelines.core.batch.unfinished import call_off_uploads, note_uploads
from s3pipelines.core.batch.workshop import Workshop
from s3pipelines.core.errors import PreconditionFailed, StorageError
from s3pipelines.core.imaging.conversion.making import convert_image
from s3pipelines.core.imaging.conversion.recipe import ConversionRecipe
from s3pipelines.core.imaging.outcomes import Failure, Refused
from s3pipelines.core.imaging.publishing import sha256_of
from s3pipelines.core.imaging.steps import status_of
from s3pipelines.core.imaging.wishes import Item
from s3pipelines.core.storage.verbs.copy import tag_header
from s3pipelines.core.storage.verbs.copy_through import PART_BYTES
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.put_file import put_file
from s3pipelines.core.storage.verbs.tags import get_tags
from s3pipelines.core.storage.verbs.values import Copied

_KIND = "convert"


@dataclass(frozen=True)
class Commission:
    """What is made of each object, and what its file has beside its bytes.

    Attributes:
        plan_id: The plan.
        recipe: How it is made.
        digest: Names the recipe and the target.
        headers: How each file is written.
        metadata: Metadata that each file gets.
        tags: Tags that each file gets.
        keeps_metadata: Also the metadata of the original.
        keeps_tags: Also the tags of the original.
    """

    plan_id: str
    recipe: ConversionRecipe
    digest: str
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    keeps_metadata: bool = False
    keeps_tags: bool = False


async def make_files(
    sites: Sites, chunk: Chunk, commission: Commission, workshop: Workshop
) -> list[Outcome]:
    """Make the file of each object of a chunk.

    Raises:
        StorageError: Nothing can be done at all, for no row.
    """
    target = sites.target
    keys = [row.target or "" for row in chunk.rows]
    seen = await look_at(target.client, target.facts.location, keys)
    maker = _Maker(sites, chunk, commission, workshop)
    return list(
        await asyncio.gather(*(maker.make(row, seen[row.target or ""]) for row in chunk.rows))
    )


class _Maker:
    def __init__(
        self, sites: Sites, chunk: Chunk, commission: Commission, workshop: Workshop
    ) -> None:
        self._sites = sites
        self._chunk = chunk
        self._commission = commission
        self._workshop = workshop

    async def make(self, row: Row, seen: Seen | None) -> Outcome:
        """The outcome of one row, whatever goes wrong with it alone."""
        try:
            if self._chunk.is_doubtful(row):
                await call_off_uploads(self._sites, self._chunk, row)
                if (known := await self._recognised(row)) is not None:
                    return known
            if (wrong := wrong_target(row, seen)) is not None:
                return wrong
            async with self._workshop.place():
                return await self._made(row)
        except PreconditionFailed as error:
            return await self._why_refused(row, error)
        except StorageError as error:
            return failed(row, error)
        except OSError as error:  # No room for its temporary file.
            return Outcome(row, "failed", "no_room", f"This machine has no room for it: {error}.")

    async def _made(self, row: Row) -> Outcome:
        started = time.monotonic()
        item = _item_of(row)
        with tempfile.TemporaryFile() as file:
            try:
                stamp = await self._converted(row, item, file)
            except Refused as refused:
                return self._refused(row, refused.failure, time.monotonic() - started)
            in_parts = stamp.size_bytes > PART_BYTES
            by = await self._look_again(row, in_parts=in_parts)
            facts: dict[str, Any] = {}
            if row.target_etag is not None:
                facts["replaced"] = [row.target_etag, await self._kept(row, row.target_etag)]
            written = await self._written(row, stamp, file)
        facts["made"] = [written.etag, written.version_id]
        derived = self._derived(row, stamp, time.monotonic() - started)
        return Outcome(row, "done", None, None, by, written.etag, facts, derived)

    async def _converted(self, row: Row, item: Item, file: BinaryIO) -> Stamp:
        recipe, pool = self._commission.recipe, self._workshop.pool
        async with self._workshop.fetched(self._sites.source.client, item) as data:
            made = await self._workshop.in_thread(
                lambda: convert_image(pool, data, item.extension, recipe, file)
            )
        sha256, size_bytes = await self._workshop.in_thread(lambda: sha256_of(file))
        return Stamp(
            plan_id=self._commission.plan_id,
            row=row.number,
            etag=row.etag,
            digest=self._commission.digest,
            sha256=sha256,
            size_bytes=size_bytes,
            width_px=made.width_px,
            height_px=made.height_px,
        )

    async def _look_again(self, row: Row, *, in_parts: bool) -> Precondition:
        """Converting takes a while; where the server does not compare itself, it is asked anew."""
        if self._states_condition(row, in_parts=in_parts):
            return "native"
        found = await head(self._sites.target.client, row.target or "")
        if (found and found.etag) != row.target_etag:
            raise PreconditionFailed(f"{row.target} is not as planned.", hint="Plan it anew.")
        return "head"

    def _states_condition(self, row: Row, *, in_parts: bool) -> bool:
        return states_condition(
            self._sites.target, row.target_etag, by_server=False, in_parts=in_parts
        )

    async def _kept(self, row: Row, etag: str) -> str | None:
        """What is about to be replaced, in the trash if the bucket would not keep it."""
        sites, key = self._sites, row.target or ""
        if sites.trash is None:
            return None
        found = await head(sites.target.client, key)
        if found is None or found.etag != etag:
            raise PreconditionFailed(f"{key} is not as planned.", hint="Plan it anew.")
        return await keep_in_trash(sites, sites.target, row, key, etag, found.size_bytes)

    async def _written(self, row: Row, stamp: Stamp, file: BinaryIO) -> Copied:
        client, key = self._sites.target.client, row.target or ""
        headers = await self._headers(row, stamp)
        in_parts = stamp.size_bytes > PART_BYTES
        stated = self._states_condition(row, in_parts=in_parts)
        condition = {"if-none-match": "*"} if stated else {}
        if not in_parts:
            return await put_file(client, key, file.fileno(), headers, condition)
        async with self._workshop.large_uploads:
            await note_uploads(self._sites, self._chunk, row)
            return await put_file(
                client, key, file.fileno(), headers, condition, part_bytes=PART_BYTES
            )

    async def _headers(self, row: Row, stamp: Stamp) -> dict[str, str]:
        told, source = self._commission, self._sites.source.client
        metadata, tags = dict(told.metadata), dict(told.tags)
        if told.keeps_metadata and (found := await head(source, row.key)) is not None:
            metadata = {**found.described.metadata, **metadata}
        if told.keeps_tags:
            tags = {**await get_tags(source, row.key), **tags}
        metadata |= stamp.metadata
        named = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        return {
            "content-type": told.recipe.output.content_type,
            **told.headers,
            **named,
            **tag_header(tags),
        }

    async def _recognised(self, row: Row) -> Outcome | None:
        """The file that this plan made already, where an answer or a process was lost."""
        found = await head(self._sites.target.client, row.target or "")
        stamp = found and stamp_of(found)
        told = self._commission
        if not found or not stamp or not stamp.is_of(told.plan_id, row.number, row.etag):
            return None
        facts: dict[str, Any] = {"made": [found.etag, found.version_id]}
        if row.target_etag is not None:
            kept = trash_key(self._sites, row, row.target or "") if self._sites.trash else None
            facts["replaced"] = [row.target_etag, kept]
        derived = self._derived(row, stamp, 0.0)
        return Outcome(row, "done", None, None, "head", found.etag, facts, derived)

    async def _why_refused(self, row: Row, error: PreconditionFailed) -> Outcome:
        """The object or its target is not as planned, or the target is ours: an answer was lost."""
        source, target = self._sites.source, self._sites.target
        try:
            if (known := await self._recognised(row)) is not None:
                return known
            original = await head(source.client, row.key)
            if original is None or original.etag != row.etag:
                what = "overwritten" if original else "deleted"
                word = "changed" if original else "gone"
                detail = f"{row.key} was {what} since the plan was made."
                return Outcome(row, "failed", word, detail)
            found = await head(target.client, row.target or "")
        except StorageError as second:
            return failed(row, second)
        seen = found and Seen(found.etag, found.size_bytes, "head")
        return wrong_target(row, seen) or failed(row, error)

    def _derived(self, row: Row, stamp: Stamp, duration_s: float) -> dict[str, Any]:
        return {
            "kind": _KIND,
            "params_digest": stamp.digest,
            "uri": f"s3://{self._sites.target.bucket}/{row.target}",
            "size_bytes": stamp.size_bytes,
            "width_px": stamp.width_px,
            "height_px": stamp.height_px,
            "sha256": stamp.sha256,
            "status": "ok",
            "duration_s": duration_s,
            "reader_version": self._workshop.reader_version,
        }

    def _refused(self, row: Row, failure: Failure, duration_s: float) -> Outcome:
        derived = {
            "kind": _KIND,
            "params_digest": self._commission.digest,
            "status": status_of(failure.reason),
            "error": failure.reason,
            "error_detail": failure.detail,
            "duration_s": duration_s,
            "reader_version": self._workshop.reader_version,
        }
        return Outcome(row, "failed", failure.reason, failure.detail, derived=derived)


def _item_of(row: Row) -> Item:
    name = row.key.rpartition("/")[2]
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    return Item(row.key, row.etag, row.size_bytes, extension, row.storage_class or "STANDARD")
