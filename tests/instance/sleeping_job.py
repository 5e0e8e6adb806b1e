"""A job with one step that sleeps, to be run in processes of its own."""

import sys
import time

from dagster import DagsterInstance, execute_job, job, op, reconstructable


@op
def nap() -> None:
    time.sleep(120)


@job
def naps() -> None:
    nap()


def run_here(run_id: str) -> None:
    """Execute the job in this process, which starts another one for the step."""
    with DagsterInstance.get() as instance:
        execute_job(reconstructable(naps), instance, tags={"test": run_id})


# Not `-m`: Dagster has to find the job by this module's name, not as `__main__`.
PROGRAM = [
    sys.executable,
    "-c",
    "import sys; from tests.instance.sleeping_job import run_here; run_here(sys.argv[1])",
]
