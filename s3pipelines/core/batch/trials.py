"""What a bucket was found to do by itself, kept for a while: finding it out takes a dozen requests.

A result belongs to a bucket, a prefix and the access that is configured for it. It tells how the
server works, which hardly ever changes; whether something is allowed is seen again with each
request.
"""

import asyncio
import hashlib
from dataclasses import fields
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, ValidationError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import Gone
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.places import BucketPlace
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.verbs.probe import Enforced, probe_preconditions

_USABLE_FOR = timedelta(hours=24)


class _Trial(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tried_at: datetime
    enforced: Enforced


async def enforced_at(
    catalog: Catalog,
    client: BucketClient,
    place: BucketPlace,
    access: Access,
    location: S3Location,
    *,
    purpose: str,
    versioned: bool,
) -> Enforced:
    """What the server of a bucket enforces: as it was found of late, or else tried now.

    Args:
        catalog: Where that is kept.
        client: Asks the bucket.
        place: Where it is.
        access: As whom.
        location: The bucket, and where objects for a trial may go.
        purpose: See `probe_preconditions`.
        versioned: The bucket keeps versions, or once did.

    Raises:
        AccessDenied: Objects may not be written, copied or deleted there.
        StorageError: The bucket, or the catalog, cannot be asked.
    """
    name = _name(place, access, location, versioned=versioned)
    known = await asyncio.to_thread(_read, catalog, name)
    if known is not None and datetime.now(UTC) - known.tried_at < _USABLE_FOR:
        return known.enforced
    enforced = await probe_preconditions(client, location.prefix, purpose, versioned=versioned)
    trial = _Trial(tried_at=datetime.now(UTC), enforced=enforced)
    await asyncio.to_thread(catalog.documents.put, name, trial.model_dump_json().encode())
    return enforced


def _name(place: BucketPlace, access: Access, location: S3Location, *, versioned: bool) -> str:
    questions = [field.name for field in fields(Enforced)]
    asked = repr((place.origin, access, location, versioned, questions))
    return f"trials/{hashlib.sha256(asked.encode()).hexdigest()}.json"


def _read(catalog: Catalog, name: str) -> _Trial | None:
    try:
        return _Trial.model_validate_json(catalog.documents.read(name).body)
    except (Gone, ValidationError):
        return None
