import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { explain } from "../api/errors";
import { awaitRequest, sendMessage } from "../api/routes";
import { oneLine } from "../text/visible";
import { Icon, type IconName } from "../ui/icons";
import type { RunRequest, Session } from "../wire";

const MAX_CHARACTERS = 20_000;

/** A field for a message to the running agent, with what became of the messages that were sent here. */
export function TellAgent({ session, onClose }: { session: Session; onClose(): void }) {
  const [text, setText] = useState("");
  const [sent, setSent] = useState<readonly RunRequest[]>([]);
  const send = useMutation({
    mutationFn: (message: string) => sendMessage(session, message),
    onSuccess(request) {
      setSent((before) => [...before, request]);
      setText("");
    },
  });
  const isEmpty = text.trim() === "";
  const submit = () => !isEmpty && !send.isPending && send.mutate(text.trim());
  return (
    <section className="tell" aria-label="Tell the agent">
      {sent.map((request) => (
        <SentMessage key={request.request_id} session={session} request={request} />
      ))}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <textarea
          aria-label="Message to the agent"
          placeholder="Tell the agent … (Enter sends, Shift+Enter begins a new line)"
          // biome-ignore lint/a11y/noAutofocus: the reader has just asked to type here
          autoFocus
          rows={Math.min(8, text.split("\n").length)}
          maxLength={MAX_CHARACTERS}
          dir="auto"
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.nativeEvent.isComposing) return;
            if (event.key === "Escape") {
              event.preventDefault();
              onClose();
            }
            if (event.key !== "Enter" || event.shiftKey) return;
            event.preventDefault();
            submit();
          }}
        />
        <button type="submit" className="button primary" disabled={isEmpty || send.isPending}>
          Send
        </button>
        <button type="button" className="button quiet" onClick={onClose}>
          Close
        </button>
      </form>
      {send.error && (
        <p className="problem" role="alert">
          Not sent: {explain(send.error)}
        </p>
      )}
    </section>
  );
}

const WORDS: Readonly<Record<RunRequest["state"], { icon: IconName; word: string }>> = {
  pending: { icon: "running", word: "waiting for the agent" },
  acknowledged: { icon: "running", word: "waiting for the agent" },
  done: { icon: "finished", word: "taken" },
  refused: { icon: "denied", word: "refused" },
  expired: { icon: "stopped", word: "not taken: the run has ended" },
};
const AGAIN_MS = 500;

function SentMessage({ session, request }: { session: Session; request: RunRequest }) {
  const query = useQuery({
    queryKey: ["request", session.session_id, request.run, request.request_id],
    queryFn: ({ signal }) => awaitRequest(session.session_id, request, signal),
    initialData: request,
    initialDataUpdatedAt: 0,
    refetchInterval: ({ state }) => (isSettled(state.data ?? request) ? false : AGAIN_MS),
  });
  const { state, detail } = query.data;
  const { icon, word } = WORDS[state];
  return (
    <p className={`sent sent-${state}`} role="status" data-testid="sent">
      <bdi className="sent-text">{oneLine(String(request.payload.text))}</bdi>
      <span className="sent-state">
        <Icon name={icon} /> {word}
        {state === "refused" && detail && `: ${oneLine(detail)}`}
      </span>
    </p>
  );
}

function isSettled({ state }: RunRequest): boolean {
  return state !== "pending" && state !== "acknowledged";
}
