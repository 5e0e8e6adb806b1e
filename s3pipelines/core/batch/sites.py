"""The buckets that a plan reads and writes, each with its client, open for one event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.targets import target_access, trash_location
from s3pipelines.core.batch.trials import enforced_at
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import Access, same_endpoint
from s3pipelines.core.storage.clients import endpoint_of
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.places import KnownPlaces
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.verbs.probe import Enforced
from s3pipelines.core.storage.verbs.versioning import bucket_versioning

# At 30 ms of latency, as many as one core of this machine has something to do with.
IN_FLIGHT = 512
_PROBES_IN_FLIGHT = 16
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


async def find_facts(
    catalog: Catalog, source: Source, plan: Plan, action: Action, places: KnownPlaces
) -> PlanFacts:
    """Ask the buckets what they are like, and try on small objects what may be done there.

    Raises:
        AccessDenied: Something that the plan needs is not allowed.
        InvalidInput: There is no place for what the plan removes.
        StorageError: A bucket cannot be asked.
    """
    if action.of_trash:
        _refuse_other_trash(catalog, source, plan)
    own, mapping = source.access(catalog.access), action.mapping
    ask = partial(_facts, catalog, plan, places)
    questions = [partial(ask, "source", source.location, own, changes=action.changes_source)]
    if mapping is not None:
        access = target_access(catalog, source, mapping.to)
        questions.append(partial(ask, "target", mapping.to, access, changes=True))
    facts = await _all_of(questions)
    found, target = facts[0], facts[-1]
    removed_from = {"source": found, "target": target}.get(action.trash_of or "")
    trash = None
    if action.of_trash or (removed_from is not None and not removed_from.keeps_versions):
        trash = await ask("trash", trash_location(catalog, source), catalog.access, changes=True)
    return PlanFacts(found, target, trash)


async def _all_of(questions: Sequence[Callable[[], Awaitable[SiteFacts]]]) -> list[SiteFacts]:
    """All of them end before the first error is raised, so that none leaves its trials behind."""
    asked = (question() for question in questions)
    ended = await asyncio.gather(*asked, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    return [one for one in ended if isinstance(one, SiteFacts)]


def _refuse_other_trash(catalog: Catalog, source: Source, plan: Plan) -> None:
    now = catalog.trash_location(source.id).uri
    if now != plan.target:
        raise InvalidInput(
            f"The plan was made for the trash {plan.target}, and that of this project is {now}.",
            hint="Make a new plan, or set S3PIPELINES_TRASH as it was.",
        )


async def _facts(
    catalog: Catalog,
    plan: Plan,
    places: KnownPlaces,
    role: str,
    location: S3Location,
    access: Access,
    *,
    changes: bool,
) -> SiteFacts:
    place = places.of(access, location.bucket)
    async with BucketClient(place, most_in_flight=_PROBES_IN_FLIGHT) as client:
        versioning, enforced = await bucket_versioning(client), Enforced()
        if changes:
            enforced = await enforced_at(
                catalog,
                client,
                place,
                access,
                location,
                purpose=f"{plan.id}-{role}",
                versioned=versioning is not None,
            )
    return SiteFacts(location, versioning == "Enabled", enforced)


@asynccontextmanager
async def open_sites(
    catalog: Catalog,
    source: Source,
    plan: Plan,
    facts: PlanFacts,
    places: KnownPlaces,
) -> AsyncIterator[Sites]:
    """Open the buckets of a plan, with what was found out about them.

    Args:
        catalog: Where the plan is.
        source: Its source.
        plan: The plan.
        facts: What was found out.
        places: Where the buckets are, as far as that is known.
    """
    async with AsyncExitStack() as stack:

        async def opened(facts: SiteFacts, access: Access) -> Site:
            place = places.of(access, facts.location.bucket)
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
