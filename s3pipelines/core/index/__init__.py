"""The object index: bringing `objects` and `objects_tail` up to date with what S3 has.

`apply` and `refresh` are the two stories: from the ledger, and by a full listing. The other modules
are their steps: `turns` gives one writer its turn, `snapshot` is the index as it was opened,
`answers` asks S3 and records what it said, `spool` writes a listing to disk, `comparison` tells
what differs, `commit` writes it, `upkeep` says where to and keeps the tables in shape, and
`summary` describes the result. `checks` asks whether the index can be relied on.
"""
