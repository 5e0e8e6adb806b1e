"""SQL over the catalog's tables: what may be asked, the session that answers, what comes out.

Everything here only reads. A statement passes the gate, runs in a locked DuckDB session with one
view per table, and streams out as Arrow batches, CSV, JSON or Parquet. What the tables hold
belongs to `core.catalog`; how a person types a statement belongs to the faces.
"""
