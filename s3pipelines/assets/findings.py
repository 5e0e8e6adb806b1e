"""The result of a check that names the failing sources, in a table."""

from collections.abc import Mapping

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    MetadataValue,
    TableColumn,
    TableRecord,
    TableSchema,
)


def findings_result(
    spec: AssetCheckSpec,
    failing: Mapping[str, str],
    severity: AssetCheckSeverity = AssetCheckSeverity.WARN,
) -> AssetCheckResult:
    """Passed if no source fails; else what was found, by source."""
    columns = [TableColumn("source", "string"), TableColumn("finding", "string")]
    records = [TableRecord({"source": key, "finding": text}) for key, text in failing.items()]
    return AssetCheckResult(
        check_name=spec.name,
        asset_key=spec.asset_key,
        passed=not failing,
        severity=severity,
        description=f"Failing: {', '.join(failing)}" if failing else "Every source passes.",
        metadata={
            "failing_sources": MetadataValue.int(len(failing)),
            "findings": MetadataValue.table(records, TableSchema(columns=columns)),
        },
    )
