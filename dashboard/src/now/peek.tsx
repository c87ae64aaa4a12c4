import { useQuery } from "@tanstack/react-query";
import { explain } from "../api/errors";
import { getResult } from "../api/routes";
import { questionOf } from "../question";
import { QuestionCard } from "../questions/question-card";
import { QuestionContext } from "../questions/question-context";
import { PlainText } from "../ui/text";
import type { OpenQuestion, Session } from "../wire";
import { useNewestCall } from "./use-newest-call";

interface PeekProps {
  readonly session: Session;
  readonly questions: readonly OpenQuestion[];
}

/** A look into a session without leaving the page: its questions, or its prompt and its last words. */
export function Peek({ session, questions }: PeekProps) {
  if (session.attention?.kind === "asks") {
    return (
      <div className="peek">
        {questions.map((open) => (
          <QuestionCard key={open.question_id} open={open} />
        ))}
      </div>
    );
  }
  return (
    <dl className="peek peek-texts">
      {session.prompt && <Part name="Prompt" text={session.prompt} />}
      {session.finished_at === null ? <Call session={session} /> : <Ending session={session} />}
    </dl>
  );
}

function Part({ name, text }: { name: string; text: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <PlainText text={text} />
      </dd>
    </div>
  );
}

function Call({ session }: { session: Session }) {
  const call = useNewestCall(session);
  if (call === null) return <Part name="Newest call" text="No tool call yet." />;
  return (
    <div>
      <dt>Newest call</dt>
      <dd>
        <QuestionContext question={questionOf(call.wire)} />
      </dd>
    </div>
  );
}

function Ending({ session }: { session: Session }) {
  const result = useQuery({
    queryKey: ["result", session.session_id, session.generation, session.run],
    queryFn: () => getResult(session.session_id),
  });
  const isFailed = session.attention?.kind === "failed";
  return (
    <>
      {isFailed && session.outcome && <Part name="Error" text={session.outcome} />}
      {!isFailed && result.error && <Part name="Answer" text={explain(result.error)} />}
      {result.data && <Part name="Last answer" text={result.data} />}
    </>
  );
}
