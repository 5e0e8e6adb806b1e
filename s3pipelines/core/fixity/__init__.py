"""Whether objects still are what they were, and taking them along so that others can check it.

An audit reads objects again and compares them with all that is known of them (`auditing`, from the
top); a bag is a folder in which a download proves itself (`bagging`).
"""
