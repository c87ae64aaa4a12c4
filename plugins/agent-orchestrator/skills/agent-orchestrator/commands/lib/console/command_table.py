"""All commands in groups, each with one line about it.

The lines stand here, so that `ao` lists the commands without an import of each.
"""

from __future__ import annotations

GROUPS = {
    "Run agents": {
        "new": "start a named session",
        "resume": "continue a session, or a copy of it",
        "send": "send a message to a running session",
        "answer": "answer the questions of an agent",
        "permit": "allow or deny what an agent asks for",
        "stop": "stop the runs of sessions",
        "wait": "wait until sessions have ended",
    },
    "Look at sessions": {
        "list-sessions": "list sessions, newest first",
        "status": "print whether a session is running",
        "logs": "print the events of a session",
        "get-result": "print the answer of a session",
        "search": "find events by their words",
        "dashboard": "open the page in your browser",
        "usage": "show tokens and cost",
    },
    "Keep the record": {
        "import": "import sessions that agents keep in files",
        "export": "write a session as a document",
        "rename": "give a session another name",
        "clean": "archive or delete sessions",
    },
    "Set up": {
        "doctor": "find problems, and say how to solve them",
        "list-agents": "list the agent definitions",
        "show-config": "print the configuration",
        "mcp": "serve the tools that lead sessions to your own agent",
        "completion": "complete commands and names in your shell",
    },
}
NAMES = tuple(name for group in GROUPS.values() for name in group)
_MODULES = {"import": "import_history"}


def module_of(name: str) -> str:
    """Return the module of a command in `cli`; `import` cannot be the name of one."""
    return _MODULES.get(name, name.replace("-", "_"))
