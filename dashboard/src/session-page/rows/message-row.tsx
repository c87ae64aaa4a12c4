import { lazy, useMemo } from "react";
import { blocksOf, wordsOf } from "../../text/content/blocks";
import { isPlain } from "../../text/content/markdown-budget";
import { oneLine } from "../../text/visible";
import { CopyButton } from "../../ui/copy-button";
import { Late } from "../../ui/late";
import { Clipped, PlainText } from "../../ui/text";
import type { EventOf } from "../../wire";
import { Blocks } from "../content/blocks";
import { FoldRow } from "../content/fold-row";

const markdown = import("../content/markdown");
const Markdown = lazy(() => markdown);

const ROLES: Readonly<Record<string, string>> = { user: "Prompt", assistant: "Agent" };

const ORIGINS: Readonly<Record<string, string>> = {
  compaction: "Context was compacted here; summary",
  command: "Output of a command",
  notice: "Notice of the orchestrator",
  system: "System",
};

interface MessageRowProps {
  readonly event: EventOf<"message">;
  readonly isOpen: boolean;
  onToggle(): void;
}

/** A prompt or an answer; messages of the role `user` that no person wrote are folded. */
export function MessageRow({ event, isOpen, onToggle }: MessageRowProps) {
  if (event.origin !== null && event.role === "user") {
    const label = ORIGINS[event.origin] ?? oneLine(event.origin);
    const gist = event.origin === "compaction" ? "" : oneLine(event.text.slice(0, 300));
    return (
      <div data-testid="message" data-role={event.role} data-origin={event.origin}>
        <FoldRow label={label} gist={gist} isOpen={isOpen} onToggle={onToggle}>
          <Content event={event} />
        </FoldRow>
      </div>
    );
  }
  const isPrompt = event.role === "user";
  return (
    <div className={isPrompt ? "message is-prompt" : "message"} data-testid="message" data-role={event.role}>
      <div className="message-head">
        <span className="message-role">{ROLES[event.role] ?? oneLine(event.role)}</span>
        <CopyContent event={event} />
      </div>
      <Content event={event} />
    </div>
  );
}

function CopyContent({ event }: { event: EventOf<"message"> }) {
  const blocks = useMemo(() => blocksOf(event.wire.content), [event]);
  const text = blocks ? wordsOf(blocks) : event.text;
  return text === "" ? null : <CopyButton label="Copy the text" text={text} isCompact />;
}

function Content({ event }: { event: EventOf<"message"> }) {
  const blocks = useMemo(() => blocksOf(event.wire.content), [event]);
  if (blocks?.some((block) => block.kind !== "text")) {
    return <Blocks blocks={blocks} renderText={(text) => <MarkdownText text={text} />} />;
  }
  if (event.text) return <MarkdownText text={event.text} />;
  const without = event.role === "user" ? "Started without a prompt." : "The answer is empty.";
  return <p className="quiet-text">{event.error ?? without}</p>;
}

function MarkdownText({ text }: { text: string }) {
  return (
    <Clipped text={text} limit={12_000}>
      {(shown) =>
        isPlain(shown) ? (
          <PlainText text={shown} />
        ) : (
          <Late fallback={<PlainText text={shown} />}>
            <Markdown text={shown} />
          </Late>
        )
      }
    </Clipped>
  );
}
