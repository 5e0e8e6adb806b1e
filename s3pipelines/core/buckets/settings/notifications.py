"""Notifications: what a bucket tells to queues, topics, functions and EventBridge.

The rules that `buckets configure --notify` makes are its own: a file neither shows nor removes
them.
"""

from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from s3pipelines.core.buckets.settings.form import FileModel, Raw, Setting, require_known
from s3pipelines.core.storage.bucket_events import filters_of, is_own

# Ours -> S3's list, and the name of the receiver in its rules.
_KINDS = {
    "queues": ("QueueConfigurations", "QueueArn"),
    "topics": ("TopicConfigurations", "TopicArn"),
    "functions": ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
}
_BRIDGE = "EventBridgeConfiguration"


class Notification(FileModel):
    """One rule: these events, of keys with this prefix and suffix, go to `arn`.

    Prefix and suffix as S3 has them: on AWS they are URL-encoded, `a b/` is `a+b/`.
    """

    id: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    arn: Annotated[str, StringConstraints(pattern=r"^arn:")]
    events: Annotated[tuple[str, ...], Field(min_length=1)]
    prefix: str = ""
    suffix: str = ""

    @model_validator(mode="after")
    def _is_not_ours(self) -> Self:
        if is_own({"Id": self.id}):
            raise ValueError(
                "rules of that id are made by 'buckets configure --notify'; choose another id"
            )
        return self

    def plain(self) -> dict[str, Any]:
        """As a file says it, events sorted."""
        return {**super().plain(), "events": sorted(self.events)}


class Notifications(FileModel):
    """All that a bucket tells."""

    queues: tuple[Notification, ...] = ()
    topics: tuple[Notification, ...] = ()
    functions: tuple[Notification, ...] = ()
    event_bridge: bool = False


def _plain(value: Notifications | None) -> dict[str, Any] | None:
    if value is None:
        return None
    said: dict[str, Any] = {}
    for kind in _KINDS:
        rules: tuple[Notification, ...] = getattr(value, kind)
        if rules:
            said[kind] = [rule.plain() for rule in sorted(rules, key=lambda rule: rule.id)]
    if value.event_bridge:
        said["event_bridge"] = True
    return said or None


def _from_s3(raw: Raw | None) -> dict[str, Any] | None:
    raw = raw or {}
    require_known(raw, (*(theirs for theirs, _ in _KINDS.values()), _BRIDGE))
    rules = {
        kind: tuple(_rule_from_s3(rule, arn) for rule in raw.get(theirs, []) if not is_own(rule))
        for kind, (theirs, arn) in _KINDS.items()
    }
    # An empty element says yes.
    return _plain(Notifications(**rules, event_bridge=_BRIDGE in raw))


def _rule_from_s3(raw: Raw, arn: str) -> Notification:
    require_known(raw, ("Id", arn, "Events", "Filter"))
    filters = filters_of(raw)
    require_known(filters, ("prefix", "suffix"))
    return Notification(id=raw.get("Id", ""), arn=raw[arn], events=tuple(raw["Events"]), **filters)


def _to_s3(value: dict[str, Any] | None, before: Raw | None) -> Raw:
    """The rules of `--notify` stay."""
    value = value or {}
    raw: Raw = {}
    for kind, (theirs, arn) in _KINDS.items():
        own = [rule for rule in (before or {}).get(theirs, []) if is_own(rule)]
        rules = own + [_rule_to_s3(rule, arn) for rule in value.get(kind, [])]
        if rules:
            raw[theirs] = rules
    if value.get("event_bridge"):
        raw[_BRIDGE] = {}
    return raw


def _rule_to_s3(rule: dict[str, Any], arn: str) -> Raw:
    raw: Raw = {"Id": rule["id"], arn: rule["arn"], "Events": rule["events"]}
    filters = [
        {"Name": name, "Value": rule[name]} for name in ("prefix", "suffix") if rule.get(name)
    ]
    return {**raw, "Filter": {"Key": {"FilterRules": filters}}} if filters else raw


NOTIFICATIONS = Setting("notifications", _plain, _from_s3, _to_s3, keeps_some=True)
