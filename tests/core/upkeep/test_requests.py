"""How many requests a query over S3 takes once the files are in order."""

import hashlib
from dataclasses import replace
from datetime import timedelta

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.sql.session import open_session
from s3pipelines.core.storage.access import Access
from s3pipelines.core.upkeep.optimize import optimize
from s3pipelines.services.moto import MotoServer
from tests.core.upkeep.counting import counting_proxy
from tests.core.upkeep.tables import add_objects

ROWS = 250_000  # Two files.
MOST_GETS = 10
MOST_HEADS_AND_LISTS = 5

QUERIES = {
    f"key = 'maps/00123/scan_{hashlib.md5(b'123456').hexdigest()[:6]}.tif'": 1,
    "key >= 'maps/00123/' AND key < 'maps/001230'": 1000,
    "starts_with(key, 'maps/00123/')": 1000,
}


def test_a_key_and_a_folder_are_found_with_few_requests(
    s3_catalog: Catalog, bucket: str, moto: MotoServer
):
    create_source(s3_catalog, "maps", f"s3://{bucket}/maps")
    add_objects(s3_catalog, "maps", ROWS, files=2, shuffled=True)
    add_objects(s3_catalog, "others", 5)
    assert optimize(s3_catalog, timedelta(days=30)).failures == ()

    for where, rows in QUERIES.items():
        with counting_proxy(moto.endpoint) as proxy:
            beside = replace(s3_catalog, access=Access(endpoint_url=proxy.endpoint))
            with open_session(beside) as session:
                statement = f"SELECT * FROM objects WHERE source = 'maps' AND {where}"
                found = session.run(statement).read_all()

        assert found.num_rows == rows
        assert proxy.requests["DATA"] + proxy.requests["LOG"] <= MOST_GETS, where
        assert proxy.requests["HEAD"] + proxy.requests["LIST"] <= MOST_HEADS_AND_LISTS, where
        assert proxy.bytes_read < 2_000_000, "a part of a file"
