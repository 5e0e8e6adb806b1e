"""Lifecycle: what S3 moves to another storage class, deletes or calls off by itself, and when."""

from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from s3pipelines.core.buckets.settings.form import (
    FileModel,
    Raw,
    Setting,
    require_known,
    without_nothing,
)
from s3pipelines.core.buckets.settings.simple import Tags

Days = Annotated[int, Field(ge=0)]
SomeDays = Annotated[int, Field(ge=1)]
_RULE = (
    "ID",
    "Status",
    "Prefix",
    "Filter",
    "Transitions",
    "Expiration",
    "NoncurrentVersionTransitions",
    "NoncurrentVersionExpiration",
    "AbortIncompleteMultipartUpload",
)
_FILTER = ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan")


class Transition(FileModel):
    """To another storage class, so many days after an object was written, or on a day."""

    storage_class: str
    days: Days | None = None
    on: date | None = None

    @model_validator(mode="after")
    def _has_a_time(self) -> Self:
        if (self.days is None) == (self.on is None):
            raise ValueError("a transition has either 'days' or 'on'")
        return self


class OldTransition(FileModel):
    """An old version to another storage class, so many days after it was replaced."""

    storage_class: str
    days: Days
    keep_newest: SomeDays | None = None


class OldVersions(FileModel):
    """What becomes of versions that were replaced or deleted.

    Attributes:
        expire_after_days: Deleted so many days after that.
        keep_newest: So many of each object stay even so.
    """

    transitions: tuple[OldTransition, ...] = ()
    expire_after_days: SomeDays | None = None
    keep_newest: SomeDays | None = None

    @model_validator(mode="after")
    def _keeps_of_something(self) -> Self:
        if self.keep_newest and not self.expire_after_days:
            raise ValueError("'keep_newest' needs 'expire_after_days' beside it")
        return self


class LifecycleRule(FileModel):
    """One rule; it holds for what has its prefix, all of its tags and a size between its bounds.

    Attributes:
        expire_after_days: Deleted so many days after it was written.
        expire_on: Deleted on that day.
        expire_delete_markers: Delete markers are removed that hide no version any more.
        abort_incomplete_uploads_days: Multipart uploads are called off that were begun so many
            days ago.
    """

    id: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    enabled: bool = True
    prefix: str = ""
    tags: Tags = Field(default_factory=dict)
    larger_than_bytes: Annotated[int, Field(ge=0)] | None = None
    smaller_than_bytes: Annotated[int, Field(ge=1)] | None = None
    transitions: tuple[Transition, ...] = ()
    expire_after_days: SomeDays | None = None
    expire_on: date | None = None
    expire_delete_markers: bool = False
    old_versions: OldVersions | None = None
    abort_incomplete_uploads_days: SomeDays | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        ends = (self.expire_after_days, self.expire_on, self.expire_delete_markers or None)
        if sum(end is not None for end in ends) > 1:
            raise ValueError(
                "a rule has one of 'expire_after_days', 'expire_on' and 'expire_delete_markers'"
            )
        does = (*ends, self.transitions or None, self.old_versions)
        if not any(part is not None for part in (*does, self.abort_incomplete_uploads_days)):
            raise ValueError("the rule does nothing: give it an expiry, a transition …")
        return self

    def plain(self) -> dict[str, Any]:
        """As a file says it."""
        said = super().plain()
        if "tags" in said:
            said["tags"] = dict(sorted(said["tags"].items()))
        return said


def _plain(rules: tuple[LifecycleRule, ...] | None) -> list[dict[str, Any]] | None:
    return [rule.plain() for rule in sorted(rules, key=lambda rule: rule.id)] if rules else None


def _from_s3(raw: Raw | None) -> list[dict[str, Any]] | None:
    if raw is None:
        return None
    require_known(raw, ("Rules", "TransitionDefaultMinimumObjectSize"))
    return _plain(tuple(_rule_from_s3(rule) for rule in raw.get("Rules", [])))


def _rule_from_s3(raw: Raw) -> LifecycleRule:
    require_known(raw, _RULE)
    given: Raw = raw.get("Filter", {})
    require_known(given, (*_FILTER, "Tag", "And"))
    both: Raw = given.get("And", {})
    require_known(both, (*_FILTER, "Tags"))
    where = {**given, **both}
    tags = [*both.get("Tags", []), *([given["Tag"]] if given.get("Tag") else [])]
    ends: Raw = raw.get("Expiration", {})
    require_known(ends, ("Days", "Date", "ExpiredObjectDeleteMarker"))
    fields = {
        "id": raw.get("ID"),
        "prefix": where.get("Prefix") or raw.get("Prefix"),
        "tags": {tag["Key"]: tag["Value"] for tag in tags},
        "larger_than_bytes": where.get("ObjectSizeGreaterThan"),
        "smaller_than_bytes": where.get("ObjectSizeLessThan"),
        "transitions": tuple(map(_transition_from_s3, raw.get("Transitions", []))),
        "expire_after_days": ends.get("Days"),
        "expire_on": _day(ends.get("Date")),
        "expire_delete_markers": ends.get("ExpiredObjectDeleteMarker"),
        "old_versions": _old_from_s3(raw),
        "abort_incomplete_uploads_days": raw.get("AbortIncompleteMultipartUpload", {}).get(
            "DaysAfterInitiation"
        ),
    }
    return LifecycleRule.model_validate(
        {"enabled": raw.get("Status") == "Enabled", **without_nothing(fields)}
    )


def _transition_from_s3(raw: Raw) -> Transition:
    require_known(raw, ("Days", "Date", "StorageClass"))
    return Transition(
        storage_class=raw["StorageClass"], days=raw.get("Days"), on=_day(raw.get("Date"))
    )


def _old_from_s3(raw: Raw) -> OldVersions | None:
    ends: Raw = raw.get("NoncurrentVersionExpiration", {})
    require_known(ends, ("NoncurrentDays", "NewerNoncurrentVersions"))
    moves: list[Raw] = raw.get("NoncurrentVersionTransitions", [])
    for move in moves:
        require_known(move, ("NoncurrentDays", "NewerNoncurrentVersions", "StorageClass"))
    if not ends and not moves:
        return None
    return OldVersions(
        transitions=tuple(
            OldTransition(
                storage_class=move["StorageClass"],
                days=move.get("NoncurrentDays", 0),
                keep_newest=move.get("NewerNoncurrentVersions"),
            )
            for move in moves
        ),
        expire_after_days=ends.get("NoncurrentDays"),
        keep_newest=ends.get("NewerNoncurrentVersions"),
    )


def _to_s3(value: list[dict[str, Any]], before: Raw | None) -> Raw:
    rules = [_rule_to_s3(LifecycleRule.model_validate(rule)) for rule in value]
    # What is not written beside the rules would be set back to AWS's default.
    beside = {name: said for name, said in (before or {}).items() if name != "Rules"}
    return {"Rules": rules, **beside}


def _rule_to_s3(rule: LifecycleRule) -> Raw:
    raw: Raw = {
        "ID": rule.id,
        "Status": "Enabled" if rule.enabled else "Disabled",
        "Filter": _filter_to_s3(rule),
    }
    ends = {
        "Days": rule.expire_after_days,
        "Date": _midnight(rule.expire_on),
        "ExpiredObjectDeleteMarker": rule.expire_delete_markers or None,
    }
    moves = [
        _set_only({"Days": m.days, "Date": _midnight(m.on), "StorageClass": m.storage_class})
        for m in rule.transitions
    ]
    aborted = {"DaysAfterInitiation": rule.abort_incomplete_uploads_days}
    parts = {
        "Expiration": _set_only(ends),
        "Transitions": moves,
        "AbortIncompleteMultipartUpload": _set_only(aborted),
        **_old_to_s3(rule.old_versions or OldVersions()),
    }
    return {**raw, **{name: part for name, part in parts.items() if part}}


def _filter_to_s3(rule: LifecycleRule) -> Raw:
    sizes = _set_only(
        {
            "ObjectSizeGreaterThan": rule.larger_than_bytes,
            "ObjectSizeLessThan": rule.smaller_than_bytes,
        }
    )
    tags = [{"Key": name, "Value": text} for name, text in rule.tags.items()]
    conditions = len(tags) + len(sizes) + bool(rule.prefix)
    if conditions > 1:
        return {"And": without_nothing({"Prefix": rule.prefix, "Tags": tags}) | sizes}
    if tags:
        return {"Tag": tags[0]}
    return sizes or {"Prefix": rule.prefix}


def _old_to_s3(old: OldVersions) -> Raw:
    moves = [
        _set_only(
            {
                "NoncurrentDays": move.days,
                "StorageClass": move.storage_class,
                "NewerNoncurrentVersions": move.keep_newest,
            }
        )
        for move in old.transitions
    ]
    ends = {"NoncurrentDays": old.expire_after_days, "NewerNoncurrentVersions": old.keep_newest}
    return {
        "NoncurrentVersionTransitions": moves,
        "NoncurrentVersionExpiration": _set_only(ends),
    }


def _set_only(fields: Raw) -> Raw:
    """Without what is None; zero days are a number of days."""
    return {name: value for name, value in fields.items() if value is not None}


def _day(moment: datetime | None) -> date | None:
    return moment.astimezone(UTC).date() if moment else None


def _midnight(day: date | None) -> datetime | None:
    """S3 takes no other time of a day."""
    return datetime.combine(day, time(), UTC) if day else None


LIFECYCLE = Setting("lifecycle", _plain, _from_s3, _to_s3)
