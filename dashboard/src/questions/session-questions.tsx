import { useEffect } from "react";
import { useQuestions, useReloadQuestions } from "../feed/use-questions";
import type { Session } from "../wire";
import { QuestionCard } from "./question-card";

/** The open questions of the session that is shown; its own feed reloads them. */
export function SessionQuestions({ session }: { session: Session }) {
  const { questions } = useQuestions();
  const reload = useReloadQuestions();
  const { waiting_questions: count, last_seq: lastSeq } = session;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new event can be a question or a decision
  useEffect(reload, [reload, count, count > 0 && lastSeq]);
  const own = questions.filter((question) => question.session_id === session.session_id);
  if (count === 0 || own.length === 0) return null;
  return (
    <section className="session-questions" aria-label="Waits for you">
      <h2 className="visually-hidden">Waits for you</h2>
      {own.map((open) => (
        <QuestionCard key={open.question_id} open={open} />
      ))}
    </section>
  );
}
