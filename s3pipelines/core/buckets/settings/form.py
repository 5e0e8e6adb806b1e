"""What all settings of a bucket file have in common."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from s3pipelines.core.sql.suggestions import closest

Raw = dict[str, Any]


class Inexpressible(Exception):
    """S3 says something of a setting that a bucket file has no words for."""


class FileModel(BaseModel):
    """A part of a bucket file; a name that is not known is refused, with what was meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _only_known_names(cls, given: Any) -> Any:
        for name in given if isinstance(given, dict) else ():
            if name not in cls.model_fields:
                raise PydanticCustomError("unknown_name", "{text}", {"text": cls._unknown(name)})
        return given

    @classmethod
    def _unknown(cls, name: object) -> str:
        meant = closest(str(name), cls.model_fields)
        about = f" Did you mean {meant!r}?" if meant else ""
        return f"There is no {name!r} here.{about} Known are: {', '.join(cls.model_fields)}"

    def plain(self) -> dict[str, Any]:
        """As a file says it: no more than is needed."""
        return self.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True)
class Setting:
    """One setting that a file can have.

    A plain value is what YAML gives, in one spelling: two of them are equal if they mean the same.

    Attributes:
        plain: The plain value of what a file says; None: it is to be taken away.
        from_s3: The plain value of what S3 says; None: it is not set. Raises `Inexpressible`.
        to_s3: What S3 is told, given a plain value and what S3 said before.
        keeps_some: Part of it is not a file's to take away, so that `to_s3` is asked for None, too.
    """

    name: str
    plain: Callable[[Any], Any]
    from_s3: Callable[[Raw | None], Any]
    to_s3: Callable[[Any, Raw | None], Raw | None]
    keeps_some: bool = False

    def told(self, value: Any, before: Raw | None) -> Raw | None:
        """What S3 is told so that it has the plain value; None: to take the setting away."""
        return None if value is None and not self.keeps_some else self.to_s3(value, before)


def require_known(raw: Mapping[str, Any], known: Iterable[str]) -> None:
    """Make sure that nothing of what S3 says is lost.

    Raises:
        Inexpressible: There is something else.
    """
    others = sorted(name for name in set(raw) - set(known) if raw[name] not in (None, [], {}))
    if others:
        raise Inexpressible(f"{others[0]} has no word in a bucket file")


def without_nothing(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Only the fields that say something."""
    return {name: value for name, value in fields.items() if value not in (None, (), [], {}, "")}
