"""CORS: which pages may ask the bucket from a browser."""

from typing import Annotated, Any, Literal

from pydantic import Field

from s3pipelines.core.buckets.settings.form import (
    FileModel,
    Raw,
    Setting,
    require_known,
    without_nothing,
)


class CorsRule(FileModel):
    """One rule; of several that fit a request, S3 takes the first."""

    id: str | None = None
    origins: Annotated[tuple[str, ...], Field(min_length=1)]
    methods: Annotated[
        tuple[Literal["GET", "PUT", "POST", "DELETE", "HEAD"], ...], Field(min_length=1)
    ]
    headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_s: Annotated[int, Field(ge=0)] | None = None


_NAMES = {
    "id": "ID",
    "origins": "AllowedOrigins",
    "methods": "AllowedMethods",
    "headers": "AllowedHeaders",
    "expose_headers": "ExposeHeaders",
    "max_age_s": "MaxAgeSeconds",
}


def _plain(rules: tuple[CorsRule, ...] | None) -> list[dict[str, Any]] | None:
    return [rule.plain() for rule in rules] if rules else None


def _from_s3(raw: Raw | None) -> list[dict[str, Any]] | None:
    rules: list[CorsRule] = []
    for rule in (raw or {}).get("CORSRules", []):
        require_known(rule, _NAMES.values())
        said = without_nothing({name: rule.get(theirs) for name, theirs in _NAMES.items()})
        rules.append(CorsRule.model_validate(said))
    return _plain(tuple(rules))


def _to_s3(value: list[dict[str, Any]], _before: Raw | None) -> Raw:
    return {"CORSRules": [{_NAMES[name]: said for name, said in rule.items()} for rule in value]}


CORS = Setting("cors", _plain, _from_s3, _to_s3)
