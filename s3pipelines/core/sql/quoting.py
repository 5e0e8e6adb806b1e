"""Values and names in SQL text."""


def sql_text(value: str) -> str:
    """`value` as an SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def sql_name(value: str) -> str:
    """`value` as the name of a column or table."""
    return '"' + value.replace('"', '""') + '"'
