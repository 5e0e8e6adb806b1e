"""A source: can it be listed and read, is it apart from our output, and is it up to date."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection.statistics import LedgerStatistics, statistics_of
from s3pipelines.core.doctor.findings import Check, Finding
from s3pipelines.core.doctor.queue_checks import inbox_finding, notifications_finding
from s3pipelines.core.errors import AccessDenied, Gone
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.guards import refuse_own_output
from s3pipelines.core.sources.refreshes import last_refresh
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.probes import ask_for, first_page

# The sensors look every few seconds, and a batch takes a run: this is not slow, it stands still.
_OPEN_TOO_LONG = timedelta(minutes=15)
_DAEMON = "Is the daemon running? Start it with: s3pipelines up"


def source_checks(catalog: Catalog, source: Source, queue_url: str | None) -> list[Check]:
    """The checks of one source, each by itself."""
    area = area_of(source.id)
    checks = [
        Check(area, "listing", lambda: _listing(catalog, source)),
        Check(area, "output", lambda: [_output(catalog, source)]),
        Check(area, "freshness", lambda: [_freshness(catalog, source)]),
        Check(area, "ledger", lambda: [_ledger(catalog, source)]),
    ]
    if source.inbox_location is not None:
        checks.append(Check(area, "inbox", lambda: [inbox_finding(catalog, source, area)]))
    if queue_url:
        checks.append(
            Check(
                area,
                "notifications",
                lambda: [notifications_finding(catalog, source, queue_url, area)],
            )
        )
    return checks


def area_of(source_id: str) -> str:
    """What findings about a source are grouped by."""
    return f"source {source_id}"


def _listing(catalog: Catalog, source: Source) -> Iterator[Finding]:
    area = area_of(source.id)
    access = source.access(catalog.access)
    page = first_page(access, source.location, versions=source.versions)
    yield Finding(area, "listing", "ok", f"{source.location.uri} can be listed.")
    if not page.objects.num_rows:
        detail = "There is no object that could be asked for."
        yield Finding(area, "reading", "skipped", detail)
        return
    key = page.objects.column("key")[0].as_py()
    yield _reading(catalog, source, key)


def _reading(catalog: Catalog, source: Source, key: str) -> Finding:
    area, uri = area_of(source.id), f"s3://{source.bucket}/{key}"
    try:
        ask_for(source.access(catalog.access), source.bucket, key)
    except AccessDenied:
        return Finding(
            area,
            "reading",
            "warning",
            f"{uri} may be listed, but not read: each event costs a listing, and no header or "
            "thumbnail can be made.",
            "Grant s3:GetObject (and kms:Decrypt, if its key is yours) on "
            f"arn:aws:s3:::{source.bucket}/{source.prefix}* to this identity.",
        )
    except Gone:
        return Finding(area, "reading", "skipped", f"{uri} was deleted in this moment.")
    return Finding(area, "reading", "ok", f"{uri} can be asked for.")


def _output(catalog: Catalog, source: Source) -> Finding:
    refuse_own_output(catalog, source)
    detail = "It holds nothing that the project writes."
    return Finding(area_of(source.id), "output", "ok", detail)


def _freshness(catalog: Catalog, source: Source) -> Finding:
    area, name = area_of(source.id), "freshness"
    command = f"s3pipelines index refresh --source {source.id}"
    record = last_refresh(catalog, source)
    if record is None:
        detail = "It was never listed in full."
        return Finding(area, name, "warning", detail, f"List it with: {command}")
    age = datetime.now(UTC) - record.listed_at
    detail = (
        f"Listed in full {_ago(age.total_seconds())} ago, at {record.listed_at:%Y-%m-%d %H:%M} "
        f"UTC; {counted(record.rows, 'object')}."
    )
    if age > timedelta(hours=source.fresh_within_hours):
        hint = f"It should be within {source.fresh_within_hours:g} h. {_DAEMON}; or: {command}"
        return Finding(area, name, "warning", detail, hint)
    return Finding(area, name, "ok", detail)


def _ledger(catalog: Catalog, source: Source) -> Finding:
    numbers = statistics_of(catalog, source)
    oldest_s = numbers.oldest_open_s
    late = oldest_s is not None and oldest_s > _OPEN_TOO_LONG.total_seconds()
    return Finding(
        area_of(source.id),
        "ledger",
        "warning" if late else "ok",
        _told(numbers),
        _DAEMON if late else None,
    )


def _told(numbers: LedgerStatistics) -> str:
    parts = [
        f"{counted(numbers.hints, 'hint')} open",
        f"{counted(numbers.waiting, 'object')} waiting",
    ]
    if numbers.oldest_open_s is not None:
        parts.append(f"the oldest open for {numbers.oldest_open_s:,.0f} s")
    parts.append(f"{counted(numbers.changes_last_hour, 'change')} in the last hour")
    if numbers.lag_p50_s is not None and numbers.lag_p95_s is not None:
        parts.append(f"lag {numbers.lag_p50_s:,.1f} s (median), {numbers.lag_p95_s:,.1f} s (95 %)")
    return ", ".join(parts) + "."


def _ago(age_s: float) -> str:
    return f"{age_s / 3600:,.1f} h" if age_s >= 3600 else f"{max(0.0, age_s) / 60:,.0f} min"
