"""`python -m benchmarks [NAME ...] [--objects N] [--rounds N]`: run all benchmarks, or some."""

import argparse
import importlib
import signal
import sys
from pathlib import Path

from benchmarks.fakes3 import Unavailable
from benchmarks.reporting import machine

NAMES = (
    "refresh_million",
    "merge_or_replace",
    "sensor_tick",
    "many_writers",
    "thumbnails",
    "pyramids",
    "pyramids_over_s3",
    "many_pyramids",
    "corpus_images",
    "images_million",
    "asking",
    "objects_layout",
    "scattered_changes",
    "ledger_throughput",
    "event_latency",
    "bulk_verbs",
    "batch",
    "plan_size",
    "transfers",
)
_RESULTS = Path(__file__).parent / "results"


def main() -> int:
    arguments = _arguments()
    # A terminated benchmark must leave its blocks, where servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name in arguments.names or NAMES:
        print(f"\n## {name}\n\n{machine()}\n", flush=True)
        module = importlib.import_module(f"benchmarks.{name}")
        try:
            text = module.run(arguments.objects, arguments.rounds)
        except Unavailable as reason:
            print(f"skipped: {reason}", flush=True)
            continue
        print(text, flush=True)
        _RESULTS.mkdir(exist_ok=True)
        (_RESULTS / f"{name}-{arguments.objects}.md").write_text(f"{machine()}\n\n{text}\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--objects", type=int, default=1_000_000, help="objects in a source")
    parser.add_argument("--rounds", type=int, default=3, help="how often each run is repeated")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(NAMES)):
        parser.error(f"there is no benchmark {unknown[0]!r}, only {', '.join(NAMES)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
