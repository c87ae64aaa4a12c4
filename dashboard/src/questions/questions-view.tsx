import { useRef, useState } from "react";
import { canNotify, isNotifying, setNotifying } from "../hooks/question-notifications";
import { useKeys } from "../hooks/use-keys";
import { useQuestions } from "../hooks/use-questions";
import { useSessions } from "../hooks/use-sessions";
import { useTitle } from "../hooks/use-title";
import { Empty, Failed } from "../ui/empty";
import { Icon } from "../ui/icons";
import { useToasts } from "../ui/toasts";
import { defaultFilter, type SessionFilter } from "../wire";
import "../styles/session-page.css";
import "../styles/content.css";
import "../styles/rich-text.css";
import { QuestionCard } from "./question-card";

const WAITING: SessionFilter = { ...defaultFilter, state: "waiting", archived: "all" };

/** Everything that waits for a person, the longest waiting first. */
export function QuestionsView() {
  const { questions, hasMore, error, isLoading } = useQuestions();
  useSessions(WAITING); // opens the feed, which reloads the questions at once
  useTitle("Questions");
  const list = useRef<HTMLDivElement>(null);
  const step = (by: number) => {
    const cards = [...(list.current?.querySelectorAll<HTMLElement>(".question-card") ?? [])];
    const at = cards.findIndex((card) => card.contains(document.activeElement));
    cards[Math.min(Math.max(at + by, 0), cards.length - 1)]?.focus();
  };
  const choose = (place: number) => {
    const card = document.activeElement?.closest(".question-card");
    card?.querySelectorAll<HTMLElement>(".choices button, .option input")[place]?.focus();
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ...Object.fromEntries(Array.from({ length: 9 }, (_, place) => [String(place + 1), () => choose(place)])),
  });
  if (error) return <Failed error={error} />;
  if (isLoading) return <div className="loading" role="status" aria-label="Loading the questions" />;
  return (
    <div className="questions" ref={list}>
      <div className="questions-head">
        <h1>
          Needs you <span className="count number">{`${questions.length}${hasMore ? "+" : ""}`}</span>
        </h1>
        {canNotify() && <NotifyButton />}
      </div>
      {questions.length === 0 ? (
        <Empty title="Nothing needs you.">
          <p className="quiet-text">
            An agent that was started with <code>--ask</code> waits here for your permission or your answer.
          </p>
        </Empty>
      ) : (
        questions.map((open) => <QuestionCard key={`${open.session_id} ${open.question_id}`} open={open} />)
      )}
    </div>
  );
}

function NotifyButton() {
  const [isOn, setOn] = useState(isNotifying);
  const { show } = useToasts();
  return (
    <button
      type="button"
      className={`button ${isOn ? "is-on" : ""}`}
      aria-pressed={isOn}
      title="A notification of the browser for each new question, while this page is in the background"
      onClick={async () => {
        const isAllowed = await setNotifying(!isOn);
        setOn(isAllowed);
        if (!isOn && !isAllowed) show({ text: "This browser does not allow notifications of this page." });
      }}
    >
      <Icon name="bell" />
      {isOn ? "Notifications on" : "Notify me"}
    </button>
  );
}
