"""A recipe: steps in their order, what is kept beside the pixels, and the format they end in."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.conversion.output import Metadata, Output
from s3pipelines.core.imaging.conversion.outputs import read_output
from s3pipelines.core.imaging.conversion.steps import ColourSpace, Step, read_step
from s3pipelines.core.imaging.conversion.told import Told, first_fault, unknown

# Grows when the same recipe gives other files.
_VERSION = 1
_DIGEST_CHARACTERS = 16
_MOST_STEPS = 64
_LARGEST_FILE_BYTES = 64 * 1024
METADATA: tuple[Metadata, ...] = get_args(Metadata)
_HINT = "See docs/converting.md for an example, and docs/reference/recipes.md for all fields."


def _metadata(given: Any) -> Any:
    if given == "keep":
        return METADATA
    if given == "strip":
        return ()
    if not isinstance(given, list | tuple):
        raise ValueError(f"write keep, strip, or a list of {', '.join(METADATA)}")
    for name in given:
        if name not in METADATA:
            raise ValueError(unknown("there is no metadata", str(name), METADATA))
    return tuple(name for name in METADATA if name in given)


def _dumped(output: Output) -> dict[str, Any]:
    return output.model_dump(mode="json", exclude_none=True)


AnyStep = Annotated[Step, PlainValidator(read_step), PlainSerializer(Step.as_dict)]
AnyOutput = Annotated[Output, PlainValidator(read_output), PlainSerializer(_dumped)]


class ConversionRecipe(Told):
    """What is done with every image of a conversion.

    Whatever the steps are, an image is made upright first. Two recipes that are equal have the
    same digest, however they were written.
    """

    steps: tuple[AnyStep, ...] = Field(
        (), max_length=_MOST_STEPS, description="What is done to the pixels, in this order."
    )
    metadata: Annotated[tuple[Metadata, ...], BeforeValidator(_metadata)] = Field(
        METADATA,
        description="What is kept beside the pixels, as far as the format can hold it: `keep`, "
        "`strip`, or a list of `icc`, `exif`, `xmp` and `iptc`. Without `icc`, colours are brought "
        "to sRGB, so that nothing looks otherwise.",
    )
    output: AnyOutput = Field(description="The format, with its options.")

    @model_validator(mode="after")
    def _ends_in_colours_that_can_be_held(self) -> "ConversionRecipe":
        spaces = [step.space for step in self.steps if isinstance(step, ColourSpace)]
        space, holds = (spaces[-1] if spaces else "srgb"), self.output.holds
        if space == "cmyk" and not holds.cmyk:
            raise ValueError(f"{self.output.title} holds no CMYK; use JPEG or TIFF, or srgb")
        if space in ("cmyk", "p3") and not (self.keeps("icc")):
            raise ValueError(
                f"colours of {space} are only right with their profile, which is not kept; keep "
                "icc and use a format that holds it, or srgb"
            )
        return self

    @property
    def extension(self) -> str:
        """Of the keys of what is made."""
        return self.output.extension

    def keeps(self, what: Metadata) -> bool:
        """Whether it is to be kept, and the format can hold it."""
        return what in self.metadata and what in self.output.holds.metadata

    def digest(self, *more: str) -> str:
        """Names the recipe: 16 hexadecimal characters.

        Args:
            more: What else decides what is made and where it goes.
        """
        text = json.dumps([_VERSION, self.model_dump(mode="json"), *more], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def recipe_of(told: Any) -> ConversionRecipe:
    """A recipe from plain values, as YAML or JSON gives them.

    Raises:
        InvalidInput: It is none, with what is wrong and where.
    """
    if not isinstance(told, dict):
        raise InvalidInput("A recipe has the fields steps, metadata and output.", hint=_HINT)
    try:
        return ConversionRecipe.model_validate(told)
    except ValidationError as error:
        raise InvalidInput(f"The recipe is not valid: {first_fault(error)}.", hint=_HINT) from error


def parse_recipe(text: str) -> ConversionRecipe:
    """A recipe from YAML, or from JSON, which is YAML too.

    Raises:
        InvalidInput: It is none, with what is wrong and where.
    """
    try:
        told = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        what = " ".join(str(error).split())
        raise InvalidInput(f"The recipe is neither YAML nor JSON ({what}).", hint=_HINT) from error
    return recipe_of(told)


def read_recipe(path: Path) -> ConversionRecipe:
    """The recipe in a file.

    Raises:
        InvalidInput: The file cannot be read, or holds none.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise InvalidInput(f"{path} is too large for a recipe.", hint=_HINT)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read ({error}).", hint="Check the path.") from error
    return parse_recipe(text)
