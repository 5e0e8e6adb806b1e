"""What a source is: a bucket and key prefix under an id, and how it wants to be treated."""

import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.pyramid_options import PyramidOptions
from s3pipelines.core.storage.access import AWS_ENDPOINT, Access
from s3pipelines.core.storage.locations import S3Location, parse_s3_location

SOURCE_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

Derivative = Literal["headers", "thumbnails", "pyramids", "hdf5"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4096)]
Tags = Annotated[dict[str, str], Field(max_length=50)]
# timedelta overflows at a thousand times more.
_HUNDRED_YEARS_H = 100 * 366 * 24


def _without_doubles(derive: tuple[Derivative, ...]) -> tuple[Derivative, ...]:
    return tuple(dict.fromkeys(derive))


def _or_none(text: str | None) -> str | None:
    return text.strip() or None if text else None


def _endpoint(url: str | None) -> str | None:
    if url is None or url == AWS_ENDPOINT:
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an endpoint is written https://HOST[:PORT], or 'aws'")
    if parts.username or parts.password or parts.query:
        raise ValueError("an endpoint holds no user, password or query")
    return url.rstrip("/")


# Empty takes a value away again.
Named = Annotated[str | None, AfterValidator(_or_none)]
Endpoint = Annotated[Named, AfterValidator(_endpoint)]


def _inbox(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        return parse_s3_location(path).uri
    except InvalidInput as error:
        raise ValueError(str(error)) from error


Inbox = Annotated[Named, AfterValidator(_inbox)]


class HistoryEntry(BaseModel):
    """One thing that somebody did to a source's registration."""

    # Like those of a source, fields of a newer release survive an update by this one.
    model_config = ConfigDict(frozen=True, extra="allow")

    at: datetime
    by: str
    message: str


class SourceOptions(BaseModel):
    """What may be chosen when a source is registered, and changed afterwards.

    Attributes:
        include: Globs over keys below the prefix; `*` also matches `/`. Empty: everything.
        exclude: Globs of what is left out even so.
        settle_s: Seconds that an object must have rested before it is taken in.
        derive: Derivatives that the source wants; none unless asked for, as they cost requests.
        pyramids: When pyramids are made: as objects arrive, or once a day.
        pyramid: How they are to be.
        fresh_within_hours: Older than this, the index counts as stale.
        versions: The index keeps the version ids of its objects: it lists by versions.
        object_tags: Each full listing is followed by reading the tags of all objects, which costs
            a request for each.
        read_only: The project never writes to or deletes from this source.
        endpoint_url: Another S3 server than the catalog's; `aws` for AWS itself.
        inbox: `s3://bucket/prefix` of JSON files that note uploads, `{"key": …, "path": …}`; they
            are read and removed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: Text = ""
    tags: Tags = Field(default_factory=dict)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    settle_s: int = Field(default=0, ge=0, le=7 * 24 * 3600)
    derive: Annotated[tuple[Derivative, ...], AfterValidator(_without_doubles)] = ()
    pyramids: Literal["on-arrival", "scheduled"] = "scheduled"
    pyramid: PyramidOptions = Field(default_factory=PyramidOptions)
    fresh_within_hours: float = Field(default=36, gt=0, le=_HUNDRED_YEARS_H)
    versions: bool = False
    object_tags: bool = False
    read_only: bool = False
    profile: Named = None
    role_arn: Named = None
    anonymous: bool = False
    endpoint_url: Endpoint = None
    requester_pays: bool = False
    inbox: Inbox = None

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if self.anonymous and (self.profile or self.role_arn):
            raise ValueError("a source is anonymous or has a profile or role, not both")
        return self


class Source(SourceOptions):
    """A registered source, as its document in the catalog has it.

    Attributes:
        generation: New for each registration, also of the same id again.
        state: `deleting` while its rows are being removed; such a source is on its way out.
    """

    # Fields of a newer release must survive an update by this one.
    model_config = ConfigDict(frozen=True, extra="allow")

    id: Annotated[str, StringConstraints(pattern=f"^{SOURCE_ID.pattern}$")]
    bucket: Annotated[str, StringConstraints(min_length=1)]
    prefix: Annotated[str, StringConstraints(pattern=r"(^|/)$")]
    generation: str = Field(default_factory=lambda: uuid.uuid4().hex)
    state: Literal["active", "deleting"] = "active"
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    created_by: str = ""
    history: tuple[HistoryEntry, ...] = ()

    @model_validator(mode="after")
    def _inbox_is_apart(self) -> Self:
        place = self.inbox_location
        if place is not None and place.overlaps(self.location):
            raise ValueError("the inbox and the source overlap: its files would be objects")
        return self

    @property
    def inbox_location(self) -> S3Location | None:
        """Where its uploads are noted, if they are."""
        return parse_s3_location(self.inbox) if self.inbox else None

    @property
    def location(self) -> S3Location:
        """Where its objects are."""
        return S3Location(self.bucket, self.prefix)

    def access(self, catalog_access: Access) -> Access:
        """How to reach it: its own credentials and endpoint over those of the catalog."""
        return catalog_access.for_source(
            profile=self.profile,
            role_arn=self.role_arn,
            anonymous=self.anonymous,
            endpoint_url=self.endpoint_url,
            requester_pays=self.requester_pays,
        )
