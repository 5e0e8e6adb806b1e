"""`tag`: set, replace or take away object tags."""

import asyncio
from typing import Any

from pydantic import Field, model_validator

from s3pipelines.core.batch.actions.action import Action, Chunk, Params, Requests
from s3pipelines.core.batch.actions.rewriting import still_there
from s3pipelines.core.batch.outcomes import failed, not_as_planned
from s3pipelines.core.batch.returning import facts_of
from s3pipelines.core.batch.rows import Outcome, Row
from s3pipelines.core.batch.sites import Sites
from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.verbs.tags import get_tags, put_tags

_MOST_TAGS = 10


class TagParams(Params):
    """What is set, and what is taken away; the rest stays, unless all are replaced."""

    set: dict[str, str] = Field({}, description="Tags to set.")
    remove: list[str] = Field([], description="Names of tags to take away.")
    replace_all: bool = Field(False, description="Take away all tags that are not set here.")

    @model_validator(mode="after")
    def _says_something(self) -> "TagParams":
        if not (self.set or self.remove or self.replace_all):
            raise ValueError("nothing is to be set or taken away")
        if len(self.set) > _MOST_TAGS:
            raise ValueError(f"an object has at most {_MOST_TAGS} tags")
        return self

    def applied_to(self, tags: dict[str, str]) -> dict[str, str]:
        """The tags of an object afterwards."""
        kept = {} if self.replace_all else tags
        return {name: value for name, value in kept.items() if name not in self.remove} | self.set


class TagAction(Action):
    """Reads the tags of each object, and writes them as they are to be."""

    name = "tag"
    summary = "Set or take away object tags."
    params_type = TagParams

    def __init__(self, params: TagParams) -> None:
        super().__init__(params)
        self._params = params

    @property
    def requests(self) -> Requests:
        """One to read and one to write, each."""
        return Requests(reads=1, writes=1)

    @property
    def touches(self) -> frozenset[str]:
        """The index has no tags."""
        return frozenset()

    async def carry_out(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Read all, note what they were, write."""
        there, ended = await still_there(sites, chunk)
        read = await asyncio.gather(*(_tags_of(sites, row) for row, _ in there))
        before = {one[0].number: one[1] for one in read if isinstance(one, tuple)}
        ended += [one for one in read if isinstance(one, Outcome)]
        # What an earlier process had found holds: by now they may be what it had made of them.
        first = {n: fact["tags"] for n, fact in chunk.noted.items() if "tags" in fact}
        before |= {number: tags for number, tags in first.items() if number in before}
        await chunk.notes.note({number: {"tags": tags} for number, tags in before.items()})

        async def write(row: Row) -> Outcome:
            old = before[row.number]
            new = self._params.applied_to(old)
            if len(new) > _MOST_TAGS:
                return not_as_planned(
                    row, "too_many", f"{row.key} would have {len(new)} tags; S3 takes {_MOST_TAGS}."
                )
            return await _write(sites, row, new, {"tags": old, "set": new})

        ended += await asyncio.gather(*(write(row) for row, _ in there if row.number in before))
        return ended

    async def take_back(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Write the tags that were there, where they are still what the plan made of them."""
        there, ended = await still_there(sites, chunk)

        async def back(row: Row) -> Outcome:
            read = await _tags_of(sites, row)
            if isinstance(read, Outcome):
                return read
            facts = facts_of(row)
            if read[1] not in (facts["set"], facts["tags"]):
                return not_as_planned(row, "changed", f"{row.key} was tagged anew since.")
            return await _write(sites, row, facts["tags"], {"tags": read[1], "set": facts["tags"]})

        return ended + list(await asyncio.gather(*(back(row) for row, _ in there)))

    def tags_after(self, outcome: Outcome) -> dict[str, str | None] | None:
        """What the table `tags` is told: what is set, and NULL for what was taken away."""
        if "set" not in outcome.previous:
            return None
        return dict.fromkeys(outcome.previous["tags"]) | outcome.previous["set"]

    def why_not_undone(self, previous: dict[str, Any]) -> str | None:
        """The tags that were there are noted."""
        return None if "tags" in previous else "nothing was noted of it"


async def _tags_of(sites: Sites, row: Row) -> tuple[Row, dict[str, str]] | Outcome:
    try:
        return row, await get_tags(sites.source.client, row.key)
    except StorageError as error:
        return failed(row, error)


async def _write(sites: Sites, row: Row, tags: dict[str, str], facts: dict[str, Any]) -> Outcome:
    try:
        await put_tags(sites.source.client, row.key, tags)
    except StorageError as error:
        return failed(row, error)
    return Outcome(row, "done", precondition="head", etag=row.etag, previous=facts)
