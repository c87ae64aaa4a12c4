import { lazy, Suspense } from "react";
import { oneLine } from "../text/visible";
import { CopyButton } from "../ui/copy-button";
import { Clipped, PlainText } from "../ui/text";
import type { EventOf } from "../wire";

const markdown = import("./markdown");
const Markdown = lazy(() => markdown);

/** Beyond this, parsing would be felt; so much text is data rather than prose anyway. */
const MAX_MARKDOWN = 200_000;

const ROLES: Readonly<Record<string, string>> = { user: "Prompt", assistant: "Agent" };

export function MessageRow({ event }: { event: EventOf<"message"> }) {
  const isPrompt = event.role === "user";
  return (
    <div className={isPrompt ? "message is-prompt" : "message"} data-testid="message" data-role={event.role}>
      <div className="message-head">
        <span className="message-role">{ROLES[event.role] ?? oneLine(event.role)}</span>
        {event.text && <CopyButton label="Copy the text" text={event.text} isCompact />}
      </div>
      {event.text ? (
        <MarkdownText text={event.text} />
      ) : (
        <p className="quiet-text">{event.error ?? "No text."}</p>
      )}
    </div>
  );
}

function MarkdownText({ text }: { text: string }) {
  return (
    <Clipped text={text} limit={12_000}>
      {(shown) =>
        shown.length > MAX_MARKDOWN ? (
          <PlainText text={shown} />
        ) : (
          <Suspense fallback={<PlainText text={shown} />}>
            <Markdown text={shown} />
          </Suspense>
        )
      }
    </Clipped>
  );
}
