"""The Dagster home: where it is, what it is set to, and that one `up` at a time holds it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance
from dagster._core.instance.config import get_tick_retention_settings
from dagster._core.scheduler.instigation import TickStatus

from s3pipelines.assets.deriving import DERIVE_TAG, PYRAMIDS_TAG
from s3pipelines.core.errors import InvalidInput
from s3pipelines.instance.home import ensure_home, exclusive_home, open_instance
from s3pipelines.jobs.refresh_index import INDEX_SOURCE_TAG, REINDEX_TAG


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Set and removed, so that what `ensure_home` sets is undone after the test.
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.chdir(tmp_path)


def test_the_home_is_dagster_home_where_that_is_set(monkeypatch, tmp_path):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "deep" / "home"))
    assert ensure_home() == tmp_path / "deep" / "home"
    assert (tmp_path / "deep" / "home" / "dagster.yaml").is_file()


def test_without_dagster_home_it_is_a_folder_of_ours_under_the_working_directory(tmp_path):
    assert ensure_home() == tmp_path / ".s3pipelines" / "dagster"
    assert os.environ["DAGSTER_HOME"] == str(tmp_path / ".s3pipelines" / "dagster")


def test_a_home_that_is_given_counts_and_is_absolute(tmp_path):
    # Dagster refuses a relative one.
    assert ensure_home(Path("given")) == tmp_path / "given"
    assert os.environ["DAGSTER_HOME"] == str(tmp_path / "given")


def test_a_configuration_that_is_there_is_not_changed(tmp_path):
    (tmp_path / "dagster.yaml").write_text("nux:\n  enabled: true\n")
    ensure_home(tmp_path)
    assert (tmp_path / "dagster.yaml").read_text() == "nux:\n  enabled: true\n"


def test_a_home_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="Set DAGSTER_HOME to a folder of yours"):
        ensure_home(tmp_path / "file" / "home")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(tmp_path_factory.mktemp("home")))
        with open_instance() as instance:
            yield instance


def test_dagster_sends_nothing_home_and_shows_no_welcome(instance):
    assert not instance.telemetry_enabled
    assert not instance.nux_enabled


def test_seven_runs_at_once_of_which_two_are_left_to_arrivals(instance):
    queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    assert queue.max_concurrent_runs == 7
    assert queue.tag_concurrency_limits == [
        {"key": INDEX_SOURCE_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1},
        {"key": REINDEX_TAG, "limit": 2},
        {"key": DERIVE_TAG, "limit": 2},
        {"key": PYRAMIDS_TAG, "limit": 1},
    ]
    coordinator = instance.get_ref().run_coordinator_data
    assert coordinator is not None
    assert coordinator.class_name == "QueuedRunCoordinator"
    assert coordinator.config_dict == {
        "dequeue_interval_seconds": 2,
        "dequeue_use_threads": True,
        "dequeue_num_workers": 4,
    }


def test_a_run_that_hangs_is_ended_and_none_is_repeated_blindly(instance):
    assert instance.run_monitoring_enabled
    assert instance.run_monitoring_max_runtime_seconds == 6 * 3600
    assert instance.run_monitoring_start_timeout_seconds == 300
    assert not instance.run_retries_enabled


def test_ticks_are_not_kept_for_ever(instance):
    unset = dict.fromkeys(TickStatus, -1)
    sensor = get_tick_retention_settings(instance.get_settings("retention")["sensor"], unset)
    assert sensor == {
        TickStatus.STARTED: -1,
        TickStatus.SKIPPED: 1,
        TickStatus.SUCCESS: 7,
        TickStatus.FAILURE: 30,
    }
    schedule = get_tick_retention_settings(instance.get_settings("retention")["schedule"], unset)
    assert schedule[TickStatus.SKIPPED] == 7


@pytest.mark.parametrize("kind", ["sensors", "schedules", "backfills"])
def test_sensors_schedules_and_backfills_do_not_wait_for_each_other(instance, kind):
    settings = instance.get_settings(kind)
    assert settings["use_threads"]
    assert settings["num_workers"] == 4


@pytest.mark.slow
def test_many_processes_may_open_a_new_home_at_once(tmp_path):
    script = (
        "import sys, time\n"
        "from s3pipelines.instance.home import open_instance\n"
        "time.sleep(max(0, float(sys.argv[1]) - time.time()))\n"
        "with open_instance() as instance: instance.get_runs()\n"
    )
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path / "new")}
    together = str(time.time() + 3)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, together], env=environment, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()


HOLDER = """
import subprocess, sys
from pathlib import Path
from s3pipelines.instance.home import exclusive_home
with exclusive_home(Path(sys.argv[1])) as lock:
    if len(sys.argv) > 2:
        # What goes on for a while after its starter was killed.
        subprocess.Popen(["sleep", sys.argv[2]], stdout=subprocess.DEVNULL, pass_fds=[lock])
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(home: Path, *options: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def let_go(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def test_a_home_that_another_one_holds_is_refused_at_once(tmp_path):
    holder = hold(tmp_path)
    with pytest.raises(InvalidInput) as caught, exclusive_home(tmp_path):
        pass
    let_go(holder)
    assert str(caught.value) == (
        f"Another s3pipelines is already running on {tmp_path}. "
        "Stop it, or set DAGSTER_HOME to another folder."
    )


def test_a_home_can_be_held_again_after_it_was_let_go(tmp_path):
    for _ in range(2):
        with exclusive_home(tmp_path):
            pass


def test_the_home_of_a_killed_one_is_free_at_once(tmp_path):
    let_go(hold(tmp_path))
    with exclusive_home(tmp_path):
        pass


def test_it_waits_for_what_a_killed_one_had_started_to_end(tmp_path):
    let_go(hold(tmp_path, "2"))
    start = time.monotonic()
    with exclusive_home(tmp_path):
        assert 1 < time.monotonic() - start < 30
