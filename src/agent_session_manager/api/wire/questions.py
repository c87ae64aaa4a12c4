"""The shapes of questions to a person on the wire."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel, Field

from agent_session_manager.api.wire.common import to_text
from agent_session_manager.api.wire.events import EventBody, event_to_json
from agent_session_manager.store.queries import OpenQuestion


class QuestionBody(BaseModel):
    """An open question, with its session, and the answer if the agent does not have it yet."""

    question_id: str = Field(description="The question's id; also the `request_id` of its answer")
    session_id: str = Field(description="The session whose agent asks")
    session_name: str = Field(description="The session's name")
    project_dir: str | None = Field(description="Directory of the session's project")
    run: int = Field(description="Number of the run that waits")
    seq: int = Field(description="`seq` of the event that asks")
    event: EventBody = Field(description="The event `permission_request`")
    answer: dict[str, Any] | None = Field(
        description="The answer of a person that the supervisor does not have yet, or null"
    )
    answered_at: str | None = Field(description="Time of that answer")


class QuestionsAnswer(BaseModel):
    questions: list[QuestionBody] = Field(description="The longest waiting first")
    next_page: str | None = Field(
        default=None, description="Value of `page` for the next page; null on the last page"
    )


def question_json(question: OpenQuestion) -> dict[str, Any]:
    """Return an open question as values for `orjson`. Its event is not parsed."""
    event = question.event
    return {
        "question_id": question.question_id,
        "session_id": question.session_id,
        "session_name": question.session_name,
        "project_dir": question.project_dir,
        "run": event.run,
        "seq": event.seq,
        "event": orjson.Fragment(event_to_json(event, question.session_id)),
        "answer": question.answer,
        "answered_at": question.answered_at and to_text(question.answered_at),
    }
