"""Step outputs as small documents in the catalog, so that any machine can run the next step.

What goes from step to step is a reference (a plan id, a shard's key range, a source id), never
data; an output of more than 64 kB is a mistake and is refused.
"""

import json
from typing import Any

from dagster import ConfigurableIOManager, InputContext, OutputContext

from s3pipelines.core.errors import InvalidInput
from s3pipelines.resources.catalog import CatalogResource

MOST_BYTES = 64 * 1024


class ReferenceIOManager(ConfigurableIOManager):
    """Keeps each output as JSON under `runs/<run>/<step>/<output>.json` in the catalog.

    The name comes from the run that made the output, so a re-execution "from failure" reads what
    its parent run left, on whatever machine it runs.
    """

    catalog: CatalogResource

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write a JSON value; assets that return nothing write nothing."""
        if obj is None and context.has_asset_key:
            return
        body = _encoded(obj, context.step_key)
        if len(body) > MOST_BYTES:
            raise InvalidInput(
                f"The output of step {context.step_key!r} has {len(body):,} bytes.",
                hint="Write the data to the catalog and return a reference to it.",
            )
        self.catalog.get().documents.put(_name(context), body)

    def load_input(self, context: InputContext) -> Any:
        """Read the JSON value that the upstream step left."""
        upstream = context.upstream_output
        if upstream is None:
            raise InvalidInput(
                f"The input {context.name!r} has no upstream step.", hint="Give it in the config."
            )
        return json.loads(self.catalog.get().documents.read(_name(upstream)).body)


def _encoded(obj: Any, step_key: str) -> bytes:
    try:
        return json.dumps(obj, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"The output of step {step_key!r} is no JSON value ({error}).",
            hint="Return text, numbers, lists or dicts of them.",
        ) from error


def _name(context: OutputContext) -> str:
    return "/".join(["runs", *context.get_identifier()]) + ".json"
