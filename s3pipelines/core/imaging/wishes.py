"""What is wanted of which objects: the kinds of work on images, and one piece of it."""

from dataclasses import dataclass, field
from typing import Any, Literal

from s3pipelines.core.catalog.schemas import DERIVATIVES, IMAGES, TableSchema
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.pyramid_params import digest_of
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS
from s3pipelines.core.imaging.thumbnails import ThumbnailParams
from s3pipelines.core.sources.pyramid_options import PyramidOptions
from s3pipelines.core.sources.source import Derivative, Source
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage.ranged_reads import ARCHIVED_CLASSES

Kind = Literal["header", "thumbnail", "pyramid"]
# What a source asks for, and what is made of it; what takes least comes first.
KINDS: dict[Derivative, Kind] = {
    "headers": "header",
    "thumbnails": "thumbnail",
    "pyramids": "pyramid",
}
# What one image may cost.
LIMITS: dict[Kind, Limits] = {
    "header": Limits(),
    "thumbnail": Limits(),
    "pyramid": PYRAMID_LIMITS,
}


@dataclass(frozen=True)
class Work:
    """What is wanted of which objects.

    Attributes:
        source_id: A registered source.
        kind: Rows of `images`, or files and their rows of `derivatives`.
        params: How thumbnails are to be.
        pyramid: How pyramids are to be, and where they go.
        selection: Of which objects.
        sniff: Also look at objects whose name does not tell whether they are images (no or an
            unknown extension). That costs a GET request each, once per state: 0.40 USD per
            million on AWS. Extensions that are certainly none are never looked at.
        again: Reasons of failures that are tried again whatever the rules say, as after a repair.
        patient: Nobody waits for it: objects that the storage did not give are asked for again
            only after a while, so that a source that denies access is not asked day and night.
        batch: Only objects that this batch of the ledger changed, in the last day.
        shard: Take the objects of one of several equal parts: its number and how many there are.
    """

    source_id: str
    kind: Kind
    params: ThumbnailParams = field(default_factory=ThumbnailParams)
    pyramid: PyramidOptions = field(default_factory=PyramidOptions)
    selection: Selection = field(default_factory=Selection)
    sniff: bool = True
    again: frozenset[str] = frozenset()
    patient: bool = False
    batch: str | None = None
    shard: tuple[int, int] = (0, 1)

    @property
    def table(self) -> TableSchema:
        """The table that its rows go to."""
        return IMAGES if self.kind == "header" else DERIVATIVES

    @property
    def digest(self) -> str:
        """Names the parameters; of pyramids, those of objects without a cap."""
        if self.kind == "pyramid":
            return digest_of(self.pyramid.params, self.pyramid.key)
        return self.params.digest

    @property
    def limits(self) -> Limits:
        """What one image may cost."""
        return LIMITS[self.kind]


def work_on(source: Source, kind: Kind, **options: Any) -> Work:
    """One kind of work on a source, as the source wants it done.

    Args:
        source: The source.
        kind: What is made.
        options: Other fields of `Work`.
    """
    return Work(source.id, kind, pyramid=source.pyramid, **options)


def kinds_of(source: Source) -> list[Kind]:
    """What a source asks for."""
    return [kind for wish, kind in KINDS.items() if wish in source.derive]


def kinds_on_arrival(source: Source) -> list[Kind]:
    """What a source asks for as soon as its objects arrive; the rest is made once a day."""
    late = source.pyramids == "scheduled"
    return [kind for kind in kinds_of(source) if not (late and kind == "pyramid")]


@dataclass(frozen=True)
class Item:
    """One object that is to be worked on.

    Attributes:
        params_digest: Of a pyramid: names all of its parameters.
        max_width_px: Of a pyramid: the strictest cap, if there is one.
        max_height_px: The same of the height.
        target: Of a pyramid: its key by the template; None where a tag is missing for it.
        clashes: Another object has the same.
    """

    key: str
    etag: str
    size_bytes: int
    extension: str
    storage_class: str
    params_digest: str = ""
    max_width_px: int | None = None
    max_height_px: int | None = None
    target: str | None = None
    clashes: bool = False

    @property
    def archived(self) -> bool:
        """It cannot be read without a restore."""
        return self.storage_class in ARCHIVED_CLASSES
