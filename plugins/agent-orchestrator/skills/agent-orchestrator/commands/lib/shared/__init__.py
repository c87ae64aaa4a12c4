"""The ground floor of both houses: the standard library alone, and nothing of either house.

`src/agent_shared` is a link to this folder: the service imports it by that name, the client by a
relative one. Where both are imported, each module exists twice, so types are never compared.
"""
