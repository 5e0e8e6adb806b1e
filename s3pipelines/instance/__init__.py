"""What the project does with a Dagster instance: its home, its partitions, its abandoned runs.

The assets, jobs and sensors say what there is; this package looks after the place where Dagster
remembers what happened. That memory is a cache: everything in it can be rebuilt from the catalog.
"""
