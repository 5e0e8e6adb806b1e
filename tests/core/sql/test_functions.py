"""Every function of this DuckDB was looked at: it is on one of two lists."""

import re

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.sql.functions import FUNCTIONS, TABLE_FUNCTIONS

# Writes, reads files, secrets or settings, waits, or runs the text of another query.
HARMFUL = """
    current_setting getvariable json_deserialize_sql json_serialize_plan json_serialize_sql
    nextval pg_sleep sleep_ms write_blob write_log
"""
# Of no use over these tables; some take values apart in ways that nobody tests against nonsense.
NEEDLESS = """
    can_cast_implicitly cast_to_type col_description combine
    create_sort_key current_connection_id current_query_id current_transaction_id currval
    finalize format_pg_type format_type get_block_size get_delta_test_expression get_type
    in_search_path is_histogram_other_bin make_type map_to_pg_oid obj_description
    parse_delta_filter_logline parse_duckdb_log_message replace_type shobj_description stats
    timetz_byte_comparable txid_current variant_bytes_to_variant variant_to_parquet_variant
    vector_type &&
"""
REFUSED_GROUPS = re.compile(
    r"__internal_.*|icu_.*|inet_(client|server)_(addr|port)|has_\w+_privilege|st_\w+|"
    r"pg_(?!typeof|size_pretty)\w+"
)
REFUSED_TABLE_FUNCTIONS = """
    arrow_scan arrow_scan_dumb checkpoint copy_dir delta_domain_metadata
    delta_filter_pushdown_log delta_filter_pushdown_log_tpcds delta_get_transaction_version
    delta_list_files delta_scan delta_set_transaction_version disable_logging disable_profiling
    enable_logging enable_profiling force_checkpoint glob histogram histogram_values
    icu_calendar_names json_execute_serialized_sql pandas_scan parquet_bloom_probe
    parquet_file_metadata parquet_full_metadata parquet_kv_metadata parquet_metadata parquet_scan
    parquet_schema python_map_function query query_table read_blob read_csv read_csv_auto
    read_duckdb read_json read_json_auto read_json_objects read_json_objects_auto read_ndjson
    read_ndjson_auto read_ndjson_objects read_parquet read_text seq_scan sniff_csv summary
    test_all_types test_vector_types truncate_duckdb_logs which_secret
"""


def functions_of_duckdb(catalog: Catalog, *types: str) -> set[str]:
    with connect(catalog, delta=True) as connection:
        found = connection.execute(
            "SELECT DISTINCT lower(function_name) FROM duckdb_functions() "
            "WHERE list_contains($1, function_type)",
            [list(types)],
        ).fetchall()
    return {name for (name,) in found}


def test_every_scalar_and_aggregate_of_this_duckdb_was_reviewed(local_catalog: Catalog) -> None:
    refused = set(HARMFUL.split()) | set(NEEDLESS.split())
    unseen = {
        name
        for name in functions_of_duckdb(local_catalog, "scalar", "aggregate", "macro")
        if name not in FUNCTIONS | refused and not REFUSED_GROUPS.fullmatch(name)
    }
    assert unseen == set()


def test_every_table_function_of_this_duckdb_was_reviewed(local_catalog: Catalog) -> None:
    refused = set(REFUSED_TABLE_FUNCTIONS.split())
    unseen = {
        name
        for name in functions_of_duckdb(local_catalog, "table", "table_macro")
        if name not in TABLE_FUNCTIONS | refused and not name.startswith(("duckdb_", "pragma_"))
    }
    assert unseen == set()


def test_nothing_harmful_is_allowed() -> None:
    assert not FUNCTIONS & set(HARMFUL.split())
    assert not {name for name in FUNCTIONS if REFUSED_GROUPS.fullmatch(name)}
    assert not TABLE_FUNCTIONS & set(REFUSED_TABLE_FUNCTIONS.split())
