"""A bucket file: what a bucket is to have set. What it does not name is left alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from s3pipelines.core.buckets.settings import SETTINGS
from s3pipelines.core.buckets.settings.cors import CorsRule
from s3pipelines.core.buckets.settings.form import FileModel
from s3pipelines.core.buckets.settings.lifecycle import LifecycleRule
from s3pipelines.core.buckets.settings.notifications import Notifications
from s3pipelines.core.buckets.settings.policy import Policy
from s3pipelines.core.buckets.settings.simple import (
    Encryption,
    PublicAccessBlock,
    Tags,
    Versioning,
)
from s3pipelines.core.buckets.yaml_text import read_yaml
from s3pipelines.core.errors import InvalidInput

_LARGEST_BYTES = 1_000_000
# These are always something; to write nothing there would say nothing.
_NEVER_NOTHING = ("versioning", "encryption")


class BucketFile(FileModel):
    """The form of a bucket file; null takes a setting away."""

    bucket: str | None = None
    versioning: Versioning | None = None
    encryption: Encryption | None = None
    public_access_block: PublicAccessBlock | None = None
    tags: Tags | None = None
    lifecycle: tuple[LifecycleRule, ...] | None = None
    cors: tuple[CorsRule, ...] | None = None
    policy: Policy | None = None
    notifications: Notifications | None = None


@dataclass(frozen=True)
class Wanted:
    """What a bucket is to have set.

    Attributes:
        bucket: Its name; None if the file does not say it.
        settings: Plain values by the name of the setting; None: it is to be taken away.
    """

    bucket: str | None
    settings: dict[str, Any]


def read_bucket_file(path: Path) -> Wanted:
    """Read a bucket file.

    Raises:
        InvalidInput: It is not there, no YAML, or has something that it cannot have.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InvalidInput(f"{path} is too large for a bucket file.", hint="Name another one.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"The file {path} cannot be read ({error}).", hint="Name a file of UTF-8 text."
        ) from error
    return wanted_of(read_yaml(text, str(path)), str(path))


def wanted_of(said: Any, name: str) -> Wanted:
    """What a bucket file, or the same as plain values, wants.

    Args:
        said: What the YAML gave.
        name: What it is called, for errors.

    Raises:
        InvalidInput: It has something that it cannot have.
    """
    if not isinstance(said, dict):
        raise InvalidInput(
            f"{name} does not hold names and values.",
            hint="Begin with 'bucket: NAME'; see docs/buckets.md.",
        )
    try:
        read = BucketFile.model_validate(said)
    except ValidationError as error:
        raise _refusal(error, name) from error
    given = {setting: getattr(read, setting) for setting in SETTINGS if setting in said}
    for setting in _NEVER_NOTHING:
        if setting in given and given[setting] is None:
            raise InvalidInput(
                f"{name}: {setting} is never nothing.", hint="Write a value, or leave it out."
            )
    return Wanted(read.bucket, {s: SETTINGS[s].plain(value) for s, value in given.items()})


def _refusal(error: ValidationError, name: str) -> InvalidInput:
    first = error.errors()[0]
    where = "".join(
        f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in first["loc"]
    ).lstrip(".")
    why = first["msg"].removeprefix("Value error, ").rstrip(".")
    if first["type"] == "string_type":
        why += "; put it in quotes"
    more = len(error.errors()) - 1
    others = f" ({more} more of the kind follow)" if more else ""
    return InvalidInput(
        f"{name}: {f'{where}: ' if where else ''}{why}.{others}",
        hint="See docs/buckets.md, or 's3pipelines buckets show NAME --yaml'.",
    )
