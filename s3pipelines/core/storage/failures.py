"""What S3 and SQS say when they fail, mapped once to the few errors that the project knows."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    LoginError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as BotocoreConnectionError

from s3pipelines.core.errors import (
    AccessDenied,
    Archived,
    BadCredentials,
    Gone,
    NoSuchBucket,
    NoSuchQueue,
    PreconditionFailed,
    StorageError,
    Throttled,
    Unreachable,
    WrongRegion,
)

_CHECK_KEYS = "Check the profile, role or keys of this access (and this machine's clock)."

# S3's error code -> ours, with what to do. Codes: the S3 API reference, "Error responses".
_BY_CODE: dict[str, tuple[type[StorageError], str, str]] = {
    "NoSuchBucket": (
        NoSuchBucket,
        "There is no bucket {bucket!r} at this endpoint.",
        "Check its name and AWS_ENDPOINT_URL_S3, or create it.",
    ),
    "AccessDenied": (
        AccessDenied,
        "Access to {target} is denied ({operation}).",
        "Grant that permission to this identity, or use another profile or role.",
    ),
    "InvalidAccessKeyId": (
        BadCredentials,
        "The endpoint does not know this access key ({target}).",
        _CHECK_KEYS,
    ),
    "SignatureDoesNotMatch": (
        BadCredentials,
        "The endpoint refuses the signature of this access key ({target}).",
        _CHECK_KEYS,
    ),
    "ExpiredToken": (
        BadCredentials,
        "The credentials have expired ({target}).",
        "Log in again (for example 'aws sso login') or refresh the session token.",
    ),
    "PermanentRedirect": (
        WrongRegion,
        "The bucket {bucket!r} lies in another region.",
        "Set AWS_REGION to {region}.",
    ),
    "SlowDown": (
        Throttled,
        "The endpoint asks to slow down ({target}).",
        "Try again later, or with fewer requests at a time.",
    ),
    "InternalError": (
        Unreachable,
        "The endpoint fails on its own side ({target}, {operation}).",
        "Try again later; if it goes on, look at the server.",
    ),
    "NonExistentQueue": (
        NoSuchQueue,
        "There is no queue {target}.",
        "Check S3PIPELINES_UPLOAD_QUEUE_URL, or make it with 's3pipelines buckets configure'.",
    ),
    "NoSuchKey": (Gone, "There is no object {target}.", "It may have been deleted meanwhile."),
    "InvalidObjectState": (
        Archived,
        "{target} lies in an archive.",
        "Restore it first.",
    ),
    "ObjectNotInActiveTierError": (
        Archived,
        "What was to be copied to {target} lies in an archive.",
        "Restore it first.",
    ),
    "PreconditionFailed": (
        PreconditionFailed,
        "{target} was changed by somebody else meanwhile.",
        "Read it again and repeat.",
    ),
}
_SAME_AS = {
    "403": "AccessDenied",
    "AllAccessDisabled": "AccessDenied",
    "Forbidden": "AccessDenied",
    "404": "NoSuchKey",
    "NotFound": "NoSuchKey",
    "412": "PreconditionFailed",
    "409": "PreconditionFailed",
    "ConditionalRequestConflict": "PreconditionFailed",
    "301": "PermanentRedirect",
    "AuthorizationHeaderMalformed": "PermanentRedirect",
    "IllegalLocationConstraintException": "PermanentRedirect",
    "500": "InternalError",
    "502": "InternalError",
    "504": "InternalError",
    "RequestTimeout": "InternalError",
    "503": "SlowDown",
    "ServiceUnavailable": "SlowDown",
    "RequestLimitExceeded": "SlowDown",
    "Throttling": "SlowDown",
    "ExpiredTokenException": "ExpiredToken",
    "InvalidToken": "ExpiredToken",
    "TokenRefreshRequired": "ExpiredToken",
    "InvalidClientTokenId": "InvalidAccessKeyId",
    "UnrecognizedClientException": "InvalidAccessKeyId",
    "RequestTimeTooSkewed": "SignatureDoesNotMatch",
    # What SQS says instead, in its older and its newer protocol.
    "AWS.SimpleQueueService.NonExistentQueue": "NonExistentQueue",
    "QueueDoesNotExist": "NonExistentQueue",
    "InvalidAddress": "NonExistentQueue",
    "AccessDeniedException": "AccessDenied",
    "ThrottlingException": "SlowDown",
    "RequestThrottled": "SlowDown",
    # Too many messages that were received and not yet deleted.
    "OverLimit": "SlowDown",
}


# What botocore raises when there are no keys to sign with, or they cannot be fetched.
_NO_KEYS = (
    CredentialRetrievalError,
    LoginError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
)
# No answer, or only a part of one.
_NO_ANSWER = (BotocoreConnectionError, HTTPClientError, IncompleteReadError)


@dataclass(frozen=True)
class _Target:
    """What was asked for, in the words of its errors."""

    text: str
    where: str
    bucket: str = ""
    key: str = ""


def s3_errors(bucket: str, key: str = "") -> AbstractContextManager[None]:
    """Turn what botocore raises inside into a `StorageError` that names bucket and key.

    Raises:
        StorageError: One of its kinds, with a line that says what to do.
    """
    return _Errors(partial(_object, bucket, key))


def _object(bucket: str, key: str) -> _Target:
    where = "Check AWS_ENDPOINT_URL_S3 or the source's --endpoint, and the network"
    return _Target(f"s3://{bucket}/{key}", where, bucket, key)


def presigned_errors(bucket: str, key: str) -> AbstractContextManager[None]:
    """The same for presigned requests, which name their server themselves.

    Raises:
        StorageError: One of its kinds, with a line that says what to do.
    """
    return _Errors(partial(_Target, f"s3://{bucket}/{key}", "Check the network", bucket, key))


def code_of(error: StorageError) -> str:
    """S3's own code of an error, for example `NoSuchUpload`; empty where it was no answer."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def queue_errors(url: str) -> AbstractContextManager[None]:
    """Turn what botocore raises inside into a `StorageError` that names the queue.

    Raises:
        NoSuchQueue: There is no such queue.
        StorageError: One of its kinds, with a line that says what to do.
    """
    return _Errors(partial(_Target, url, "Check S3PIPELINES_UPLOAD_QUEUE_URL, and the network"))


class _Errors(AbstractContextManager[None]):
    """It is entered for every request, so the words are only made when something went wrong."""

    __slots__ = ("_target",)

    def __init__(self, target: Callable[[], _Target]) -> None:
        self._target = target

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            _raise_in_words(error, self._target())


def _raise_in_words(error: BaseException, target: _Target) -> None:
    if isinstance(error, ClientError):
        raise _from_response(error, target) from error
    if isinstance(error, BotoCoreError | ValueError):
        raise _from_botocore(error, target) from error
    if isinstance(error, RecursionError):
        # botocore 1.44 follows a redirect that names no region for ever.
        raise StorageError(
            f"The endpoint answers requests for {target.text} with a redirect.",
            hint="Check its address (https instead of http?) and AWS_REGION.",
        ) from error
    # What botocore raises, unlike all else, when a refresh gives credentials that have expired.
    if isinstance(error, RuntimeError) and str(error).startswith("Credentials were refreshed"):
        raise _no_keys(error, target.text) from error


@contextmanager
def configuration_errors() -> Iterator[None]:
    """Turn what botocore raises before it asks anybody into a `StorageError`.

    Raises:
        BadCredentials: A profile or its credentials cannot be had.
        StorageError: Something else of the AWS configuration of this machine is not valid.
    """
    try:
        yield
    except ProfileNotFound as error:
        raise BadCredentials(
            f"There is no AWS profile {error.kwargs['profile']!r} on this machine.",
            hint="Add it with 'aws configure --profile NAME', or name another one.",
        ) from error
    except (BotoCoreError, ClientError, ValueError) as error:
        if isinstance(error, _NO_KEYS):
            raise _no_keys(error, "S3") from error
        raise StorageError(
            f"The AWS configuration cannot be used ({_one_line(error)}).",
            hint="Check the endpoint, the region and the files below ~/.aws.",
        ) from error


def _from_botocore(error: Exception, asked: _Target) -> StorageError:
    target = asked.text
    if isinstance(error, _NO_KEYS):
        return _no_keys(error, target)
    if isinstance(error, _NO_ANSWER):
        return Unreachable(
            f"The endpoint does not answer when asked for {target} ({_one_line(error)}).",
            hint=f"{asked.where}.",
        )
    if isinstance(error, ParamValidationError) and "bucket name" in str(error):
        return StorageError(
            f"In {target}, the name of the bucket is not valid.",
            hint="Use 3 to 63 lower-case letters, digits, '.' and '-'.",
        )
    return StorageError(
        f"{target} cannot be asked ({_one_line(error)}).",
        hint="Check the bucket's name, the endpoint and the AWS configuration.",
    )


def _no_keys(error: Exception, target: str) -> BadCredentials:
    return BadCredentials(
        f"There are no usable AWS credentials for {target} ({_one_line(error)}).",
        hint="Set AWS_PROFILE, log in, or register the source with --profile or --anonymous.",
    )


def _from_response(error: ClientError, asked: _Target) -> StorageError:
    response: dict[str, Any] = dict(error.response)
    code = str(response.get("Error", {}).get("Code", ""))
    message = _one_line(response.get("Error", {}).get("Message", ""))
    operation = error.operation_name
    target = asked.text
    if operation.startswith("AssumeRole"):
        return BadCredentials(
            f"The role for {target} cannot be assumed: {code} {message}.",
            hint="Check its ARN, its trust policy and the keys that assume it.",
        )
    code = _SAME_AS.get(code, code)
    if code == "NoSuchKey" and asked.bucket and not asked.key:
        code = "NoSuchBucket"  # HEAD has no body, so a missing bucket is a bare 404.
    known = _BY_CODE.get(code)
    if known is None:
        return StorageError(
            f"{operation} on {target} failed: {code} {message}".rstrip() + ".",
            hint="See the S3 API reference for this code.",
        )
    kind, text, hint = known
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region", "the region of the bucket")
    bucket = asked.bucket
    values = {"bucket": bucket, "target": target, "operation": operation, "region": region}
    failure = kind(text.format(**values), hint=hint.format(**values))
    failure.retried = response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
    return failure


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
