"""Plain GETs and PUTs of whole objects and ranges, by obstore, with boto3 behind it.

boto3 takes 1.3 ms of processor time for a GET or a PUT, obstore 0.2 ms, and it leaves Python's lock
alone meanwhile. That matters where an object is worth milliseconds: 32 threads of thumbnails spend
a quarter of their processor time in boto3.

obstore tries once here. What it cannot do, for whatever reason, it does not do, and the caller asks
boto3, which retries, follows buckets to their region, and words what is wrong (`failures`). So
there is one place that knows S3's errors, and an object that is gone costs two requests.
"""

import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.client import BaseClient
from botocore.session import Session

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.options import place_of

# botocore renews credentials that have less than ten minutes left, and obstore asks for new ones
# five minutes before it believes that they end.
_KEYS_LAST = timedelta(minutes=10)
# So often in a row boto3 may manage what obstore does not, before obstore is left out.
_MISSES = 8


class QuickObjects:
    """Objects of one bucket by obstore, as long as that works; may be shared by threads.

    Args:
        session: Of `botocore_session`, whose credentials are used and renewed.
        client: Of `client_of`, which knows the endpoint.
        access: What both were made of.
        bucket: Its name.
    """

    def __init__(self, session: Session, client: BaseClient, access: Access, bucket: str) -> None:
        self._make: Callable[[], Any] = lambda: _store(session, client, access, bucket)
        self._store: Any = None
        self._making = threading.Lock()
        self._misses = itertools.count()
        self._left_out = False

    def get(self, key: str, etag: str, offset: int, length: int) -> bytes | None:
        """The bytes from `offset`, `length` of them or up to the end; None: ask boto3."""
        options = {"if_match": f'"{etag}"', "range": (offset, offset + length)}
        return self._tried(
            key, lambda obstore, store: bytes(obstore.get(store, key, options=options).bytes())
        )

    def put(self, key: str, body: bytes, content_type: str | None = None) -> bool:
        """Write an object; False: ask boto3, it may or may not be written."""
        attributes = {"Content-Type": content_type} if content_type else {}
        done = self._tried(
            key,
            lambda obstore, store: obstore.put(
                store, key, body, attributes=attributes, use_multipart=False
            ),
        )
        return done is not None

    def boto3_managed(self) -> None:
        """Say that boto3 did what was not done here; if that goes on, obstore is left out.

        So it is behind a certificate or a proxy that only botocore's configuration knows.
        """
        if next(self._misses) + 1 >= _MISSES:
            self._left_out = True

    def _tried(self, key: str, do: Callable[[Any, Any], Any]) -> Any | None:
        if self._left_out or not addressable(key):
            return None
        import obstore
        from obstore.exceptions import BaseError

        try:
            with self._making:
                if self._store is None:
                    self._store = self._make()
            done = do(obstore, self._store)
        # obstore raises some of its errors as Python's own.
        except (BaseError, StorageError, OSError, ValueError):
            return None
        self._misses = itertools.count()
        return done


def addressable(key: str) -> bool:
    """Whether obstore asks for exactly this key.

    It drops a leading and a trailing slash, which names another object, and refuses empty parts,
    `.`, `..` and control characters (0.12.1).
    """
    return key.isprintable() and all(part not in ("", ".", "..") for part in key.split("/"))


def _store(session: Session, client: BaseClient, access: Access, bucket: str) -> Any:
    """Obstore takes from the environment whatever is not named, so that everything is."""
    from obstore.store import S3Store

    endpoint, region = place_of(session, client, access, bucket)
    address = endpoint or f"https://s3.{region}.amazonaws.com"
    options: dict[str, Any] = {}
    if not access.anonymous:
        options["credential_provider"] = _Keys(session)
    return S3Store(
        bucket,
        endpoint=address,
        aws_endpoint_url_s3=address,
        region=region,
        virtual_hosted_style_request=False,
        skip_signature=access.anonymous,
        request_payer=access.requester_pays,
        client_options={
            "allow_http": address.startswith("http:"),
            "allow_invalid_certificates": access.verify is False,
            "connect_timeout": timedelta(seconds=5),
            "read_timeout": timedelta(seconds=60),
            # Of a whole answer; slow lines are a matter of the read timeout.
            "timeout": timedelta(hours=1),
            "user_agent": "s3pipelines",
        },
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=60)},
        **options,
    )


class _Keys:
    """botocore's credentials of this moment, in obstore's words."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self) -> dict[str, Any]:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise ValueError("There are no credentials.")
        frozen = credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _KEYS_LAST,
        }
