"""A process that applies a plan, in small steps so that it can be killed between many of them."""

import sys

from s3pipelines.core.batch import shards
from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage import leases
from s3pipelines.core.storage.locations import parse_location


def main(catalog: str, trash: str, plan_id: str) -> None:
    Action.chunk_rows = 40
    shards._COMMIT_ROWS = 80
    # Whoever comes after one that was killed waits until its leases have expired. With their usual
    # 30 seconds nearly all kills would hit somebody who waits.
    leases.RENEW_EVERY_S, leases.EXPIRE_AFTER_S, leases._POLL_EVERY_S = 0.3, 3.0, 0.1
    place = Catalog(parse_location(catalog), trash=trash)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    report = apply_plan(place, plan_id)
    sys.exit(0 if not report.left and not report.failed else 3)


if __name__ == "__main__":
    main(*sys.argv[1:])
