"""The assets: what the project keeps up to date, one partition per registered source.

One file per asset, each body a call into the core; `partitions` says what a partition is,
`failures` how an error of the core becomes a failed run.
"""
