"""What a server refused, and how: the errors that stand in its answers."""

from xml.etree import ElementTree

from botocore.exceptions import ClientError

from s3pipelines.core.storage.http.connection import Reply

# A copy is answered with 200 as soon as it has begun, so that its failure stands in the body.
_STATUS_OF_LATE_ERROR = {"InternalError": 500, "SlowDown": 503, "ServiceUnavailable": 503}


def error_code(body: bytes) -> str:
    """The code of an error in XML; empty if it is none."""
    return _error(body).get("Code", "")


def _error(body: bytes) -> dict[str, str]:
    try:
        root = ElementTree.fromstring(body) if body else None
    except ElementTree.ParseError:
        return {}
    if root is None or root.tag.rpartition("}")[2] != "Error":
        return {}
    return {part.tag.rpartition("}")[2]: part.text or "" for part in root}


def late_status(status: int, reply: Reply) -> int:
    """The status that an answer would have had, had it been sent when the work was done."""
    if b"<Error" not in reply.body[:200]:
        return status
    # What was deleted lists errors of single keys, and is none itself.
    code = error_code(reply.body)
    return _STATUS_OF_LATE_ERROR.get(code, 400) if code else status


def client_error(operation: str, status: int, reply: Reply, retries: int) -> ClientError:
    """The error that botocore would raise; a HEAD has no body, and its code is the status."""
    said = {"Code": str(status), "Message": ""} | _error(reply.body)
    if reply.body and not said["Message"] and said["Code"] == str(status):
        said["Message"] = reply.body[:200].decode(errors="replace")
    metadata = {
        "HTTPStatusCode": status,
        "HTTPHeaders": dict(reply.headers),
        "RetryAttempts": retries,
    }
    return ClientError({"Error": said, "ResponseMetadata": metadata}, operation)  # pyright: ignore[reportArgumentType]
