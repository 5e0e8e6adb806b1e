"""Where a bucket is, and with which keys it is asked: what botocore would do, found out once."""

import asyncio
import ssl
import time
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.exceptions import NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies
from urllib3.response import HTTPResponse

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import botocore_session, client_of
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.signing import Keys
from s3pipelines.core.storage.options import place_of

# botocore renews keys 10 to 15 minutes before they expire; asking it takes a lock.
_KEYS_KEPT_S = 30


@dataclass
class BucketPlace:
    """Where the requests about a bucket go.

    Attributes:
        bucket: Its name.
        origin: `https://host[:port]`.
        host: Host and port.
        path: What comes before every key, percent-encoded; empty if the host names the bucket.
        region: The region that a signature names.
        max_attempts: How often a request is tried.
        requester_pays: The requester pays for the requests.
        tls: How the server is recognised; None without TLS.
        proxy: The proxy to ask through, as the environment names it for this address.
    """

    bucket: str
    origin: str
    host: str
    path: str
    region: str
    max_attempts: int
    requester_pays: bool
    tls: ssl.SSLContext | None
    proxy: str | None = None
    _credentials: Any = field(default=None, repr=False)
    _keys: Keys | None = field(default=None, repr=False)
    _keys_at: float = field(default=0.0, repr=False)

    async def keys(self) -> Keys | None:
        """The access key of this moment; None for an anonymous access.

        Raises:
            BotoCoreError: There is none, or it cannot be fetched.
        """
        if self._credentials is None:
            return None
        if self._keys is None or time.monotonic() - self._keys_at > _KEYS_KEPT_S:
            frozen = await asyncio.to_thread(self._credentials.get_frozen_credentials)
            if not frozen.access_key or not frozen.secret_key:
                raise NoCredentialsError
            self._keys = Keys(frozen.access_key, frozen.secret_key, frozen.token)
            self._keys_at = time.monotonic()
        return self._keys


def bucket_place(access: Access, bucket: str) -> BucketPlace:
    """Find out where a bucket is; on AWS itself its region is asked for.

    Raises:
        BadCredentials: There are none.
        StorageError: The bucket cannot be asked where it lies.
    """
    session = botocore_session(access)
    client = client_of(session, access)
    _, region = place_of(session, client, access, bucket)
    with s3_errors(bucket):
        url = urlsplit(_unsigned_url(access, region, bucket))
        credentials = None if access.anonymous else session.get_credentials()
        if credentials is None and not access.anonymous:
            raise NoCredentialsError
    return BucketPlace(
        bucket=bucket,
        origin=f"{url.scheme}://{url.netloc}",
        host=url.netloc,
        path=url.path.rstrip("/"),
        region=region,
        max_attempts=access.max_attempts,
        requester_pays=access.requester_pays,
        tls=tls_of(session.get_config_variable("ca_bundle"), access)
        if url.scheme == "https"
        else None,
        proxy=get_environ_proxies(f"{url.scheme}://{url.netloc}").get(url.scheme),
        _credentials=credentials,
    )


class KnownPlaces:
    """Finds out once where each bucket is, which takes 30 ms and more."""

    def __init__(self) -> None:
        self._known: dict[tuple[Access, str], BucketPlace] = {}

    def of(self, access: Access, bucket: str) -> BucketPlace:
        """See `bucket_place`."""
        known = self._known.get((access, bucket))
        if known is None:
            known = self._known[access, bucket] = bucket_place(access, bucket)
        return known


def _unsigned_url(access: Access, region: str, bucket: str) -> str:
    """What botocore's rules make of the endpoint, the region and the bucket's name."""
    plain = replace(access, anonymous=True, requester_pays=False, role_arn=None, region=region)
    client: BaseClient = client_of(botocore_session(plain), plain)
    asked: list[str] = []

    def instead_of_sending(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        asked.append(request.url)
        return AWSResponse(request.url, 200, {}, HTTPResponse(BytesIO()))

    client.meta.events.register("before-send.s3.HeadBucket", instead_of_sending)
    client.head_bucket(Bucket=bucket)
    return asked[0]


def tls_of(bundle: str | None, access: Access) -> ssl.SSLContext:
    """How a server is recognised: by the certificates of `bundle`, or by those of botocore."""
    if access.verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return ssl.create_default_context(cafile=bundle or get_cert_path(True))
