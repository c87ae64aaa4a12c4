import { type ReactNode, type Ref, useMemo, useState } from "react";
import { SessionPlaces } from "../hooks/session-place";
import { HasKeys, useKeys } from "../hooks/use-keys";
import { usePrintKeys } from "../hooks/use-print-keys";
import { useStable } from "../hooks/use-stable";
import { SessionQuestions } from "../questions/session-questions";
import { SessionHeader } from "../session-page/header/session-header";
import { PrintedSession } from "../session-page/printed-session";
import { TellAgent } from "../session-page/tell-agent";
import { TimelineView } from "../session-page/timeline/timeline-view";
import { besideLink, type Pair, type SidePlace, sessionLink } from "../text/address/route";
import { visible } from "../text/visible";
import { Boundary } from "../ui/boundary";
import { Empty, Failed } from "../ui/empty";
import { Icon } from "../ui/icons";
import { takesRequests } from "../wire";
import { type SideOfTwo, sessionOf } from "./use-side";

interface SideProps {
  readonly side: SideOfTwo;
  readonly place: 0 | 1;
  readonly at: SidePlace;
  readonly pair: Pair;
  /** Whether the keys belong to this side. */
  readonly isActive: boolean;
  readonly ref: Ref<HTMLElement>;
  onActive(): void;
  onClose(): void;
}

const SIDES = ["left", "right"] as const;

/** One of two sessions beside each other. What goes wrong in it does not concern the other one. */
export function Side({ side, place, at, pair, isActive, ref, onActive, onClose }: SideProps) {
  const { sessionId } = side;
  const name = visible(sessionOf(side)?.session_name ?? sessionId);
  const leave = useStable(onClose);
  const where = useMemo(
    () => ({
      link(id: string, seq?: number, query?: string): string {
        if (id !== sessionId) return sessionLink(id, seq, query);
        const named = { seq: seq ?? null, query: query ?? null };
        return besideLink({ ...pair, at: place === 0 ? [named, pair.at[1]] : [pair.at[0], named] });
      },
      leave,
    }),
    [sessionId, pair, place, leave],
  );
  const close = (
    <button
      type="button"
      className="icon-button side-close"
      aria-label={`Close ${name}`}
      title="Close this side"
      onClick={onClose}
    >
      <Icon name="close" />
    </button>
  );
  return (
    <section
      ref={ref}
      className={`beside-side ${isActive ? "is-active" : ""}`}
      aria-label={`On the ${SIDES[place]}: ${name}`}
      tabIndex={-1}
      data-testid="side"
      onFocusCapture={onActive}
      onPointerDownCapture={onActive}
    >
      <HasKeys value={isActive}>
        <SessionPlaces value={where}>
          <Boundary fallback={<Alone close={close} title="This side cannot be shown." />}>
            <Content side={side} at={at} label={`Events on the ${SIDES[place]}`} close={close} />
          </Boundary>
        </SessionPlaces>
      </HasKeys>
    </section>
  );
}

interface ContentProps {
  readonly side: SideOfTwo;
  readonly at: SidePlace;
  readonly label: string;
  readonly close: ReactNode;
}

function Content({ side, at, label, close }: ContentProps) {
  const { followed, error, retry, learn, show, outline } = side;
  const session = sessionOf(side);
  const [tells, setTells] = useState(false);
  const [isPrinting, setPrinting] = useState(false);
  const print = () => setPrinting(true);
  usePrintKeys(session && print);
  const canTell = session !== null && takesRequests(session);
  useKeys(canTell ? { t: () => setTells(true) } : {});

  if (followed.phase === "gone") {
    return <Alone close={close} title="This session does not exist or was deleted." />;
  }
  if (followed.phase === "loading") {
    if (!error) return <div className="loading" role="status" aria-label="Loading the session" />;
    return (
      <>
        <p className="side-alone">{close}</p>
        <Failed error={error} retry={retry} />
      </>
    );
  }
  return (
    <div className="session">
      <SessionHeader
        session={followed.session}
        timeline={followed.timeline}
        lead={close}
        onChange={learn}
        onPrint={print}
        onTell={canTell ? () => setTells(!tells) : null}
      />
      {tells && <TellAgent session={followed.session} onClose={() => setTells(false)} />}
      {isPrinting && <PrintedSession session={followed.session} onEnd={() => setPrinting(false)} />}
      <TimelineView
        session={followed.session}
        timeline={followed.timeline}
        seq={at.seq}
        query={at.query}
        outline={outline}
        tabs={null}
        label={label}
        onShow={show}
      >
        <SessionQuestions session={followed.session} />
      </TimelineView>
    </div>
  );
}

/** A side without a session. */
function Alone({ close, title }: { close: ReactNode; title: string }) {
  return (
    <>
      <p className="side-alone">{close}</p>
      <Empty title={title} />
    </>
  );
}
