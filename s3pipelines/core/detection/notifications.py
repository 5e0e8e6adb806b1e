"""What a message about S3 objects says: which keys to look at, whoever passed it on.

Nothing here trusts a message: it is text that anybody who may write to the queue could have sent.
What is wrong with it becomes a sentence, never an exception. A notice names a key; all else in it
is a hint, for messages come late, twice and out of order, so that S3 itself is asked afterwards.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from urllib.parse import unquote_plus

# S3's limit; asking for a longer key is refused as a bad request, not answered with "gone".
_MAX_KEY_BYTES = 1024
_MAX_SIZE_BYTES = 2**63 - 1
# So much of a stranger's text is repeated in a reason.
_SHOWN = 60
_BOM = "\ufeff"

_Mapping = dict[str, object]


@dataclass(frozen=True)
class Notice:
    """One S3 event about one key.

    Attributes:
        bucket: Its bucket; empty if the message does not say (files of an inbox).
        key: The key, decoded, exactly as S3 has it.
        event: What happened, for example `ObjectCreated:Put`, `Object Created` or `inbox`; empty
            if the message does not say.
        sequencer: Orders the events of one key, as hexadecimal text; None if not told.
        version_id: The version of the object; None if not told.
        etag: Its ETag, without quotes; None if not told.
        size_bytes: Its size; None if not told.
        event_time: When it happened, aware and in UTC; None if not told.
    """

    bucket: str
    key: str
    event: str
    sequencer: str | None
    version_id: str | None
    etag: str | None
    size_bytes: int | None
    event_time: datetime | None


@dataclass(frozen=True)
class Reading:
    """What a message says.

    Attributes:
        notices: One for each event that was understood.
        reasons: One sentence for each part that was not. A message with reasons is poison, but
            its notices count all the same.
    """

    notices: tuple[Notice, ...] = ()
    reasons: tuple[str, ...] = ()


class _NotUnderstood(Exception):
    """Carries the reason from where it shows to where the reading is put together."""


def read_message(body: str) -> Reading:
    """Read the body of an SQS message, in the shapes in which S3's events arrive there.

    These are S3 itself, S3 through SNS (with its envelope, or raw), S3 through EventBridge, and
    EventBridge through SNS. An event with an unknown name is a notice, too. Fields that are only
    hints (size, ETag, time …) and are not what they should be count as not told.
    """
    try:
        message = _json_object(body)
        kind = message.get("Type")
        if kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
            raise _NotUnderstood(
                "The subscription of this queue to an SNS topic awaits its confirmation "
                f"({kind}): no events come through it before."
            )
        if kind == "Notification" and "Message" in message:
            # A topic delivers to queues, never to topics: one envelope is all there can be.
            message = _json_object(_required_text(message, "Message", "SNS notification"))
        return _read_event(message)
    except _NotUnderstood as reason:
        return Reading(reasons=(str(reason),))


def read_inbox_file(body: str) -> Reading:
    """Read a file of an inbox, `{"key": …, "path": …}`.

    A `path` of the form `s3://bucket/key` names the object; otherwise `key` does, in a bucket that
    the file does not name. Both are taken as they are written, without any decoding.
    """
    try:
        content = _json_object(body)
        bucket, key = _split_path(content.get("path"))
        if not key:
            bucket, key = "", _required_text(content, "key", "inbox file")
        return Reading(notices=(_notice(bucket, _checked_key(key), "inbox"),))
    except _NotUnderstood as reason:
        return Reading(reasons=(str(reason),))


def _read_event(message: _Mapping) -> Reading:
    if "Records" in message:
        return _read_records(message["Records"])
    # S3 sends it once, when somebody configures a bucket to notify this queue.
    if message.get("Event") == "s3:TestEvent":
        return Reading()
    if "detail" in message or "detail-type" in message:
        return Reading(notices=(_from_event_bridge(message),))
    raise _NotUnderstood("The message is JSON, but no event of S3.")


def _read_records(records: object) -> Reading:
    if not isinstance(records, list) or not records:
        raise _NotUnderstood("The message has no list of records under 'Records'.")
    notices: list[Notice] = []
    reasons: list[str] = []
    for number, record in enumerate(cast(list[object], records), start=1):
        try:
            notices.append(_from_record(record))
        except _NotUnderstood as reason:
            reasons.append(f"Record {number}: {reason}")
    return Reading(tuple(notices), tuple(reasons))


def _from_record(record: object) -> Notice:
    fields = _mapping(record, "record")
    source = fields.get("eventSource", "aws:s3")
    # Other servers say `minio:s3` or `ceph:s3`.
    if not isinstance(source, str) or not source.endswith(":s3"):
        raise _NotUnderstood(f"It is not of S3, but of {_shown(source)}.")
    s3 = _mapping(fields.get("s3"), "part 's3'")
    the_object = _mapping(s3.get("object"), "part 's3.object'")
    return _notice(
        _bucket(s3.get("bucket")),
        _checked_key(_url_decoded(_required_text(the_object, "key", "object"))),
        # Without the `s3:` that some servers write before it.
        (_text(fields.get("eventName")) or "").removeprefix("s3:"),
        the_object,
        version_id=the_object.get("versionId"),
        event_time=fields.get("eventTime"),
    )


def _from_event_bridge(message: _Mapping) -> Notice:
    if message.get("source") != "aws.s3":
        raise _NotUnderstood(f"The event is not of S3, but of {_shown(message.get('source'))}.")
    detail = _mapping(message.get("detail"), "part 'detail'")
    the_object = _mapping(detail.get("object"), "part 'detail.object'")
    return _notice(
        _bucket(detail.get("bucket")),
        # EventBridge, unlike S3 itself, is given the key as it is.
        _checked_key(_required_text(the_object, "key", "object")),
        _text(message.get("detail-type")) or "",
        the_object,
        version_id=the_object.get("version-id"),
        event_time=message.get("time"),
    )


def _notice(
    bucket: str,
    key: str,
    event: str,
    hints: _Mapping | None = None,
    *,
    version_id: object = None,
    event_time: object = None,
) -> Notice:
    hints = hints or {}
    etag = _text(hints.get("eTag")) or _text(hints.get("etag"))
    return Notice(
        bucket=bucket,
        key=key,
        event=event,
        sequencer=_text(hints.get("sequencer")),
        version_id=_text(version_id),
        etag=(etag or "").strip('"') or None,
        size_bytes=_size(hints.get("size")),
        event_time=_time(event_time),
    )


def _json_object(body: str) -> _Mapping:
    try:
        # Some editors begin every file with a byte order mark, which is no JSON.
        value: object = json.loads(body.removeprefix(_BOM))
    except ValueError as error:
        raise _NotUnderstood(f"It is not JSON: {_shown(body)}.") from error
    except RecursionError as error:
        raise _NotUnderstood("It is JSON that is nested too deeply.") from error
    return _mapping(value, "message")


def _mapping(value: object, what: str) -> _Mapping:
    if not isinstance(value, dict):
        raise _NotUnderstood(f"The {what} is not a JSON object, but {_shown(value)}.")
    return cast(_Mapping, value)


def _required_text(fields: _Mapping, name: str, what: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise _NotUnderstood(f"The {what} has no text under {name!r}, but {_shown(value)}.")
    return value


def _bucket(value: object) -> str:
    name = _text(_mapping(value, "part 'bucket'").get("name"))
    if not name:
        raise _NotUnderstood("The name of the bucket is missing.")
    return name


def _url_decoded(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as error:
        raise _NotUnderstood(f"The key {_shown(key)} is not URL-encoded UTF-8.") from error


def _checked_key(key: str) -> str:
    if _text(key) is None:
        raise _NotUnderstood(f"The key {_shown(key)} holds what is no text (or a NUL).")
    if len(key.encode()) > _MAX_KEY_BYTES:
        raise _NotUnderstood(f"The key {_shown(key)} has more than {_MAX_KEY_BYTES:,} bytes.")
    return key


def _split_path(path: object) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`, or two empty texts."""
    if not isinstance(path, str):
        return "", ""
    scheme, _, rest = path.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme.lower() != "s3" or not key or not _text(bucket):
        return "", ""
    return bucket, key


def _text(value: object) -> str | None:
    """`value` if it is text that every store takes: not empty, no NUL, no half characters."""
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON can hold one half of a surrogate pair, UTF-8 cannot.
        return None
    return value


def _size(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MAX_SIZE_BYTES else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        told = datetime.fromisoformat(value)
        return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    except (ValueError, OverflowError):  # The first and the last day of the calendar.
        return None


def _shown(value: object) -> str:
    if isinstance(value, str):
        return repr(value[:_SHOWN]) + ("…" if len(value) > _SHOWN else "")
    if isinstance(value, dict):
        return "a JSON object"
    if isinstance(value, list):
        return "a list"
    # Numbers can be long, too: `repr` of one with more than 4,300 digits raises.
    return "nothing" if value is None else f"a {type(value).__name__}"
