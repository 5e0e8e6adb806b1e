"""Tests that every S3 server has to pass, each run once on each of them."""

import pytest

# One process starts the cluster, and runs all that needs it; together it takes minutes.
CEPH = pytest.param(
    "ceph", marks=[pytest.mark.ceph, pytest.mark.slow, pytest.mark.xdist_group("ceph")]
)

on_every_server = pytest.mark.parametrize("s3_server", ["moto", CEPH], indirect=True)
on_every_catalog = pytest.mark.parametrize("catalog", ["folder", "s3", CEPH], indirect=True)
