"""`uploads`: the objects of a source as they lie on S3, which people and machines put there.

Nothing here makes it; the listing sensor reports when it saw that it differs from the index.
"""

from dagster import AssetSpec

from s3pipelines.assets.partitions import OWNERS, SOURCES

uploads = AssetSpec(
    "uploads",
    description="The objects of a source on S3, as people and machines upload, overwrite and "
    "delete them. Observed by the sensors.",
    group_name="collection",
    kinds={"s3"},
    owners=OWNERS,
    partitions_def=SOURCES,
)
