"""Modules that both houses share. They need neither house, and only the standard library.

`src/agent_shared` is a link to this directory. The service imports it by that name, the client by a
relative import. A process that imports both has each module twice, so types must never be compared.
"""
