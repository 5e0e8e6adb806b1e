"""boto3 clients from an `Access`, with botocore's standard credential chain behind them."""

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import ProfileNotFound

from s3pipelines.core.errors import BadCredentials
from s3pipelines.core.storage.access import AWS_ENDPOINT, Access

DEFAULT_REGION = "us-east-1"


def botocore_session(access: Access) -> botocore.session.Session:
    """A session whose credentials are those of `access`; role credentials refresh themselves.

    Raises:
        BadCredentials: The profile does not exist.
    """
    session = botocore.session.Session(profile=access.profile)
    try:
        session.full_config  # noqa: B018 - reads the files, so that a wrong profile shows here
        session.get_scoped_config()
    except ProfileNotFound as error:
        raise BadCredentials(
            f"There is no AWS profile {access.profile or session.profile!r} on this machine.",
            hint="Add it with 'aws configure --profile NAME', or name another one.",
        ) from error
    if access.static_keys is not None:
        keys = access.static_keys
        session.set_credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    if access.role_arn is not None:
        session._credentials = _assumed_role(session, access.role_arn)
    return session


def region_of(access: Access, session: botocore.session.Session) -> str:
    """The region that is configured, or us-east-1, as every S3 takes it."""
    return access.region or session.get_config_variable("region") or DEFAULT_REGION


def endpoint_of(access: Access) -> str | None:
    """The endpoint's address as botocore's chain gives it, or None for AWS's own."""
    client = s3_client(access)
    address = client.meta.endpoint_url
    return None if ".amazonaws.com" in address else address


def s3_client(access: Access, *, connections: int = 32) -> BaseClient:
    """A thread-safe boto3 S3 client.

    Args:
        access: Credentials, endpoint and region.
        connections: Most requests in flight at a time.

    Raises:
        BadCredentials: The profile does not exist.
    """
    session = botocore_session(access)
    aws_itself = access.endpoint_url == AWS_ENDPOINT
    config = Config(
        signature_version=UNSIGNED if access.anonymous else None,
        retries={"mode": "standard", "max_attempts": access.max_attempts},
        max_pool_connections=connections,
        ignore_configured_endpoint_urls=True if aws_itself else None,
        s3={"addressing_style": "path"} if _has_own_endpoint(access, session) else None,
        # Older S3 servers refuse the newer default checksums on requests that need none.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="s3pipelines",
    )
    client = boto3.session.Session(botocore_session=session).client(
        "s3",
        config=config,
        region_name=region_of(access, session),
        endpoint_url=None if aws_itself else access.endpoint_url,
        use_ssl=access.use_ssl,
        verify=access.verify,
    )
    if access.requester_pays:
        client.meta.events.register("before-parameter-build.s3", _pay_for_requests)
    return client


def _has_own_endpoint(access: Access, session: botocore.session.Session) -> bool:
    """Path-style addresses for every server but AWS: few of the others have a wildcard name."""
    if access.endpoint_url is not None:
        return access.endpoint_url != AWS_ENDPOINT
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return False
    return session.get_component("config_store") is not None and (
        _configured_endpoint(session) is not None
    )


def _configured_endpoint(session: botocore.session.Session) -> str | None:
    """`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or the same of the profile."""
    from botocore.configprovider import ConfiguredEndpointProvider

    return ConfiguredEndpointProvider(
        full_config=session.full_config,
        scoped_config=session.get_scoped_config(),
        client_name="s3",
    ).provide()


def _pay_for_requests(params: dict[str, object], model: object, **_: object) -> None:
    shape = getattr(model, "input_shape", None)
    if shape is not None and "RequestPayer" in shape.members:
        params.setdefault("RequestPayer", "requester")


def _assumed_role(
    session: botocore.session.Session, role_arn: str
) -> DeferredRefreshableCredentials:
    """Credentials of the role, fetched at first use and again before they expire."""
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=session.create_client,
        source_credentials=session.get_credentials() or Credentials("", ""),
        role_arn=role_arn,
        extra_args={"RoleSessionName": "s3pipelines"},
    )
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
