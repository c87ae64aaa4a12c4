import { useMutation } from "@tanstack/react-query";
import { useMemo } from "react";
import { explain } from "../api/errors";
import { answerQuestion } from "../api/routes";
import { useReloadQuestions } from "../feed/use-questions";
import { useNow } from "../hooks/use-now";
import { type Answer, answerWords, isSameAnswer, questionOf, subjectOf } from "../question";
import { sessionLink } from "../text/address/route";
import { ago, duration, fullTime, shortPath } from "../text/format";
import { oneLine } from "../text/visible";
import { Icon } from "../ui/icons";
import { Line } from "../ui/text";
import { useToasts } from "../ui/toasts";
import type { OpenQuestion } from "../wire";
import { Choices } from "./choices";
import { Items } from "./items";
import { QuestionContext } from "./question-context";

/** One open question: who asks, everything to decide it, and the choices. */
export function QuestionCard({ open }: { open: OpenQuestion }) {
  const question = useMemo(() => questionOf(open.event), [open.event]);
  const reload = useReloadQuestions();
  const { show } = useToasts();
  const answering = useMutation({
    mutationFn: (answer: Answer) => answerQuestion(open, answer),
    onSuccess(stored, sent) {
      const words = answerWords(question, stored);
      const isOurs = isSameAnswer(stored, sent);
      show({ text: isOurs ? `Answered: ${words}` : `Another answer was first: ${words}` });
    },
    onError: (error) => show({ text: `Not answered: ${explain(error)}` }),
    onSettled: reload,
  });
  const isBusy = answering.isPending || open.answer !== null;
  return (
    <article
      className="question-card"
      tabIndex={-1}
      aria-label={`Question of ${oneLine(open.session_name)}`}
      data-testid="question"
      data-question-id={open.question_id}
    >
      <header>
        <Icon name="waiting" />
        <h3>
          <Line text={subjectOf(question)} />
        </h3>
        <p className="quiet-text">
          <a href={sessionLink(open.session_id, open.seq)}>
            <Line text={open.session_name} />
          </a>
          {open.project_dir && (
            <span title={open.project_dir}> · {oneLine(shortPath(open.project_dir))}</span>
          )}
          {" · "}
          <Since at={open.event.recorded_at} expiresAt={question.expiresAt} />
        </p>
      </header>
      <QuestionContext question={question} />
      {open.answer ? (
        <p className="question-answered" role="status">
          Answered: {answerWords(question, open.answer)}. The agent does not have it yet.
        </p>
      ) : (
        <>
          {question.items.length > 0 && (
            <Items question={question} isBusy={isBusy} onAnswer={answering.mutate} />
          )}
          {question.choices.length > 0 && (
            <Choices question={question} isBusy={isBusy} onAnswer={answering.mutate} />
          )}
        </>
      )}
    </article>
  );
}

function Since({ at, expiresAt }: { at: string; expiresAt: string | null }) {
  const now = useNow();
  const left = expiresAt === null ? Number.NaN : (Date.parse(expiresAt) - now) / 1000;
  return (
    <>
      <time dateTime={at} title={fullTime(at)}>
        asked {ago(at, now)}
      </time>
      {!Number.isNaN(left) && (
        <span className="question-expiry"> · {left > 0 ? `${duration(left)} left` : "time is up"}</span>
      )}
    </>
  );
}
