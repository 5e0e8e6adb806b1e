"""boto3's S3 clients from an `Access`, with botocore's standard credential chain behind them.

They are made by botocore and so lack boto3's transfers, which take 50 ms of every command to
import: `upload` and `download` bring them in.
"""

import re
from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any

import botocore.session
from botocore import UNSIGNED
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import NoCredentialsError
from botocore.hooks import HierarchicalEmitter
from botocore.loaders import Loader

from s3pipelines.core.storage.access import AWS_ENDPOINT, Access
from s3pipelines.core.storage.failures import configuration_errors

DEFAULT_REGION = "us-east-1"
# A server that takes longer to accept a connection is not there; the default of 60 s, tried five
# times, would block a sensor until Dagster kills it.
_CONNECT_TIMEOUT_S = 5
# AWS's usual addresses, which everybody knows by the region alone.
AWS_ITSELF = re.compile(r"https?://s3([.-][a-z]+(-[a-z]+)+-\d+)?\.amazonaws\.com")


def botocore_session(access: Access) -> botocore.session.Session:
    """A session whose credentials are those of `access`; role credentials refresh themselves.

    Raises:
        BadCredentials: The profile does not exist.
        StorageError: The AWS configuration of this machine cannot be read.
    """
    session = botocore.session.Session(
        profile=access.profile, event_hooks=copy(_handlers()), include_builtin_handlers=False
    )
    with configuration_errors():
        # The descriptions of S3's operations, read once: a client takes 7 ms instead of 60 ms.
        # The first time, this reads the files too, with the profile of the environment.
        session.register_component("data_loader", _service_descriptions())
        session.get_scoped_config()  # Reads the files, so that a wrong profile shows here.
    if access.role_arn is not None:
        provider = _AssumedRole(access, session)
        session.register_component("credential_provider", CredentialResolver([provider]))
    elif access.static_keys is not None:
        keys = access.static_keys
        session.set_credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    return session


def region_of(access: Access, session: botocore.session.Session) -> str:
    """The region that is configured, or us-east-1, as every S3 takes it."""
    return access.region or session.get_config_variable("region") or DEFAULT_REGION


def endpoint_of(access: Access) -> str | None:
    """The endpoint's address as botocore's chain gives it, or None for AWS's usual ones.

    AWS's own private, FIPS and Chinese endpoints are addresses that must be named, too.
    """
    address = s3_client(access).meta.endpoint_url
    return None if AWS_ITSELF.fullmatch(address) else address


def s3_client(access: Access, *, connections: int = 32, read_timeout_s: float = 60) -> BaseClient:
    """A thread-safe S3 client.

    Other servers than AWS are addressed by path (`https://server/bucket/key`), as botocore does
    unless the profile says `addressing_style = virtual`.

    Args:
        access: Credentials, endpoint and region.
        connections: Most requests in flight at a time.
        read_timeout_s: How long a request may stay without a byte of answer, in seconds.

    Raises:
        BadCredentials: The profile does not exist, or its credentials cannot be had.
        StorageError: The endpoint or something else of the configuration is not valid.
    """
    return client_of(
        botocore_session(access), access, connections=connections, read_timeout_s=read_timeout_s
    )


def client_of(
    session: botocore.session.Session,
    access: Access,
    *,
    connections: int = 32,
    read_timeout_s: float = 60,
    service: str = "s3",
    otherwise: Config | None = None,
) -> BaseClient:
    """The client of a session that `botocore_session` made for the same access; see `s3_client`.

    A client of another service takes `access.endpoint_url` for the address of that service. What
    `otherwise` says goes before the usual configuration.
    """
    aws_itself = access.endpoint_url == AWS_ENDPOINT
    config = Config(
        signature_version=UNSIGNED if access.anonymous else None,
        retries={"mode": "standard", "total_max_attempts": access.max_attempts},
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        max_pool_connections=connections,
        ignore_configured_endpoint_urls=True if aws_itself else None,
        # Older S3 servers refuse the newer default checksums on requests that need none.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="s3pipelines",
    )
    with configuration_errors():
        client = session.create_client(
            service,
            config=config.merge(otherwise) if otherwise else config,
            region_name=region_of(access, session),
            endpoint_url=None if aws_itself else access.endpoint_url,
            use_ssl=access.use_ssl,
            verify=access.verify,
        )
    if access.requester_pays:
        client.meta.events.register("before-parameter-build.s3", _pay_for_requests)
    return client


@cache
def _service_descriptions() -> Loader:
    return botocore.session.Session().get_component("data_loader")


@cache
def _handlers() -> HierarchicalEmitter:
    """The handlers of botocore itself, registered once: most of what a session takes to make."""
    emitter = HierarchicalEmitter()
    botocore.session.Session(event_hooks=emitter)
    return emitter


def _pay_for_requests(params: dict[str, object], model: object, **_: object) -> None:
    shape = getattr(model, "input_shape", None)
    if shape is not None and "RequestPayer" in shape.members:
        params.setdefault("RequestPayer", "requester")


class _AssumedRole(CredentialProvider):
    """The whole credential chain of a session that acts in a role."""

    METHOD = CANONICAL_NAME = "custom-s3pipelines-role"

    def __init__(self, access: Access, session: botocore.session.Session) -> None:
        super().__init__()
        self._access = access
        self._session = session

    def load(self) -> Any:
        """Credentials of the role, fetched at first use and again before they expire."""
        # The keys to assume the role with: the same access, without the role.
        own = botocore_session(replace(self._access, role_arn=None)).get_credentials()
        if own is None:
            raise NoCredentialsError
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=self._sts_client,
            source_credentials=own,
            role_arn=self._access.role_arn,
            extra_args={"RoleSessionName": "s3pipelines"},
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")

    def _sts_client(self, service: str, **options: Any) -> BaseClient:
        aws_itself = self._access.endpoint_url == AWS_ENDPOINT
        return self._session.create_client(
            service,
            region_name=region_of(self._access, self._session),
            config=Config(
                connect_timeout=_CONNECT_TIMEOUT_S,
                ignore_configured_endpoint_urls=True if aws_itself else None,
            ),
            **options,
        )
