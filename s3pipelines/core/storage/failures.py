"""What S3 says when it fails, mapped once to the few errors that the project knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    InvalidEndpointDiscoveryConfigurationError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
)

from s3pipelines.core.errors import (
    AccessDenied,
    BadCredentials,
    Gone,
    NoSuchBucket,
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
        "Set AWS_REGION to the region of the bucket.",
    ),
    "SlowDown": (
        Throttled,
        "The endpoint asks to slow down ({target}).",
        "Try again later, or with fewer requests at a time.",
    ),
    "NoSuchKey": (Gone, "There is no object {target}.", "It may have been deleted meanwhile."),
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
    "503": "SlowDown",
    "ServiceUnavailable": "SlowDown",
    "RequestLimitExceeded": "SlowDown",
    "Throttling": "SlowDown",
    "InvalidToken": "ExpiredToken",
    "TokenRefreshRequired": "ExpiredToken",
    "InvalidClientTokenId": "InvalidAccessKeyId",
    "UnrecognizedClientException": "InvalidAccessKeyId",
    "RequestTimeTooSkewed": "SignatureDoesNotMatch",
}


@contextmanager
def s3_errors(bucket: str, key: str = "") -> Iterator[None]:
    """Turn what botocore raises inside into a `StorageError` that names bucket and key.

    Raises:
        StorageError: One of its kinds, with a line that says what to do.
    """
    try:
        yield
    except ClientError as error:
        raise _from_response(error, bucket, key) from error
    except (
        NoCredentialsError,
        PartialCredentialsError,
        CredentialRetrievalError,
        SSOError,
    ) as error:
        raise BadCredentials(
            f"There are no usable AWS credentials for s3://{bucket}/{key} ({_one_line(error)}).",
            hint="Set AWS_PROFILE, log in, or register the source with --profile or --anonymous.",
        ) from error
    except (EndpointConnectionError, ConnectionError, HTTPClientError) as error:
        raise Unreachable(
            f"The S3 endpoint of bucket {bucket!r} does not answer ({_one_line(error)}).",
            hint="Check AWS_ENDPOINT_URL_S3 or the source's --endpoint, and the network.",
        ) from error
    except (BotoCoreError, InvalidEndpointDiscoveryConfigurationError, ValueError) as error:
        raise StorageError(
            f"s3://{bucket}/{key} cannot be asked ({_one_line(error)}).",
            hint="Check the bucket's name, the endpoint and the AWS configuration.",
        ) from error


def _from_response(error: ClientError, bucket: str, key: str) -> StorageError:
    response: dict[str, Any] = dict(error.response)
    code = str(response.get("Error", {}).get("Code", ""))
    operation = error.operation_name
    if _SAME_AS.get(code, code) == "NoSuchKey" and not key:
        code = "NoSuchBucket"  # HEAD has no body, so a missing bucket is a bare 404.
    known = _BY_CODE.get(_SAME_AS.get(code, code))
    target = f"s3://{bucket}/{key}"
    if known is None:
        message = response.get("Error", {}).get("Message", "")
        return StorageError(
            f"{operation} on {target} failed: {code} {_one_line(message)}".rstrip() + ".",
            hint="See the S3 API reference for this code.",
        )
    kind, text, hint = known
    return kind(text.format(bucket=bucket, target=target, operation=operation), hint=hint)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
