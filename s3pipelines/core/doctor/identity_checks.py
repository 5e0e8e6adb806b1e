"""Who asks: the credentials of the catalog, and of the sources that have their own."""

from collections.abc import Sequence

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.doctor.findings import Check, Finding
from s3pipelines.core.errors import BadCredentials
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.probes import identity_of

_AREA = "credentials"
_NAMED = 5


def identity_checks(
    catalog: Catalog, sources: Sequence[Source], queue_url: str | None
) -> list[Check]:
    """One check for each way to reach an S3 that is in use."""
    users: dict[Access, list[str]] = {catalog.access: []}
    buckets: dict[Access, str] = {}
    if isinstance(catalog.location, S3Location):
        users[catalog.access].append("catalog")
        buckets[catalog.access] = catalog.location.bucket
    if queue_url:
        users[catalog.access].append("queue")
    for source in sources:
        access = source.access(catalog.access)
        users.setdefault(access, []).append(source.id)
        buckets.setdefault(access, source.bucket)

    def check(access: Access, names: list[str]) -> Check:
        called = _called(names)
        bucket = buckets.get(access, "")
        return Check(_AREA, called, lambda: [_identity(access, bucket, called, bool(names))])

    return [check(access, names) for access, names in users.items()]


def _called(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more if names else "default"


def _identity(access: Access, bucket: str, name: str, needed: bool) -> Finding:
    try:
        identity = identity_of(access, bucket)
    except BadCredentials as error:
        if needed:
            raise
        return Finding(_AREA, name, "skipped", f"{error.message} Nothing needs them yet.")
    return Finding(_AREA, name, "ok", f"{identity.who}; endpoint {identity.endpoint}.")
