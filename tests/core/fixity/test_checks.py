"""Whether audits found every object undamaged."""

from dataclasses import replace

from s3pipelines.core.datasets.freezing import snapshot
from s3pipelines.core.fixity.auditing import Wanted, audit
from s3pipelines.core.fixity.checks import damaged
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, get_source
from tests.core.datasets.proxy import Answer, CountingProxy, Passed


def _spoiled(passed: Passed, answer: Answer) -> Answer:
    if passed.key == "maps/a.tif" and passed.method == "GET":
        answer.body = b"?" * len(answer.body)
    return answer


def test_a_source_fails_for_as_long_as_the_latest_audit_found_damage(
    local_catalog, filled, bucket, proxy: CountingProxy
):
    create_source(local_catalog, "other", f"s3://{bucket}/other")
    sources = [get_source(local_catalog, name) for name in ("maps", "other")]
    assert damaged(local_catalog, sources) == {}
    proxy.change = _spoiled
    audit(replace(local_catalog, access=proxy.access), Wanted("maps"))

    assert damaged(local_catalog, sources) == {"maps": "1 object mismatch, for example maps/a.tif"}
    audit(local_catalog, Wanted("maps"))
    assert damaged(local_catalog, sources) == {}


def test_an_object_that_was_replaced_no_longer_counts_unless_a_version_has_it(
    local_catalog, filled, s3, bucket, proxy: CountingProxy
):
    source = get_source(local_catalog, "maps")
    snapshot(local_catalog, "maps", "")
    proxy.change = _spoiled
    audit(replace(local_catalog, access=proxy.access), Wanted("maps"))
    s3.delete_object(Bucket=bucket, Key="maps/b.tif")
    audit(local_catalog, Wanted("maps@1"))
    s3.put_object(Bucket=bucket, Key="maps/a.tif", Body=b"new")
    refresh_index(local_catalog, "maps")

    # a.tif was read once more, and well; b.tif is gone, and a member of maps@1.
    assert damaged(local_catalog, [source]) == {"maps": "1 object missing, for example maps/b.tif"}


def test_what_was_deleted_and_is_of_no_version_does_not_count(local_catalog, filled, s3, bucket):
    s3.delete_object(Bucket=bucket, Key="maps/b.tif")
    audit(local_catalog, Wanted("maps"))
    source = get_source(local_catalog, "maps")
    assert damaged(local_catalog, [source]) == {"maps": "1 object missing, for example maps/b.tif"}

    refresh_index(local_catalog, "maps")

    assert damaged(local_catalog, [source]) == {}
