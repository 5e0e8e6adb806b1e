"""The buckets that a plan reads and writes, each with its client, open for one event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.targets import target_access, trash_location
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import Access, same_endpoint
from s3pipelines.core.storage.clients import endpoint_of
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.verbs.probe import Enforced, probe_preconditions
from s3pipelines.core.storage.verbs.versioning import bucket_versioning

# 256 in flight reach nine tenths of what 30 ms of latency allow.
IN_FLIGHT = 256
_PROBES_IN_FLIGHT = 8
# Each holds up to eight parts of 8 MB, so that these take half a gigabyte at the most.
_PASSING_AT_A_TIME = 8


@dataclass(frozen=True)
class SiteFacts:
    """What was found out about a bucket before the first object was touched.

    Attributes:
        location: Bucket and prefix, `s3://bucket/prefix/`.
        keeps_versions: A key that is overwritten or deleted keeps what it was.
        enforced: Which preconditions the server compares by itself.
    """

    location: S3Location
    keeps_versions: bool
    enforced: Enforced


@dataclass(frozen=True)
class PlanFacts:
    """The facts about each bucket of a plan; the target is the source where objects stay."""

    source: SiteFacts
    target: SiteFacts
    trash: SiteFacts | None


@dataclass(frozen=True)
class Site:
    """One bucket and prefix, as a plan sees it: its facts, who asks at which server, a client."""

    facts: SiteFacts
    identity: Access
    endpoint: str | None
    client: BucketClient

    @property
    def bucket(self) -> str:
        """Its name."""
        return self.facts.location.bucket


@dataclass(frozen=True)
class Sites:
    """The buckets of a plan.

    Attributes:
        plan_id: The plan.
        source: Where the objects are.
        target: Where they go; the source itself where they stay.
        trash: Where what is removed from a bucket without versions is kept; None where the plan
            needs none.
        trash_folder: What the keys in the trash begin with: each plan has a folder of its own.
        passing: Lets few objects at a time through the memory of this machine.
    """

    plan_id: str
    source: Site
    target: Site
    trash: Site | None
    trash_folder: str
    passing: asyncio.Semaphore

    def by_server(self, origin: Site, target: Site) -> bool:
        """Whether one server can copy between the two by itself, as who asks at the target."""
        if not same_endpoint(origin.endpoint, target.endpoint):
            return False
        return origin.identity.anonymous or origin.identity == target.identity


async def find_facts(catalog: Catalog, source: Source, plan: Plan, action: Action) -> PlanFacts:
    """Ask the buckets what they are like, and try on small objects what may be done there.

    Raises:
        AccessDenied: Something that the plan needs is not allowed.
        InvalidInput: There is no place for what the plan removes.
        StorageError: A bucket cannot be asked.
    """
    own = source.access(catalog.access)
    mapping, trash = action.mapping, None
    found = await _facts(plan, source.location, own, changes=action.changes_source)
    target = found
    if mapping is not None:
        to = mapping.to
        target = await _facts(plan, to, target_access(catalog, source, to), changes=True)
    removed_from = {"source": found, "target": target}.get(action.trash_of or "")
    if action.of_trash:
        _refuse_other_trash(catalog, source, plan)
    if action.of_trash or (removed_from is not None and not removed_from.keeps_versions):
        trash = await _facts(plan, trash_location(catalog, source), catalog.access, changes=True)
    return PlanFacts(found, target, trash)


def _refuse_other_trash(catalog: Catalog, source: Source, plan: Plan) -> None:
    now = catalog.trash_location(source.id).uri
    if now != plan.target:
        raise InvalidInput(
            f"The plan was made for the trash {plan.target}, and that of this project is {now}.",
            hint="Make a new plan, or set S3PIPELINES_TRASH as it was.",
        )


async def _facts(plan: Plan, location: S3Location, access: Access, *, changes: bool) -> SiteFacts:
    place = bucket_place(access, location.bucket)
    async with BucketClient(place, most_in_flight=_PROBES_IN_FLIGHT) as client:
        keeps_versions = await bucket_versioning(client) == "Enabled"
        enforced = Enforced()
        if changes:
            enforced = await probe_preconditions(client, location.prefix, plan.id)
    return SiteFacts(location, keeps_versions, enforced)


@asynccontextmanager
async def open_sites(
    catalog: Catalog, source: Source, plan: Plan, facts: PlanFacts
) -> AsyncIterator[Sites]:
    """Open the buckets of a plan, with what was found out about them."""
    async with AsyncExitStack() as stack:

        async def opened(facts: SiteFacts, access: Access) -> Site:
            place = bucket_place(access, facts.location.bucket)
            client = BucketClient(place, most_in_flight=IN_FLIGHT)
            await stack.enter_async_context(client)
            # Once: to find out the endpoint takes 30 ms.
            return Site(facts, _identity(access), endpoint_of(access), client)

        own = target = await opened(facts.source, source.access(catalog.access))
        if plan.target is not None:
            access = target_access(catalog, source, facts.target.location)
            target = await opened(facts.target, access)
        trash = await opened(facts.trash, catalog.access) if facts.trash else None
        folder = f"{facts.trash.location.prefix}{plan.id}/" if facts.trash else ""
        yield Sites(plan.id, own, target, trash, folder, asyncio.Semaphore(_PASSING_AT_A_TIME))


def _identity(access: Access) -> Access:
    """Whose credentials these are, whatever they are used for."""
    return replace(access, requester_pays=False, endpoint_url=None, region=None)
