"""Writes the page of the formats that can be imported from their own descriptions."""

from __future__ import annotations

from agent_orchestrator.history.format import EVIDENCE, Format
from agent_orchestrator.history.importer.sources.format_table import all_formats
from scripts.page_text import cell, filled

FORMATS_INTRODUCTION = """\
# Import formats

This page lists the agents whose sessions can be imported, with the places of their files, and what
each format does not read.

An importer only reads: it changes no file of an agent. It reads nothing outside of these places,
and follows no link that leaves them. [Events](events.md#imported-events) describes the events that
an import adds."""

EVIDENCE_INTRODUCTION = """\
The makers of agents do not promise that their files keep their form. So each format has a kind of
evidence, the newest version of the agent for which it holds, and the date of the check. A record of
an unknown kind is counted and named, and does not end an import."""


def formats_page() -> str:
    found = {each.about.agent: each for each in all_formats().values()}
    return "\n\n".join(
        (
            *map(filled, FORMATS_INTRODUCTION.split("\n\n")),
            overview(found),
            "## Evidence",
            filled(EVIDENCE_INTRODUCTION),
            evidence_table(),
            *(section(found[agent]) for agent in sorted(found, key=str.casefold)),
        )
    )


def overview(found: dict[str, Format]) -> str:
    rows = (
        f"| {cell(agent)} | `{each.name}` | {each.about.evidence} | {cell(each.about.newest)} "
        f"| {each.about.checked} |"
        for agent, each in sorted(found.items(), key=lambda pair: pair[0].casefold())
    )
    head = ("| agent | name | evidence | newest version | checked |", "|---|---|---|---|---|")
    return "\n".join((*head, *rows))


def evidence_table() -> str:
    rows = (f"| {name} | {cell(meaning)} |" for name, meaning in EVIDENCE.items())
    return "\n".join(("| evidence | meaning |", "|---|---|", *rows))


def section(each: Format) -> str:
    """Return the section of a format."""
    about = each.about
    parts = (f"## {about.agent}", filled(f"Files: {about.places}."), filled(about.limits))
    return "\n\n".join(part for part in parts if part)
