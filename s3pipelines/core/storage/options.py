"""One access in the words of the libraries that do not use botocore: deltalake and DuckDB.

Both take plain keys, so temporary credentials are frozen at the moment of asking: ask again for
each table that is opened and each session, and a refreshed role is picked up by itself.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from s3pipelines.core.errors import BadCredentials
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import botocore_session, endpoint_of, region_of, s3_client
from s3pipelines.core.storage.failures import s3_errors


@dataclass(frozen=True)
class ResolvedAccess:
    """Plain values at one moment; keys are None for anonymous access."""

    access_key_id: str | None
    secret_access_key: str | None
    session_token: str | None
    region: str
    endpoint_url: str | None

    def __repr__(self) -> str:
        return f"ResolvedAccess(region={self.region!r}, endpoint_url={self.endpoint_url!r})"


def resolve(access: Access, bucket: str) -> ResolvedAccess:
    """Ask botocore's chain for the keys, the endpoint and the bucket's region.

    Raises:
        BadCredentials: There are none, or they cannot be fetched.
        StorageError: The bucket cannot be asked where it lies.
    """
    session = botocore_session(access)
    endpoint = endpoint_of(access)
    region = region_of(access, session)
    if endpoint is None:
        region = _region_of_bucket(access, bucket) or region
    if access.anonymous:
        return ResolvedAccess(None, None, None, region, endpoint)
    try:
        credentials = session.get_credentials()
        frozen = credentials.get_frozen_credentials() if credentials else None
    except (BotoCoreError, ClientError) as error:
        raise BadCredentials(
            f"The AWS credentials cannot be fetched ({error}).",
            hint="Log in again, or check the profile and the role's trust policy.",
        ) from error
    if frozen is None or not frozen.access_key:
        raise BadCredentials(
            f"There are no AWS credentials for s3://{bucket}.",
            hint="Set AWS_PROFILE, log in, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    return ResolvedAccess(frozen.access_key, frozen.secret_key, frozen.token, region, endpoint)


def _region_of_bucket(access: Access, bucket: str) -> str | None:
    """AWS names the region of a bucket in every answer; other servers have only one."""
    with s3_errors(bucket):
        response = s3_client(access).head_bucket(Bucket=bucket)
    return response["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")


def delta_options(access: Access, bucket: str) -> dict[str, str]:
    """`storage_options` for deltalake; commits rely on S3's conditional PUT."""
    known = resolve(access, bucket)
    options = {"AWS_REGION": known.region, "conditional_put": "etag"}
    if known.access_key_id is None or known.secret_access_key is None:
        options["AWS_SKIP_SIGNATURE"] = "true"
    else:
        options["AWS_ACCESS_KEY_ID"] = known.access_key_id
        options["AWS_SECRET_ACCESS_KEY"] = known.secret_access_key
        if known.session_token:
            options["AWS_SESSION_TOKEN"] = known.session_token
    if known.endpoint_url:
        options["AWS_ENDPOINT_URL"] = known.endpoint_url
        options["AWS_ALLOW_HTTP"] = "true" if known.endpoint_url.startswith("http:") else "false"
    return options


def duckdb_secret(access: Access, bucket: str, scope: str) -> str:
    """The `CREATE SECRET` statement that lets DuckDB read below `scope` (`s3://bucket/prefix/`)."""
    known = resolve(access, bucket)
    fields = {"TYPE": "s3", "REGION": _quoted(known.region), "SCOPE": _quoted(scope)}
    if known.access_key_id and known.secret_access_key:
        fields["KEY_ID"] = _quoted(known.access_key_id)
        fields["SECRET"] = _quoted(known.secret_access_key)
        if known.session_token:
            fields["SESSION_TOKEN"] = _quoted(known.session_token)
    if known.endpoint_url:
        parts = urlsplit(known.endpoint_url)
        fields["ENDPOINT"] = _quoted(parts.netloc + parts.path.rstrip("/"))
        fields["USE_SSL"] = "true" if parts.scheme == "https" else "false"
        fields["URL_STYLE"] = "'path'"
    listed = ", ".join(f"{name} {value}" for name, value in fields.items())
    return f"CREATE OR REPLACE SECRET catalog ({listed})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
