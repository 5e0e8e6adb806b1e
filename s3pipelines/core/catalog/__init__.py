"""The catalog: where the project keeps its own state.

Delta tables under `tables/`, small documents (registry, leases, step outputs) beside them, and
the DuckDB connection that reads the tables. What the rows mean belongs to the packages above.
"""
