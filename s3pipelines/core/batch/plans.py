"""A plan: what is to be done to which objects, frozen, as a document and a manifest beside it."""

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import Gone, InvalidInput, NotFound, Unreadable
from s3pipelines.core.storage.locations import Location, parse_s3_location

_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_FOLDER = "plans/"
_READS_AT_A_TIME = 16


class Shard(BaseModel):
    """A slice of a plan that one step works through.

    Attributes:
        number: From 0 on; its file is `manifest/NUMBER.parquet`.
        first: Number of its first row; the others follow without a gap.
        rows: How many.
        size_bytes: Their size together.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    first: int
    rows: int
    size_bytes: int

    @property
    def file(self) -> str:
        """Its file, below the folder of the plan."""
        return f"manifest/{self.number:05d}.parquet"


class Flag(BaseModel):
    """Something about some objects of a plan that a reviewer should know.

    Attributes:
        name: In one word.
        objects: How many it concerns.
        meaning: What it means for them, in a sentence.
        examples: A few of their keys.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    objects: int
    meaning: str
    examples: tuple[str, ...] = ()


class ClassShare(BaseModel):
    """What a plan holds of one storage class."""

    model_config = ConfigDict(frozen=True)

    storage_class: str
    objects: int
    size_bytes: int


class Summary(BaseModel):
    """What a reviewer reads.

    Attributes:
        objects: Rows of the plan.
        to_do: Those that are to be carried out; the others are skipped, see `flags`.
        size_bytes: Size of those to be carried out.
        requests: Estimated requests.
        usd: What these cost on AWS, as S3 Standard in us-east-1 is priced.
        classes: By storage class.
        flags: What is worth knowing.
        samples: Some keys with their targets.
    """

    model_config = ConfigDict(frozen=True)

    objects: int
    to_do: int
    size_bytes: int
    requests: int
    usd: float
    classes: tuple[ClassShare, ...] = ()
    flags: tuple[Flag, ...] = ()
    samples: tuple[tuple[str, str | None], ...] = ()


class Plan(BaseModel):
    """A frozen selection with an action, its parameters, and a manifest of one row per object.

    Attributes:
        id: Its id; later plans sort later.
        source_id: Whose objects.
        generation: The registration of the source that it was made for.
        action: Name of the action.
        params: What the action is told.
        selection: How the objects were selected, for people.
        target: Where they go, `s3://bucket/prefix/`; None if they stay.
        undoes: The plan that this one takes back.
        created_by: Who made it.
        reason: Why, in their words.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    source_id: str
    generation: str
    action: str
    params: dict[str, Any]
    selection: str
    target: str | None
    undoes: str | None = None
    created_at: datetime
    created_by: str
    reason: str = ""
    shards: tuple[Shard, ...]
    summary: Summary

    @property
    def target_bucket(self) -> str | None:
        """The bucket that the objects go to."""
        return parse_s3_location(self.target).bucket if self.target else None


def new_plan_id(at: datetime | None = None) -> str:
    """An id that nobody else has, which sorts by time."""
    return f"{at or datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def plan_folder(catalog: Catalog, plan_id: str) -> Location:
    """Where the files of a plan are; apart from the documents, which are listed."""
    return catalog.location.child(f"plan_files/{plan_id}")


def plan_document(plan_id: str) -> str:
    """Name of the document of a plan."""
    return f"{_FOLDER}{plan_id}.json"


def write_plan(catalog: Catalog, plan: Plan) -> None:
    """Write a new plan; its manifest is there already.

    Raises:
        StorageError: The catalog cannot be written.
    """
    body = plan.model_dump_json(indent=1).encode()
    catalog.documents.create(plan_document(plan.id), body)


def read_plan(catalog: Catalog, plan_id: str) -> Plan:
    """A plan.

    Raises:
        InvalidInput: No plan can have that id.
        NotFound: There is no such plan.
        Unreadable: It is damaged, or was written by a newer release.
        StorageError: The catalog cannot be read.
    """
    if not _ID.fullmatch(plan_id):
        raise InvalidInput(
            f"{plan_id!r} is no id of a plan.",
            hint="It looks like 20260131-093000-1f2e3d; 's3pipelines batch list' shows them.",
        )
    try:
        body = catalog.documents.read(plan_document(plan_id)).body
    except Gone as error:
        raise NotFound(
            f"There is no plan {plan_id!r}.", hint="See 's3pipelines batch list'."
        ) from error
    try:
        return Plan.model_validate_json(body)
    except ValidationError as error:
        raise Unreadable(
            f"The plan {plan_id!r} cannot be read ({error.error_count()} faults in its document).",
            hint="It may come from a newer release: upgrade s3pipelines on this machine.",
        ) from error


def list_plans(catalog: Catalog, limit: int) -> list[Plan]:
    """The newest plans, the newest first.

    Raises:
        Unreadable: One of them is damaged, or was written by a newer release.
        StorageError: The catalog cannot be read.
    """
    names = catalog.documents.names(_FOLDER)
    ids = [name.removeprefix(_FOLDER).removesuffix(".json") for name in names]
    newest = sorted(ids, reverse=True)[:limit]
    with ThreadPoolExecutor(_READS_AT_A_TIME) as pool:
        return list(pool.map(lambda plan_id: read_plan(catalog, plan_id), newest))
