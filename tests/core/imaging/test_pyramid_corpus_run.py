"""The whole corpus as a source: every object has a pyramid, or a row with the reason."""

from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from tests.core.imaging.sources import rows_of
from tests.core.imaging.test_corpus import EXPECTED


@pytest.mark.slow
def test_every_object_has_a_pyramid_or_a_row_with_the_reason(
    local_catalog: Catalog, bucket: str, s3, corpus: Path
):
    for path in corpus.iterdir():
        s3.put_object(Bucket=bucket, Key=path.name, Body=path.read_bytes())
    create_source(local_catalog, "corpus", f"s3://{bucket}")
    refresh_index(local_catalog, "corpus")

    with DecodePool(PYRAMID_LIMITS) as pool:
        report = run(local_catalog, Work("corpus", "pyramid"), pool=pool)

    rows = rows_of(local_catalog, "derivatives")
    first = {row["key"]: row for row in rows if "/" not in row["params_digest"]}
    assert report.objects == len(EXPECTED)
    assert set(first) == set(EXPECTED)
    for name, (reason, _) in EXPECTED.items():
        wanted = None if isinstance(reason, int) else reason
        assert first[name]["error"] == wanted, name
        assert bool(first[name]["sha256"]) == (wanted is None), name
