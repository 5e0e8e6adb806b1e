"""How the observations of a key fold into what is to be done about it.

Three questions over one relation, `observations` (rows of the ledger with the commit that brought
them, `commit_version`), written in SQL so that a million observations need no more memory than
DuckDB may use. Only versions of the ledger are compared: never S3's event times, `last_modified`
or the clock of a machine with one another.

- A *hint* is answered by what S3 said to whoever had read the ledger up to that hint, or later:
  `ledger_version` of an answer is the version that was read before S3 was asked.
- Of several answers the latest one in the ledger holds. The answers of one source are written in
  turn (a Delta transaction refuses who was overtaken), so their order is that of the questions.
- A *change* is an answer that differs from the index; it is applied once, as the index keeps the
  version of the ledger up to which it has applied them.
"""

# Answers after which S3 is to be asked again, when `due_at` has come.
OPEN_ANSWERS = "('waiting', 'failed')"
_CHANGES = "('created', 'overwritten', 'transitioned', 'deleted')"
_RESTORED = "('ObjectRestore:Completed', 'Object Restore Completed')"

_LATEST_ANSWERS = """
    SELECT * FROM observations WHERE kind <> 'hinted'
    QUALIFY row_number() OVER (PARTITION BY key ORDER BY commit_version DESC) = 1
"""

# Keys about which S3 is to be asked now. Parameters: hints up to `answered_up_to` are answered by a
# listing; answers that are due at `now` or before are asked for again.
OPEN_KEYS = f"""
    WITH answers AS (
        SELECT key, max(ledger_version) AS answered_up_to
        FROM observations WHERE kind <> 'hinted' GROUP BY key
    ), hints AS (
        SELECT key, observed_by, observed_at, event IN {_RESTORED} AS restored, id
        FROM observations LEFT JOIN answers USING (key)
        WHERE kind = 'hinted'
            AND commit_version > coalesce(answers.answered_up_to, -1)
            -- A listing shows no restore.
            AND (commit_version > $answered_up_to OR event IN {_RESTORED})
        UNION ALL
        SELECT key, observed_by, observed_at, false, id FROM ({_LATEST_ANSWERS})
        WHERE kind IN {OPEN_ANSWERS} AND due_at <= $now
    )
    SELECT
        key,
        min(observed_by) AS observed_by, -- 'event' goes before 'listing'
        min(observed_at) AS since,
        min(id) FILTER (restored) AS restore_id
    FROM hints GROUP BY key ORDER BY key
"""

# Changes that the index has not got yet: one per key. Parameter: the index has applied the ledger
# up to `applied`.
UNAPPLIED = f"""
    SELECT * FROM observations
    WHERE kind IN {_CHANGES} AND commit_version > $applied
    QUALIFY row_number() OVER (PARTITION BY key ORDER BY commit_version DESC) = 1
"""

# Answers that leave a key open, and so must stay in reach.
STILL_OPEN = f"""
    SELECT count(*), min(commit_version), min(due_at) FROM ({_LATEST_ANSWERS})
    WHERE kind IN {OPEN_ANSWERS}
"""
