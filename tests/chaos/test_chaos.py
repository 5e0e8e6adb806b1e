"""`make chaos`: consumers are killed a hundred times, and the index is exactly the bucket."""

import os
import time
from pathlib import Path

import pytest

from s3pipelines.core.index.refresh import refresh_index
from tests.chaos.client import Server, running_server
from tests.chaos.driver import SOURCE, Plan, Story, play, prepared
from tests.chaos.verdict import (
    Ledger,
    applied_positions,
    keys_whose_end_was_lost,
    nonsense,
    read_ledger,
    wrong_keys,
)

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(7200)]
_EVENTS = int(os.environ.get("CHAOS_EVENTS", "100000"))
_KEYS_PER_EVENT = 0.2


@pytest.mark.parametrize(
    "plan",
    [
        Plan(_EVENTS, round(_EVENTS * _KEYS_PER_EVENT), kills=100),
        # Where objects have to rest, what waits lies between what is new.
        Plan(_EVENTS // 20, round(_EVENTS * _KEYS_PER_EVENT) // 20, kills=20, seed=2, settle_s=2),
    ],
    ids=["at once", "after resting"],
)
def test_whoever_is_killed_whenever_no_event_is_lost_and_none_is_applied_twice(
    tmp_path: Path, plan: Plan
):
    started = time.monotonic()
    with running_server() as server:
        setting = prepared(server, tmp_path, plan)
        story = play(server, setting, plan)
        catalog = setting.catalog
        wrong, lost = wrong_keys(server, catalog), keys_whose_end_was_lost(plan)
        ledger = read_ledger(catalog, story.listed_up_to)
        _print(plan, server, story, ledger, wrong, lost)
        assert wrong <= lost
        assert ledger.open_keys == []
        if plan.settle_s:
            time.sleep(plan.settle_s + 1)  # What a listing finds has to have rested, too.
        refresh_index(catalog, SOURCE)
        assert wrong_keys(server, catalog) == set()
    ledger, positions = read_ledger(catalog, story.listed_up_to), applied_positions(catalog)
    print(f"{len(positions):,} commits of the index; {time.monotonic() - started:.0f} s in all")
    assert positions == sorted(set(positions))
    assert nonsense(ledger, max(positions)) == []
    assert ledger.open_keys == []


def _print(
    plan: Plan, server: Server, story: Story, ledger: Ledger, wrong: set[str], lost: set[str]
) -> None:
    requests = server.control("state", "GET")["requests"]
    hints = ledger.kinds.get("hinted", 0)
    busy_s = story.storm_s + story.calm_s
    print(
        f"\n{plan.events:,} events of {plan.keys:,} keys: {hints:,} hints in the ledger in "
        f"{busy_s:.0f} s ({story.storm_s:.0f} s of it with kills), {hints / busy_s:,.0f} a second"
        f"\nS3 was asked {requests.get('head', 0):,} times; rows of the ledger: {ledger.kinds}"
        f"\n{sum(story.kills.values())} kills: {dict(story.kills.most_common())}"
        f"\n{story.repaired:,} changes were found by listings that went on meanwhile"
        f"\n{len(wrong):,} keys were wrong before the last listing; of {len(lost):,} the last "
        "event was lost"
    )
