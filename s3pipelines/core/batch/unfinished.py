"""Uploads in parts that a process had begun when it was killed: noted beforehand, removed later.

Nobody sees them, but their parts are stored, and paid for, until somebody calls them off.
"""

from contextlib import suppress

from s3pipelines.core.batch.actions.action import Chunk
from s3pipelines.core.batch.rows import Row
from s3pipelines.core.batch.sites import Sites
from s3pipelines.core.errors import AccessDenied, StorageError
from s3pipelines.core.storage.verbs.list_uploads import list_uploads
from s3pipelines.core.storage.verbs.multipart import call_off

_BEFORE = "uploads_before"


async def note_uploads(sites: Sites, chunk: Chunk, row: Row) -> None:
    """Note that an upload to the target of a row is about to begin, and which are not ours.

    Raises:
        StorageError: The target cannot be asked, or the note not be written.
    """
    try:
        before = await list_uploads(sites.target.client, row.target or "")
    except AccessDenied:
        return  # Then nothing that is left behind can be found either.
    await chunk.notes.note({row.number: {_BEFORE: before}})


async def call_off_uploads(sites: Sites, chunk: Chunk, row: Row) -> None:
    """Remove what an earlier process of this plan had begun to upload to the target of a row.

    Raises:
        StorageError: The target cannot be asked.
    """
    before = chunk.noted.get(row.number, {}).get(_BEFORE)
    if before is None:
        return
    key = row.target or ""
    for upload in await list_uploads(sites.target.client, key):
        if upload not in before:
            with suppress(StorageError):  # It was completed in this moment.
                await call_off(sites.target.client, key, upload)
