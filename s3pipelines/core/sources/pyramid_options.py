"""How a source wants its pyramids: the recipe, the largest sizes, and where they go."""

import re
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from s3pipelines.core.batch.templates import Template, parse_template
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.pyramid_params import Colour, Compression, PyramidParams

_NAMED = re.compile(r"(tag|annotation):([^=]+)=(.*)", re.DOTALL)
_LARGEST_CAP_PX = 2**31 - 1


class PyramidRule(BaseModel):
    """The largest size of the pyramids of some objects.

    Attributes:
        when: `tag:NAME=VALUE`, `annotation:COLUMN=VALUE`, or an SQL condition over the columns of
            `objects` and of the source's annotations: `rights = 'copyright'`.
        max_width_px: Largest width; None: any.
        max_height_px: Largest height.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    when: str
    max_width_px: int | None = Field(default=None, ge=1, le=_LARGEST_CAP_PX)
    max_height_px: int | None = Field(default=None, ge=1, le=_LARGEST_CAP_PX)

    @field_validator("when")
    @classmethod
    def _can_be_read(cls, when: str) -> str:
        if _NAMED.fullmatch(when):
            return when
        import duckdb

        try:
            statements = duckdb.extract_statements(f"SELECT (\n{when}\n)")
        except duckdb.Error as error:
            raise ValueError(f"the rule {when!r} is no SQL condition ({error})") from error
        if len(statements) != 1:
            raise ValueError(f"the rule {when!r} is more than one condition")
        return when

    @model_validator(mode="after")
    def _has_a_cap(self) -> Self:
        if self.max_width_px is None and self.max_height_px is None:
            raise ValueError(f"the rule {self.when!r} has neither a largest width nor a height")
        return self

    @property
    def named(self) -> tuple[str, str, str] | None:
        """`tag` or `annotation`, the name and the value, where it asks for one."""
        found = _NAMED.fullmatch(self.when)
        return (found[1], found[2].strip(), found[3].strip()) if found else None


class PyramidOptions(BaseModel):
    """What may be chosen for the pyramids of a source.

    Attributes:
        tile_px: Side of a tile.
        compression: Codec of the tiles.
        quality: Of a lossy codec, 1 to 100.
        subifds: Levels hang below their page (as OME wants them) instead of following it.
        dpi: Resolution that the files claim; None: that of the image.
        colour: `keep`, or `srgb`.
        max_width_px: Largest width of all pyramids, upright; None: full resolution.
        max_height_px: Largest height.
        rules: Smaller ones for some objects; of several that hold for one, the strictest counts.
        key: Template of the key of a pyramid.
    """

    # Fields of a newer release must survive an update by this one.
    model_config = ConfigDict(frozen=True, extra="allow")

    tile_px: int = 256
    compression: Compression = "jpeg"
    quality: int = 85
    subifds: bool = False
    dpi: float | None = None
    colour: Colour = "keep"
    max_width_px: int | None = Field(default=None, le=_LARGEST_CAP_PX)
    max_height_px: int | None = Field(default=None, le=_LARGEST_CAP_PX)
    rules: tuple[PyramidRule, ...] = ()
    key: str = "{key}.tif"

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        try:
            _ = self.params, self.template
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def params(self) -> PyramidParams:
        """The parameters of a pyramid for which no rule holds."""
        return PyramidParams(
            tile_px=self.tile_px,
            compression=self.compression,
            quality=self.quality,
            subifds=self.subifds,
            dpi=self.dpi,
            colour=self.colour,
            max_width_px=self.max_width_px,
            max_height_px=self.max_height_px,
        )

    @property
    def template(self) -> Template:
        """The template of the keys."""
        return parse_template(self.key)
