"""How many requests a query over S3 takes once the files are in order."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.sql.session import open_session
from s3pipelines.core.storage.access import Access
from s3pipelines.core.upkeep.optimize import optimize
from s3pipelines.services.moto import MotoServer
from tests.core.upkeep.counting import CountingProxy, counting_proxy
from tests.core.upkeep.tables import add_objects

ROWS = 400_000
MOST_GETS = 10


@pytest.fixture(scope="module")
def proxy(moto: MotoServer) -> Iterator[CountingProxy]:
    with counting_proxy(moto.endpoint) as made:
        yield made


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("key = 'maps/00123/scan_{}.tif'", 1),
        ("key >= 'maps/00123/' AND key < 'maps/001230'", 1000),
        ("key LIKE 'maps/00123/%'", 1000),
    ],
)
def test_a_key_and_a_folder_are_found_with_few_requests(
    s3_catalog: Catalog, bucket: str, proxy: CountingProxy, where: str, rows: int
):
    create_source(s3_catalog, "maps", f"s3://{bucket}/maps")
    add_objects(s3_catalog, "maps", ROWS, files=3, shuffled=True)
    add_objects(s3_catalog, "others", 5)
    assert optimize(s3_catalog, timedelta(days=30)).failures == ()
    beside = replace(s3_catalog, access=Access(endpoint_url=proxy.endpoint))
    some = "md5('123456')[:6]"
    where = where.replace("'maps/00123/scan_{}.tif'", f"'maps/00123/scan_' || {some} || '.tif'")

    with open_session(beside) as session:
        proxy.reset()
        statement = f"SELECT * FROM objects WHERE source = 'maps' AND {where}"
        found = session.run(statement).read_all()

    assert found.num_rows == rows
    print(where, dict(proxy.requests), proxy.bytes_read)
    assert proxy.requests["GET"] <= MOST_GETS
    assert proxy.requests["HEAD"] + proxy.requests["LIST"] <= MOST_GETS
    assert proxy.bytes_read < 2_500_000, "a part of a file"
