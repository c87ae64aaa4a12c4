"""`make agents`: one scenario with every real agent that installs, and the page of the results.

`python -m tests.agents [AGENT…]` needs the agents that `python -m tests.agents.install` installs.
"""
