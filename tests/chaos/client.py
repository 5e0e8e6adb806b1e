"""The server of S3 and SQS as a process of its own, and how it is talked to."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config

from s3pipelines.core.storage.access import Access, StaticKeys

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Server:
    url: str

    @property
    def queue_url(self) -> str:
        return f"{self.url}/000000000000/chaos"

    def control(self, name: str, method: str = "POST") -> Any:
        with urlopen(Request(f"{self.url}/_ctl/{name}", method=method), timeout=120) as said:
            return json.loads(said.read())

    def objects(self, bucket: str) -> dict[str, dict[str, Any]]:
        with urlopen(f"{self.url}/_ctl/objects?bucket={bucket}", timeout=120) as said:
            rows = [json.loads(line) for line in said.read().decode().splitlines()]
        return {row["key"]: row for row in rows}

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def access(self) -> Access:
        return access_to(self.url)


def access_to(url: str) -> Access:
    return Access(endpoint_url=url, static_keys=StaticKeys("a", "b"), max_attempts=1)


@contextmanager
def running_server() -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.chaos.server", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield Server(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()
