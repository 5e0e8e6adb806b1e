"""What is noticed, and the ledger that it is written to.

Messages (`notifications`, `hints`, `drain`, `mailboxes`) and slices of listings (`slices`, `looks`,
`passes`) become hints in the ledger (`ledger`); `pending` says which sources have something open,
`folding` what the rows of a key come to, and `differences` is the one rule by which everything is
compared with the index. `statistics` is for those who watch it.
"""
