"""`python -m s3pipelines.viewer --port N`: the viewer of the catalog that the settings name."""

import argparse
import sys

import uvicorn

from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.settings import catalog_of, load_settings
from s3pipelines.viewer.app import LOOPBACK_NAMES, build_app

_LAST_PORT = 65535


def main() -> int:
    """Serve until SIGINT or SIGTERM; 1 if it cannot."""
    parser = argparse.ArgumentParser(prog="python -m s3pipelines.viewer", description=__doc__)
    parser.add_argument("--port", type=_port, required=True)
    # Whoever can reach the port can see the pictures: there is no login.
    parser.add_argument("--host", choices=LOOPBACK_NAMES, default=LOOPBACK_NAMES[0])
    arguments = parser.parse_args()
    try:
        app = build_app(catalog_of(load_settings()))
    except S3PipelinesError as error:
        sys.stderr.write(f"Error: {error.message}\n{error.hint}\n")
        return 1
    config = uvicorn.Config(
        app,
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        access_log=False,  # Addresses hold keys.
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run()
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to {_LAST_PORT}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
