"""The steps of a recipe: what is done to the pixels, one after the other.

An image is upright before the first of them, whatever its orientation tag says.
"""

from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator

from s3pipelines.core.imaging.conversion.told import Colour, Told, first_fault, unknown

LARGEST_SIDE_PX = 100_000
_LARGEST_PERCENT = 10_000
Position = Literal["centre", "attention"]


class Step(Told):
    """One step; a subclass for each, registered in `STEPS`.

    Attributes:
        name: As recipes write it.
        main: The field that a plain value stands for: `rotate: 90`.
    """

    name: ClassVar[str]
    main: ClassVar[str | None] = None

    def as_dict(self) -> dict[str, Any]:
        """The step as a recipe writes it, with every field that it has."""
        return {self.name: self.model_dump(mode="json", exclude_none=True)}


class Resize(Step):
    """Change the size; what is transparent is weighed by how far it can be seen."""

    name = "resize"
    width: int | None = Field(None, ge=1, le=LARGEST_SIDE_PX, description="Width in pixels.")
    height: int | None = Field(None, ge=1, le=LARGEST_SIDE_PX, description="Height in pixels.")
    percent: float | None = Field(
        None, gt=0, le=_LARGEST_PERCENT, description="In place of both: of the size that it has."
    )
    fit: Literal["fit", "fill", "exact"] = Field(
        "fit",
        description="`fit`: within width and height, of which one will do; `fill`: exactly that "
        "size, and what sticks out is cut off; `exact`: exactly that size, stretched.",
    )
    at: Position = Field("centre", description="With `fill`, what stays: see `crop`.")
    enlarge: bool = Field(False, description="With `fit`, small images grow, too.")
    kernel: Literal["nearest", "linear", "cubic", "mitchell", "lanczos2", "lanczos3"] = Field(
        "lanczos3", description="How pixels are weighed."
    )

    @model_validator(mode="after")
    def _says_one_size(self) -> "Resize":
        sides = [side for side in (self.width, self.height) if side is not None]
        if (self.percent is None) == (not sides):
            raise ValueError("give either width and height, of which one will do, or percent")
        if self.fit != "fit" and len(sides) != 2:
            raise ValueError(f"{self.fit!r} needs width and height")
        return self


class Crop(Step):
    """Cut a part out. An image that is too small for it is refused, and told so in its row."""

    name = "crop"
    width: int = Field(ge=1, le=LARGEST_SIDE_PX, description="Width of the part in pixels.")
    height: int = Field(ge=1, le=LARGEST_SIDE_PX, description="Height of the part in pixels.")
    x: int | None = Field(None, ge=0, description="Its left edge, from the left of the image.")
    y: int | None = Field(None, ge=0, description="Its upper edge, from the top of the image.")
    at: Position = Field(
        "centre",
        description="Without x and y: `centre`, or `attention`: where edges, skin and saturated "
        "colours are.",
    )

    @model_validator(mode="after")
    def _says_one_place(self) -> "Crop":
        if (self.x is None) != (self.y is None):
            raise ValueError("x needs y, and the other way round")
        if self.x is not None and "at" in self.model_fields_set and self.at != "centre":
            raise ValueError("give either x and y or at")
        return self


class Rotate(Step):
    """Turn clockwise. By 90, 180 and 270 degrees no pixel changes; else the image grows."""

    name, main = "rotate", "angle"
    angle: float = Field(ge=-360, le=360, description="In degrees, clockwise.")
    background: Colour | None = Field(
        None,
        description="What fills the corners; by default nothing where the image has "
        "transparency, else white.",
    )


class Flip(Step):
    """Mirror."""

    name, main = "flip", "direction"
    direction: Literal["horizontal", "vertical"] = Field(
        "horizontal", description="`horizontal`: left becomes right; `vertical`: up becomes down."
    )


class Flatten(Step):
    """Put what is transparent on a background."""

    name, main = "flatten", "background"
    background: Colour = Field("#ffffff", description="Its colour.")


class ColourSpace(Step):
    """Bring the colours to another space, by the profile of the image where it has one."""

    name, main = "colour_space", "space"
    space: Literal["srgb", "gray", "p3", "cmyk"] = Field(
        description="`srgb`; `gray`: shades of grey; `p3`: Display P3; `cmyk`: for JPEG and TIFF."
    )


class Sharpen(Step):
    """Sharpen the brightness, and leave the colours."""

    name, main = "sharpen", "sigma"
    sigma: float = Field(0.5, gt=0, le=10, description="Radius of the blur that is taken away.")
    amount: float = Field(3.0, ge=0, le=20, description="How much, where there are edges.")
    flat: float = Field(0.0, ge=0, le=20, description="How much, where there are none.")


STEPS: dict[str, type[Step]] = {
    step.name: step for step in (Resize, Crop, Rotate, Flip, Flatten, ColourSpace, Sharpen)
}


def read_step(given: Any) -> Step:
    """A step from what a recipe writes: `{rotate: 90}`, `{crop: {…}}`, `flatten`.

    Raises:
        ValueError: It is none, in words that say what is wrong.
    """
    if isinstance(given, Step):
        return given
    if isinstance(given, str):
        given = {given: None}
    if not isinstance(given, dict) or len(given) != 1:
        raise ValueError("a step is its name with what it is told, such as 'rotate: 90'")
    ((name, told),) = given.items()
    kind = STEPS.get(name)
    if kind is None:
        raise ValueError(unknown("there is no step", str(name), STEPS))
    try:
        return kind.model_validate(_fields(kind, told))
    except ValidationError as error:
        raise ValueError(f"{name}: {first_fault(error)}") from None


def _fields(kind: type[Step], told: Any) -> Any:
    if told is None:
        return {}
    return {kind.main: told} if kind.main and not isinstance(told, dict) else told
