"""A partition is a registered source, never an object: a million objects are rows."""

from dagster import BackfillPolicy, DynamicPartitionsDefinition

SOURCES = DynamicPartitionsDefinition(name="sources")

# One run per source, so that a source that fails never stops another one.
ONE_SOURCE_PER_RUN = BackfillPolicy.multi_run(max_partitions_per_run=1)

OWNERS = ["team:s3pipelines"]
