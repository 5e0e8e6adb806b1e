"""Bringing a bucket's settings to what a file wants: what differs is shown, then written."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from s3pipelines.core.buckets.bucket_file import Wanted
from s3pipelines.core.buckets.settings import SETTINGS
from s3pipelines.core.buckets.state import SettingState, read_state, read_states
from s3pipelines.core.buckets.yaml_text import yaml_text
from s3pipelines.core.errors import InvalidInput, PreconditionFailed, StorageError
from s3pipelines.core.storage.bucket_settings import BucketSettings

Outcome = Literal["applied", "failed"]


@dataclass(frozen=True)
class Difference:
    """One setting that is not as it is wanted.

    Attributes:
        actual: What the bucket has.
        wanted: The plain value that it is to have; None: none.
    """

    actual: SettingState
    wanted: Any

    @property
    def name(self) -> str:
        """The setting's name."""
        return self.actual.name

    def lines(self) -> Iterator[str]:
        """The difference line by line: `- ` goes, `+ ` comes, two spaces stay."""
        before = _lines(self.actual.raw if self.actual.kind == "odd" else self.actual.value)
        after = _lines(self.wanted)
        for line in difflib.ndiff(before, after):
            if not line.startswith("? "):
                yield line.rstrip("\n")


@dataclass(frozen=True)
class Comparison:
    """A bucket beside its file.

    Attributes:
        differences: What is not as wanted.
        in_doubt: What is wanted and could not be read.
        same: Names of what is as wanted.
    """

    bucket: str
    differences: tuple[Difference, ...]
    in_doubt: tuple[SettingState, ...]
    same: tuple[str, ...]


@dataclass(frozen=True)
class Applied:
    """What became of one difference; `error` says why it failed."""

    name: str
    outcome: Outcome
    error: str = ""


def compare(settings: BucketSettings, wanted: Wanted) -> Comparison:
    """Compare what a bucket has with what is wanted; changes nothing.

    Raises:
        InvalidInput: What is wanted cannot be had.
        NoSuchBucket: There is no such bucket.
        StorageError: The bucket cannot be asked.
    """
    states = read_states(settings, wanted.settings)
    differences = [
        Difference(state, wanted.settings[name])
        for name, state in states.items()
        if not state.is_in_doubt and not _is_as_wanted(state, wanted.settings[name])
    ]
    for difference in differences:
        _require_possible(settings.bucket, difference)
    changed = {difference.name for difference in differences}
    in_doubt = tuple(state for state in states.values() if state.is_in_doubt)
    unknown = {state.name for state in in_doubt}
    same = tuple(name for name in states if name not in changed | unknown)
    return Comparison(settings.bucket, tuple(differences), in_doubt, same)


def apply_differences(settings: BucketSettings, comparison: Comparison) -> Iterator[Applied]:
    """Write what differs, one setting after the other; one that is refused stops no other.

    Each is read again first: what somebody else has changed since it was shown is left alone. After
    it was written it is read, since some servers take what they do not know, and forget it.
    """
    for difference in comparison.differences:
        try:
            _apply(settings, difference)
        except StorageError as error:
            yield Applied(difference.name, "failed", str(error))
        else:
            yield Applied(difference.name, "applied")


def _apply(settings: BucketSettings, difference: Difference) -> None:
    name, wanted, bucket = difference.name, difference.wanted, settings.bucket
    now = read_state(settings, name)
    if now.kind == "known" and _is_as_wanted(now, wanted):
        return  # Somebody else, or this process before it was killed, has done it.
    if (now.kind, now.raw) != (difference.actual.kind, difference.actual.raw):
        raise PreconditionFailed(
            f"The {name} of s3://{bucket} was changed by somebody else meanwhile.",
            hint="Compare again, and decide anew.",
        )
    settings.write(name, SETTINGS[name].told(wanted, now.raw))
    after = read_state(settings, name)
    if after.kind != "known" or not _is_as_wanted(after, wanted):
        raise StorageError(
            f"The server took the {name} of s3://{bucket}, but shows something else.",
            hint="Look at it with 's3pipelines buckets show'; this server may not know all of it.",
        )


def _is_as_wanted(state: SettingState, wanted: Any) -> bool:
    if state.kind == "absent":
        return wanted in (None, "unversioned")
    return state.kind == "known" and state.value == wanted


def _require_possible(bucket: str, difference: Difference) -> None:
    if difference.name == "versioning" and difference.wanted == "unversioned":
        raise InvalidInput(
            f"s3://{bucket} keeps versions, or once did: S3 cannot make that undone.",
            hint="Write 'versioning: suspended'.",
        )
    if difference.actual.kind == "absent":
        raise InvalidInput(
            f"The server of s3://{bucket} has no setting {difference.name!r}.",
            hint="Leave it out of the file.",
        )


def _lines(value: Any) -> list[str]:
    return [] if value is None else yaml_text(value).splitlines(keepends=True)
