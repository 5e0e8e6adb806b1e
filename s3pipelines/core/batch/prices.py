"""What a plan costs in requests and US dollars, as a rule."""

from math import ceil

from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.sources.estimates import USD_PER_GET, USD_PER_PUT


def price(action: Action, to_do: int) -> tuple[int, float]:
    """Requests, and US dollars for them, for so many objects.

    Storage, retrieval from archives, and transfer between regions come on top.
    """
    each = action.requests
    reads, writes = each.reads * to_do, each.writes * to_do
    deletes = ceil(each.deletes * to_do)
    requests = ceil(reads) + ceil(writes) + deletes
    # S3 takes nothing for deletes.
    return requests, round(reads * USD_PER_GET + writes * USD_PER_PUT, 6)
