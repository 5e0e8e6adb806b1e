"""The processes that `up`, `demo` and the tests start, and that end with whoever started them.

What belongs here: starting, watching and stopping processes, and knowing when they are ready.
What the processes do stands elsewhere.
"""
