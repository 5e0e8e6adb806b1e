"""One access in the words of the libraries that do not use botocore: deltalake and DuckDB.

Both take plain keys, so temporary credentials are frozen at the moment of asking: ask again for
each table that is opened and each session, and a refreshed role is picked up by itself.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

import botocore.session
from botocore.client import BaseClient
from botocore.credentials import EnvProvider
from botocore.exceptions import ClientError

from s3pipelines.core.errors import BadCredentials
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import (
    AWS_ITSELF,
    botocore_session,
    client_of,
    region_of,
)
from s3pipelines.core.storage.failures import s3_errors

_REGION_HEADER = "x-amz-bucket-region"


@dataclass(frozen=True)
class ResolvedAccess:
    """Plain values at one moment; keys are None for anonymous access."""

    access_key_id: str | None
    secret_access_key: str | None
    session_token: str | None
    region: str
    endpoint_url: str | None
    verify: bool = True

    def __repr__(self) -> str:
        return f"ResolvedAccess(region={self.region!r}, endpoint_url={self.endpoint_url!r})"


def resolve(access: Access, bucket: str) -> ResolvedAccess:
    """Ask botocore's chain for the keys, the endpoint and the bucket's region.

    Raises:
        BadCredentials: There are none, or they cannot be fetched.
        StorageError: The bucket cannot be asked where it lies.
    """
    session = botocore_session(access)
    endpoint, region = place_of(session, client_of(session, access), access, bucket)
    key_id, secret, token = (None, None, None) if access.anonymous else _keys(session, bucket)
    return ResolvedAccess(key_id, secret, token, region, endpoint, access.verify is not False)


def place_of(
    session: botocore.session.Session, client: BaseClient, access: Access, bucket: str
) -> tuple[str | None, str]:
    """The endpoint (None: AWS's usual ones) and the region of a bucket.

    Raises:
        StorageError: The bucket cannot be asked where it lies.
    """
    region = region_of(access, session)
    if not AWS_ITSELF.fullmatch(client.meta.endpoint_url):
        return client.meta.endpoint_url, region
    return None, _region_of_bucket(client, bucket) or region


def _keys(session: botocore.session.Session, bucket: str) -> tuple[str, str, str | None]:
    with s3_errors(bucket):
        credentials = session.get_credentials()
        frozen = credentials.get_frozen_credentials() if credentials else None
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        raise BadCredentials(
            f"There are no AWS credentials for s3://{bucket}.",
            hint="Set AWS_PROFILE, log in, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    return frozen.access_key, frozen.secret_key, frozen.token


def _region_of_bucket(client: BaseClient, bucket: str) -> str | None:
    """AWS names the region of a bucket in every answer, a refusal too; others have only one."""
    with s3_errors(bucket):
        try:
            response = client.head_bucket(Bucket=bucket)
        except ClientError as error:
            response = error.response
            if _REGION_HEADER not in response["ResponseMetadata"]["HTTPHeaders"]:
                raise
    return response["ResponseMetadata"]["HTTPHeaders"].get(_REGION_HEADER)


def delta_options(access: Access, bucket: str) -> dict[str, str]:
    """`storage_options` for deltalake; commits rely on S3's conditional PUT.

    deltalake takes whatever is not named here from the `AWS_*` variables of the environment, so
    that everything is named.

    Raises:
        StorageError: See `resolve`.
    """
    known = resolve(access, bucket)
    endpoint = known.endpoint_url or f"https://s3.{known.region}.amazonaws.com"
    options = {
        "AWS_REGION": known.region,
        "AWS_ENDPOINT_URL": endpoint,
        # This one goes before the other, from wherever it comes.
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ALLOW_HTTP": _yes_or_no(urlsplit(endpoint).scheme == "http"),
        "AWS_ALLOW_INVALID_CERTIFICATES": _yes_or_no(not known.verify),
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        "AWS_SKIP_SIGNATURE": _yes_or_no(known.access_key_id is None),
        "conditional_put": "etag",
    }
    if known.access_key_id is not None and known.secret_access_key is not None:
        options["AWS_ACCESS_KEY_ID"] = known.access_key_id
        options["AWS_SECRET_ACCESS_KEY"] = known.secret_access_key
        if known.session_token:
            options["AWS_SESSION_TOKEN"] = known.session_token
        else:
            _refuse_token_of_environment()
    return options


def _refuse_token_of_environment() -> None:
    """Keys without a token cannot be kept apart from a token that deltalake finds by itself."""
    others = EnvProvider().load()
    if others is not None and others.token:
        raise BadCredentials(
            "AWS_SESSION_TOKEN is set, but belongs to other keys than those of the catalog.",
            hint="Unset it, or let the catalog use the keys of the environment, too.",
        )


def duckdb_secret(access: Access, bucket: str, scope: str) -> str:
    """The `CREATE SECRET` statement that lets DuckDB read below `scope` (`s3://bucket/prefix/`).

    DuckDB, too, takes keys and a token that the secret does not name from the environment.

    Raises:
        StorageError: See `resolve`.
    """
    known = resolve(access, bucket)
    fields = {
        "TYPE": "s3",
        "REGION": _quoted(known.region),
        "SCOPE": _quoted(scope),
        "KEY_ID": _quoted(known.access_key_id or ""),
        "SECRET": _quoted(known.secret_access_key or ""),
        "SESSION_TOKEN": _quoted(known.session_token or ""),
    }
    if known.endpoint_url:
        parts = urlsplit(known.endpoint_url)
        fields["ENDPOINT"] = _quoted(parts.netloc + parts.path.rstrip("/"))
        fields["USE_SSL"] = _yes_or_no(parts.scheme == "https")
        fields["URL_STYLE"] = "'path'"
    if not known.verify:
        fields["VERIFY_SSL"] = "false"
    listed = ", ".join(f"{name} {value}" for name, value in fields.items())
    return f"CREATE OR REPLACE SECRET catalog ({listed})"


def _yes_or_no(value: bool) -> str:
    return "true" if value else "false"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
