"""What a bucket has set: each setting asked for by itself, so that a denied one hides no other."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from s3pipelines.core.buckets.settings import SETTINGS
from s3pipelines.core.buckets.settings.form import Inexpressible, Raw
from s3pipelines.core.buckets.yaml_text import yaml_text
from s3pipelines.core.errors import (
    AccessDenied,
    BadCredentials,
    NoSuchBucket,
    StorageError,
    WrongRegion,
)
from s3pipelines.core.storage.bucket_settings import VERBS, BucketSettings, UnknownToServer

_AT_A_TIME = 10
# `odd`: a file has no words for it. `absent`: the server has no such setting.
Kind = Literal["known", "odd", "absent", "denied", "failed"]


@dataclass(frozen=True)
class SettingState:
    """What is known of one setting.

    Attributes:
        name: Its name.
        kind: Whether it is known, or why not.
        value: Its plain value, as a bucket file has it; None: not set, or not known.
        raw: As S3 says it; None: not set, or not known.
        problem: Why it is not known, and what to do, in words.
    """

    name: str
    kind: Kind
    value: Any = None
    raw: Raw | None = None
    problem: str = ""

    @property
    def is_in_doubt(self) -> bool:
        """It may have a value that could not be read."""
        return self.kind in ("denied", "failed")


def read_states(settings: BucketSettings, names: Iterable[str] = VERBS) -> dict[str, SettingState]:
    """Ask for settings of a bucket, several at a time.

    Raises:
        BadCredentials: There are none, or the server does not accept them.
        NoSuchBucket: There is no such bucket.
        WrongRegion: It lies in another region.
    """
    asked = list(names)
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        states = pool.map(lambda name: read_state(settings, name), asked)
        return {state.name: state for state in states}


def read_state(settings: BucketSettings, name: str) -> SettingState:
    """Ask for one setting; whatever stands in the way is told in the state.

    Raises:
        BadCredentials: There are none, or the server does not accept them.
        NoSuchBucket: There is no such bucket.
        WrongRegion: It lies in another region.
    """
    try:
        raw = settings.read(name)
    except (NoSuchBucket, BadCredentials, WrongRegion):
        raise  # It is so of every setting.
    except AccessDenied:
        needed = VERBS[name].permission
        return SettingState(name, "denied", problem=f"Access is denied; it needs {needed}.")
    except UnknownToServer:
        return SettingState(name, "absent", problem="The server has no such setting.")
    except StorageError as error:
        return SettingState(name, "failed", problem=str(error))
    return _state(name, raw)


def _state(name: str, raw: Raw | None) -> SettingState:
    if name == "ownership":
        rules = (raw or {}).get("Rules", [])
        return SettingState(name, "known", rules[0].get("ObjectOwnership") if rules else None, raw)
    if name not in SETTINGS:
        return SettingState(name, "known", raw, raw)
    try:
        return SettingState(name, "known", SETTINGS[name].from_s3(raw), raw)
    except (Inexpressible, ValidationError) as error:
        why = str(error) if isinstance(error, Inexpressible) else error.errors()[0]["msg"]
        return SettingState(name, "odd", raw=raw, problem=f"A bucket file cannot say it: {why}.")


def file_text(bucket: str, states: Mapping[str, SettingState]) -> str:
    """What a bucket has, as the text of a bucket file.

    Settings that are not set are not in it; those that could not be read, or have no words in a
    file, are comments.
    """
    said: dict[str, Any] = {"bucket": bucket}
    comments: list[str] = []
    for name in SETTINGS:
        state = states[name]
        if state.problem:
            comments.append(f"# {name}: {state.problem}\n")
        elif state.value is not None:
            said[name] = state.value
    return yaml_text(said) + "".join(comments)
