"""Find a contender by its name, run it, print what it returns."""

import importlib
import json
import sys

from s3pipelines.cli import leave_out_pandas

# It is here for this one only; who has none is not asked to import it.
_WITH_PANDAS = "asking_objects"
_MODULES = {
    "register": "refreshing",
    "refresh": "refreshing",
    "list_sorted": "listing",
    "list_with_obstore": "listing",
    "spoil_keys": "listing",
    "alter_index": "altering",
    "make_base": "merging",
    "bring_up_to_date": "merging",
    "unsettle_layout": "merging",
    "whole_pass": "ticking",
    "fill_photographs": "picturing",
    "thumbnails_by_us": "picturing",
    "thumbnails_by_pillow": "picturing",
    "pyramids_by_us": "picturing",
    "pyramids_by_pillow": "picturing",
    "pyramid_by_us": "enlarging",
    "upload_photograph": "enlarging",
    "count_objects": "picturing",
    "upload_folder": "corpus",
    "work_through": "corpus",
    "decode_one": "corpus",
    "make_large_photograph": "enlarging",
    "plain_pyvips": "plain",
    "plain_pillow": "plain",
    "fill_catalog": "million",
    "add_objects": "million",
    "ask": "asking",
    "fill_objects": "asking_objects",
    "fill_rows": "laying_out",
    "lay_out": "laying_out",
    "ask_layout": "laying_out",
    "upload_objects": "asking_objects",
    "ask_objects": "asking_objects",
    "page_objects": "asking_objects",
    "refresh_repeatedly": "writing",
    "fill": "writing",
    "keep_changing": "writing",
    "verify": "writing",
    "fill_index": "scattering",
    "answer": "scattering",
    "apply": "scattering",
    "merge_at_once": "scattering",
    "fold_tail": "scattering",
    "remove_old": "scattering",
    "read_index": "scattering",
    "drain_queue": "draining",
    "queue_to_index": "draining",
    "copy_all": "verbs",
    "delete_all": "verbs",
    "count_keys": "verbs",
    "apply_batch": "batches",
    "plan_copies": "batches",
    "upload_files": "transferring",
    "register_files": "transferring",
    "download_files": "transferring",
}


def main() -> None:
    name, *arguments = sys.argv[1:]
    if _MODULES[name] != _WITH_PANDAS:
        leave_out_pandas()
    module = importlib.import_module(f"benchmarks.contenders.{_MODULES[name]}")
    json.dump(getattr(module, name)(*arguments), sys.stdout)


if __name__ == "__main__":
    main()
