"""`metadata`: set or take away what objects say of themselves to whoever downloads them."""

import asyncio
from typing import Any

from pydantic import Field, model_validator

from s3pipelines.core.batch.actions.action import Action, Chunk, Params, Requests
from s3pipelines.core.batch.actions.common import Metadata, lowered
from s3pipelines.core.batch.actions.rewriting import (
    attempted,
    rewrite,
    rewrite_back,
    still_there,
    tags_at_risk,
)
from s3pipelines.core.batch.changes import Changes
from s3pipelines.core.batch.outcomes import failed, not_as_planned
from s3pipelines.core.batch.rows import Outcome, Row
from s3pipelines.core.batch.sites import Sites
from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.values import Described

_HEADERS = {
    "content_type": "content-type",
    "cache_control": "cache-control",
    "content_disposition": "content-disposition",
    "content_encoding": "content-encoding",
    "content_language": "content-language",
}


class MetadataParams(Params):
    """What is set, and what is taken away; the rest stays."""

    set: Metadata = Field({}, description="Metadata to set.")
    remove: list[str] = Field([], description="Names of metadata to take away.")
    content_type: str | None = Field(None, description="The content type.")
    cache_control: str | None = Field(None, description="How long others may keep it.")
    content_disposition: str | None = Field(None, description="How browsers show or save it.")
    content_encoding: str | None = Field(None, description="How it is packed.")
    content_language: str | None = Field(None, description="Its language.")

    @model_validator(mode="after")
    def _says_something(self) -> "MetadataParams":
        if not any(value for _, value in self):
            raise ValueError("nothing is to be set or taken away")
        return self

    @property
    def changes(self) -> Changes:
        """The same in other words."""
        given = {header: getattr(self, name) for name, header in _HEADERS.items()}
        return Changes(
            content={header: value for header, value in given.items() if value},
            metadata=lowered(self.set),
            remove=frozenset(name.lower() for name in self.remove),
        )


class MetadataAction(Action):
    """Copies objects onto themselves, with other metadata; tags and class stay."""

    name = "metadata"
    summary = "Set or take away metadata and content headers of objects."
    params_type = MetadataParams
    reads = True

    def __init__(self, params: MetadataParams) -> None:
        super().__init__(params)
        self._changes = params.changes

    @property
    def requests(self) -> Requests:
        """A look and a copy each."""
        return Requests(reads=1, writes=1)

    async def carry_out(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Read all, note what they said, write."""
        there, ended = await still_there(sites, chunk)
        read = await asyncio.gather(*(_facts_of(sites, row) for row, _ in there))
        ended += [one for one in read if isinstance(one, Outcome)]
        before = {row.number: facts for row, facts in (r for r in read if isinstance(r, tuple))}
        # What an earlier process had found holds: by now it may be what that had made of it.
        before |= {n: fact for n, fact in chunk.noted.items() if n in before and "metadata" in fact}
        await chunk.notes.note(before)
        changes = self._changes
        rows = [row for row, _ in there if row.number in before]
        tags, unread = await tags_at_risk(sites, chunk, rows, lambda _: changes)
        failures = {outcome.row.number for outcome in unread}

        async def write(row: Row) -> Outcome:
            facts = before[row.number]
            described = _merged(self._changes, facts)
            changes = Changes(described=described)
            doubtful = chunk.is_doubtful(row)
            kept = tags.get(row.number)
            return await rewrite(sites, row, changes, facts, doubtful=doubtful, tags=kept)

        written = (attempted(row, write(row)) for row in rows if row.number not in failures)
        return ended + unread + list(await asyncio.gather(*written))

    async def take_back(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """As it was."""
        return await rewrite_back(
            sites,
            chunk,
            lambda facts: Changes(
                described=Described(facts["content"], facts["metadata"]),
                storage_class=facts["storage_class"],
            ),
        )

    def why_not_undone(self, previous: dict[str, Any]) -> str | None:
        """What they said is noted."""
        return None if "made" in previous else "nothing was noted of it"


def _merged(changes: Changes, facts: dict[str, Any]) -> Described:
    kept = {n: v for n, v in facts["metadata"].items() if n not in changes.remove}
    return Described({**facts["content"], **changes.content}, {**kept, **changes.metadata})


async def _facts_of(sites: Sites, row: Row) -> tuple[Row, dict[str, Any]] | Outcome:
    try:
        found = await head(sites.source.client, row.key)
    except StorageError as error:
        return failed(row, error)
    if found is None or found.etag != row.etag:
        return not_as_planned(row, "changed", f"{row.key} was overwritten since.")
    return row, {
        "content": dict(found.described.content),
        "metadata": dict(found.described.metadata),
        "storage_class": found.storage_class,
    }
