"""The last import of a process from which others are forked.

A collection of garbage in a forked process would visit, and so copy, all memory of its parent.
"""

import gc

gc.collect()
gc.freeze()
