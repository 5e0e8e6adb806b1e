"""What a file that a plan made says of itself, in the metadata of its object."""

from dataclasses import dataclass

from s3pipelines.core.storage.verbs.values import Found

_PLAN, _MADE_FROM, _RECIPE = "s3pipelines-plan", "s3pipelines-made-from", "s3pipelines-recipe"
_SHA256, _SIZE = "s3pipelines-sha256", "s3pipelines-size"


@dataclass(frozen=True)
class Stamp:
    """Which row of which plan a file is, and what was seen of it when it was made.

    Attributes:
        plan_id: The plan.
        row: Number of its row.
        etag: ETag of the object that it was made from.
        digest: Names the recipe and the target.
        sha256: Of its bytes, in hexadecimal.
        size_bytes: Their number.
        width_px: Its width.
        height_px: Its height.
    """

    plan_id: str
    row: int
    etag: str
    digest: str
    sha256: str
    size_bytes: int
    width_px: int
    height_px: int

    @property
    def metadata(self) -> dict[str, str]:
        """As metadata of an object."""
        return {
            _PLAN: f"{self.plan_id}/{self.row}",
            _MADE_FROM: self.etag,
            _RECIPE: self.digest,
            _SHA256: self.sha256,
            _SIZE: f"{self.width_px}x{self.height_px}",
        }

    def is_of(self, plan_id: str, row: int, etag: str) -> bool:
        """Whether it is what that row of the plan makes of that state of its object."""
        return (self.plan_id, self.row, self.etag) == (plan_id, row, etag)


def stamp_of(found: Found) -> Stamp | None:
    """The stamp of an object; None if it has none, or one that nobody here wrote."""
    told = found.described.metadata
    try:
        plan_id, _, row = told[_PLAN].partition("/")
        width_px, _, height_px = told[_SIZE].partition("x")
        return Stamp(
            plan_id=plan_id,
            row=int(row),
            etag=told[_MADE_FROM],
            digest=told[_RECIPE],
            sha256=told[_SHA256],
            size_bytes=found.size_bytes,
            width_px=int(width_px),
            height_px=int(height_px),
        )
    except (KeyError, ValueError):
        return None
