"""`convert`: make another image of each, by a recipe, verified before it appears."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from s3pipelines.core.batch.actions.action import Action, Chunk, Params, Requests
from s3pipelines.core.batch.actions.common import Metadata, StorageClass, lowered
from s3pipelines.core.batch.existing import OnExisting
from s3pipelines.core.batch.making import Commission, make_files
from s3pipelines.core.batch.mapping import KeyMapping
from s3pipelines.core.batch.returning import take_back_copies
from s3pipelines.core.batch.rows import Outcome
from s3pipelines.core.batch.sites import Sites
from s3pipelines.core.batch.workshop import Workshop, open_workshop
from s3pipelines.core.imaging.conversion.making import CONVERSION_LIMITS
from s3pipelines.core.imaging.conversion.recipe import ConversionRecipe
from s3pipelines.core.imaging.conversion.writers import require_writable
from s3pipelines.core.storage.locations import parse_s3_location

DEFAULT_TEMPLATE = "{parent}{base}.{format}"


class ConvertParams(Params):
    """What is made of each image, and where it goes."""

    to: str = Field(description="s3://BUCKET/PREFIX that the files go to.")
    recipe: ConversionRecipe = Field(
        description="What is done with each image: steps, metadata and output."
    )
    template: str = Field(
        DEFAULT_TEMPLATE,
        description="Their keys below it: {key}, {parent}, {name}, {stem}, {ext}, {date:%Y}, "
        "{tag:NAME}, {format}, and {base}: the stem, or the whole name where another object has "
        "the same stem.",
    )
    on_existing: OnExisting = Field(
        OnExisting.fail, description="What is done where the target exists already."
    )
    storage_class: StorageClass | None = Field(
        None, description="Storage class of the files; STANDARD by default."
    )
    metadata: Metadata = Field({}, description="Metadata that the objects of the files get.")
    tags: dict[str, str] = Field({}, description="Tags that they get.")
    keep_object_metadata: bool = Field(
        False, description="They also get the metadata of the objects that they are made from."
    )
    keep_object_tags: bool = Field(
        False, description="They also get the tags of the objects that they are made from."
    )

    @property
    def mapping(self) -> KeyMapping:
        """Where the files go."""
        location = parse_s3_location(self.to)
        return KeyMapping(location, self.template, extension=self.recipe.extension)

    def commission(self, plan_id: str) -> Commission:
        """What is made of each object, and what its file has beside its bytes."""
        headers = {"x-amz-storage-class": self.storage_class.value} if self.storage_class else {}
        return Commission(
            plan_id=plan_id,
            recipe=self.recipe,
            digest=self.recipe.digest(self.mapping.to.uri, self.template),
            headers=headers,
            metadata=lowered(self.metadata),
            tags=self.tags,
            keeps_metadata=self.keep_object_metadata,
            keeps_tags=self.keep_object_tags,
        )


class ConvertAction(Action):
    """Decodes, carries a recipe out, encodes, verifies, and only then writes; originals stay."""

    name = "convert"
    summary = "Convert images to another size or format by a recipe; each is verified."
    params_type = ConvertParams
    reads = True
    changes_source = False
    # A chunk of images takes seconds, as a thousand copies do.
    chunk_rows = 50

    def __init__(self, params: ConvertParams) -> None:
        super().__init__(params)
        self._params, self._mapping = params, params.mapping
        self._workshop: Workshop | None = None

    @property
    def requests(self) -> Requests:
        """One to read and one to write, each."""
        params = self._params
        more = params.keep_object_metadata + params.keep_object_tags
        return Requests(reads=1 + more, writes=1)

    @property
    def mapping(self) -> KeyMapping:
        """Where they go."""
        return self._mapping

    @property
    def on_existing(self) -> OnExisting:
        """As told."""
        return self._params.on_existing

    @property
    def trash_of(self) -> Literal["target"] | None:
        """What is replaced at the target is kept."""
        replaces = (OnExisting.overwrite, OnExisting.if_newer)
        return "target" if self._params.on_existing in replaces else None

    @property
    def touches(self) -> frozenset[str]:
        """The targets."""
        return frozenset({"target"})

    def require_possible(self) -> None:
        """The libraries of this machine write the format."""
        require_writable(self._params.recipe.output)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Workers, as many as this machine has cores and memory for."""
        async with open_workshop(CONVERSION_LIMITS) as self._workshop:
            yield

    async def carry_out(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Make the file of each image, if it and its target are as planned."""
        assert self._workshop is not None, "convert works within at_work()"
        commission = self._params.commission(sites.plan_id)
        return await make_files(sites, chunk, commission, self._workshop)

    async def take_back(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Remove the files, and bring back what they replaced."""
        digest = self._params.commission("").digest
        outcomes = await take_back_copies(sites, chunk, chunk.rows)
        gone = {
            "kind": "convert",
            "params_digest": digest,
            "status": "skipped",
            "error_detail": "Its file was taken back.",
            "duration_s": 0.0,
            "reader_version": "",
        }
        return [replace(one, derived=gone) if one.result == "done" else one for one in outcomes]

    def why_not_undone(self, previous: dict[str, Any]) -> str | None:
        """What was made is known of each that is done."""
        return None if "made" in previous else "nothing was noted of it"
