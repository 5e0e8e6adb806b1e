"""All checks at once, in bounded time."""

import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import TimeoutError as TookTooLong
from multiprocessing.pool import ThreadPool

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.doctor.catalog_checks import catalog_checks
from s3pipelines.core.doctor.findings import Check, Finding
from s3pipelines.core.doctor.identity_checks import identity_checks
from s3pipelines.core.doctor.image_checks import image_checks
from s3pipelines.core.doctor.machine_checks import machine_checks
from s3pipelines.core.doctor.queue_checks import queue_checks
from s3pipelines.core.doctor.source_checks import area_of, source_checks
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.sources.registry import Registry, read_registry
from s3pipelines.core.storage.probes import brief

_THREADS = 8
_BUDGET_S = 45
# Of a catalog with a thousand sources, everything is looked at, too.
_BUDGET_OF_SOURCE_S = 2
# Eight queries may run at a time.
_MEMORY_SHARE = 4
_LEAST_MEMORY_MB = 64


def examine(catalog: Catalog, queue_url: str | None) -> list[Finding]:
    """Look at everything; what fails is among the findings, and stops nothing else.

    Args:
        catalog: The catalog.
        queue_url: The queue of upload notifications, if there is one.
    """
    memory_limit_mb = max(_LEAST_MEMORY_MB, catalog.memory_limit_mb // _MEMORY_SHARE)
    hasty = replace(catalog, access=brief(catalog.access), memory_limit_mb=memory_limit_mb)
    registry, findings = _registered(hasty)
    sources = registry.sources
    checks = [
        *machine_checks(hasty, sources),
        *identity_checks(hasty, sources, queue_url),
        *catalog_checks(hasty),
        *image_checks(),
        *queue_checks(hasty.access, queue_url),
    ]
    for source in sources:
        checks += source_checks(hasty, source, queue_url)
    found = run_checks(checks, _BUDGET_S + _BUDGET_OF_SOURCE_S * len(sources))
    return _by_area([*found, *findings])


def run_checks(checks: Sequence[Check], budget_s: float) -> list[Finding]:
    """What the checks find, in their order.

    Args:
        checks: Called in eight threads.
        budget_s: Whoever has not answered by then has failed; nobody waits any longer.
    """
    deadline = time.monotonic() + budget_s
    findings: list[Finding] = []
    # Its threads are daemons: one that hangs in a library keeps no process from ending.
    with ThreadPool(_THREADS) as threads:
        asked = [(check, threads.apply_async(check.found)) for check in checks]
        for check, answer in asked:
            try:
                findings += answer.get(max(0.0, deadline - time.monotonic()))
            except TookTooLong:
                detail = f"There was no answer within {budget_s:g} s."
                hint = "Check the network to the server that it concerns, and run it again."
                findings.append(Finding(check.area, check.name, "failed", detail, hint))
    return findings


def _registered(catalog: Catalog) -> tuple[Registry, list[Finding]]:
    """The sources, and a finding for each registration that cannot be read."""
    try:
        registry = read_registry(catalog)
    except S3PipelinesError as error:
        finding = Finding("sources", "registry", "failed", error.message, error.hint)
        return Registry([], {}), [finding]
    damaged = [
        Finding(area_of(source_id), "registration", "failed", error.message, error.hint)
        for source_id, error in registry.unreadable.items()
    ]
    if not registry.ids:
        hint = "Register one: s3pipelines sources create --id ID --s3-path s3://BUCKET/PREFIX"
        damaged.append(Finding("sources", "registry", "skipped", "There is no source yet.", hint))
    return registry, damaged


def _by_area(findings: Sequence[Finding]) -> list[Finding]:
    """Areas in the order in which they first come, and their findings together."""
    order = {area: number for number, area in reversed(list(enumerate(f.area for f in findings)))}
    return sorted(findings, key=lambda finding: order[finding.area])
