"""Where notifications arrive, and whether buckets send any."""

import shlex
from collections.abc import Iterable

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.doctor.findings import Check, Finding
from s3pipelines.core.errors import AccessDenied, StorageError
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.inboxes import open_inbox
from s3pipelines.core.storage.mailboxes import Depth
from s3pipelines.core.storage.probes import Rule, is_queue, notification_rules
from s3pipelines.core.storage.queues import open_queue

_AREA = "queue"
_MANY = 10_000
_BEHIND = (
    "Is the daemon running, and with the sensor upload_events switched on? Start it with: "
    "s3pipelines up"
)
_WANTED = ("ObjectCreated", "ObjectRemoved")


def queue_checks(access: Access, queue_url: str | None) -> list[Check]:
    """The check of the queue that the settings name."""
    return [Check(_AREA, "depth", lambda: [_queue(access, queue_url)])]


def inbox_finding(catalog: Catalog, source: Source, area: str) -> Finding:
    """How many files are in the inbox of a source.

    Raises:
        StorageError: It cannot be listed.
    """
    location = source.inbox_location
    if location is None:
        return Finding(area, "inbox", "skipped", "It has none.")
    inbox = open_inbox(source.access(catalog.access), location)
    return _depth(area, "inbox", inbox.name, inbox.depth())


def notifications_finding(catalog: Catalog, source: Source, queue_url: str, area: str) -> Finding:
    """Whether the bucket of a source tells the queue of its objects."""
    name = "notifications"
    try:
        rules = notification_rules(source.access(catalog.access), source.bucket)
    except AccessDenied as error:
        hint = "To have it looked at, grant s3:GetBucketNotification to this identity."
        return Finding(area, name, "skipped", error.message, hint)
    except StorageError as error:
        return Finding(area, name, "skipped", error.message, error.hint)
    direct = [rule for rule in rules if is_queue(rule.target, queue_url)]
    missing = _missing(direct, source.prefix)
    if not missing:
        return Finding(area, name, "ok", f"s3://{source.bucket} notifies the queue.")
    indirect = [rule for rule in rules if ":sns:" in rule.target or not rule.target]
    if not _missing(indirect, source.prefix):
        ways = {rule.target or "EventBridge" for rule in indirect}
        return Finding(
            area,
            name,
            "skipped",
            f"s3://{source.bucket} tells {', '.join(sorted(ways))}; whether that tells the queue "
            "cannot be seen from here.",
            'Upload something, and look for it: s3pipelines sql "SELECT key, observed_at FROM '
            f"changes WHERE source = '{source.id}' AND observed_by = 'event' "
            'ORDER BY observed_at DESC LIMIT 10"',
        )
    return Finding(
        area,
        name,
        "warning",
        f"s3://{source.bucket} does not notify the queue of {', '.join(missing)} below "
        f"{source.prefix or '/'!r}; these are found by listing only.",
        f"s3pipelines buckets configure --notify --source {source.id} "
        f"--queue {shlex.quote(queue_url)}",
    )


def _queue(access: Access, queue_url: str | None) -> Finding:
    if not queue_url:
        return Finding(
            _AREA,
            "depth",
            "skipped",
            "There is none (S3PIPELINES_UPLOAD_QUEUE_URL); uploads are found by listing.",
            "To have them found within seconds: s3pipelines buckets configure BUCKET --notify",
        )
    queue = open_queue(access, queue_url)
    try:
        depth = queue.depth()
    except AccessDenied as error:
        # Whoever receives and deletes need not be let to count.
        hint = "Grant sqs:GetQueueAttributes, and sqs:ReceiveMessage and sqs:DeleteMessage."
        return Finding(_AREA, "depth", "warning", error.message, hint)
    return _depth(_AREA, "depth", queue.name, depth)


def _depth(area: str, name: str, mailbox: str, depth: Depth) -> Finding:
    detail = (
        f"{mailbox}: {depth.visible:,} messages wait, {depth.in_flight:,} are being worked on, "
        f"{depth.delayed:,} are delayed."
    )
    if depth.visible > _MANY:
        return Finding(area, name, "warning", detail, _BEHIND)
    return Finding(area, name, "ok", detail)


def _missing(rules: Iterable[Rule], prefix: str) -> list[str]:
    """The kinds of events of which no rule tells for every key below `prefix`."""
    whole = [rule for rule in rules if prefix.startswith(rule.prefix) and not rule.suffix]
    told = {event for rule in whole for event in rule.events}
    return [kind for kind in _WANTED if not told & {f"s3:{kind}:*", "s3:*"}]
