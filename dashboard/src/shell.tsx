import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useMemo, useState, useSyncExternalStore } from "react";
import { flushSync } from "react-dom";
import { explain } from "./api/errors";
import { signOut } from "./api/routes";
import type { Connection } from "./api/stream";
import { currentToken, dropToken } from "./api/token";
import logo from "./favicon.svg";
import { useSessionsFeed } from "./feed/sessions-feed-provider";
import { useDone, useNeeding } from "./feed/use-attention";
import { useRinging } from "./hooks/bell";
import { lastList } from "./hooks/left-place";
import { useFavicon } from "./hooks/use-favicon";
import { useKeys } from "./hooks/use-keys";
import { goTo, goToAtOnce } from "./hooks/use-route";
import { useTitleCount } from "./hooks/use-title";
import { KeysDialog } from "./keys-dialog";
import { costLink, nowLink, questionsLink, type Route, searchLink, sessionsLink } from "./text/address/route";
import { CopyButton } from "./ui/copy-button";
import { Icon } from "./ui/icons";
import { keepTheme, keptTheme, onThemeChange, THEMES } from "./ui/theme";
import { useToasts } from "./ui/toasts";

interface ShellProps {
  readonly route: Route;
  /** The connection state of the visible session's stream; null if there is no stream. */
  readonly followed: Connection | null;
  /** Whether this tab rings the bell. */
  readonly isRinging: boolean;
  readonly children: ReactNode;
}

export function Shell({ route, followed, isRinging, children }: ShellProps) {
  const { connection } = useSessionsFeed();
  const isOfSessions = route.view === "session" || route.view === "beside";
  const listLink = isOfSessions ? lastList() : sessionsLink();
  const [showsKeys, setShowsKeys] = useState(false);
  const needing = useNeeding().sessions.length;
  useTitleCount(needing);
  useFavicon(needing > 0);
  useKeys({
    "?": () => setShowsKeys(true),
    "g n": () => goTo(nowLink()),
    "g s": () => goTo(listLink),
    "g c": () => goTo(costLink()),
    "g q": () => goTo(questionsLink()),
    // The others have a box of their own for it.
    ...((route.view === "now" || route.view === "cost") && { "/": () => goToAtOnce(searchLink()) }),
  });
  return (
    <>
      <header className="top-bar">
        <a className="product" href={nowLink()} aria-label="Agent Session Manager">
          <img src={logo} alt="" width="22" height="22" />
          <span>Agent Session Manager</span>
        </a>
        <nav aria-label="Views">
          <NowLink isCurrent={route.view === "now"} count={needing} />
          <NavLink href={listLink} isCurrent={route.view === "sessions" || isOfSessions} label="Sessions" />
          <NavLink href={costLink()} isCurrent={route.view === "cost"} label="Cost" />
          <a
            className="search-link"
            aria-label="Search"
            href={searchLink()}
            aria-current={route.view === "search" ? "page" : undefined}
            title="Search (/)"
          >
            <Icon name="search" />
            <span className="search-word">Search</span>
            <kbd className="wide-only">/</kbd>
          </a>
        </nav>
        <div className="top-bar-end">
          <ConnectionState connection={followed ?? connection} />
          <ThemeButton />
          <SignOutButton />
          <button
            type="button"
            className="icon-button wide-only"
            aria-label="Keyboard shortcuts"
            title="Keyboard shortcuts (?)"
            onClick={() => setShowsKeys(true)}
          >
            <Icon name="keys" />
          </button>
        </div>
      </header>
      {(followed ?? connection) === "offline" && <OfflineBar />}
      {isRinging && <Ringing />}
      <main className={`view view-${route.view}`}>{children}</main>
      {showsKeys && <KeysDialog onClose={() => setShowsKeys(false)} />}
    </>
  );
}

/** Rings the bell while it is mounted. */
function Ringing() {
  const needs = useNeeding();
  const done = useDone();
  const sessions = useMemo(() => [...needs.sessions, ...done.sessions], [needs.sessions, done.sessions]);
  useRinging(sessions, needs.isLoading || done.isLoading);
  return null;
}

function NavLink({ href, isCurrent, label }: { href: string; isCurrent: boolean; label: string }) {
  return (
    <a href={href} aria-current={isCurrent ? "page" : undefined}>
      {label}
    </a>
  );
}

/** The way to Now, with the number of sessions that need the person: it is on every view. */
function NowLink({ isCurrent, count }: { isCurrent: boolean; count: number }) {
  return (
    <a
      href={nowLink()}
      aria-current={isCurrent ? "page" : undefined}
      title="What needs you, runs and is done (g n)"
    >
      Now
      {count > 0 && (
        <>
          {" "}
          <span className="waiting-count number">{count}</span>
          <span className="visually-hidden">{count === 1 ? " needs you" : " need you"}</span>
        </>
      )}
    </a>
  );
}

function OfflineBar() {
  return (
    <div className="offline-bar" role="alert">
      <span>The manager does not respond. If it is not running, start it:</span>
      <code>agent-session-manager serve</code>
      <CopyButton label="Copy the command" text="agent-session-manager serve" isCompact />
      <button type="button" className="button" onClick={() => window.dispatchEvent(new Event("online"))}>
        Retry now
      </button>
    </div>
  );
}

const CONNECTION_WORDS: Readonly<Record<Connection, { word: string; title: string }>> = {
  connecting: { word: "Connecting", title: "Connecting to the manager" },
  live: { word: "Live", title: "This page is up to date" },
  reconnecting: {
    word: "Reconnecting",
    title: "Connection lost; missed changes are loaded after the reconnect",
  },
  offline: { word: "Offline", title: "The manager does not respond; the page retries" },
  closed: { word: "Not followed", title: "This view has no live updates" },
};

function ConnectionState({ connection }: { connection: Connection }) {
  const { word, title } = CONNECTION_WORDS[connection];
  return (
    <span
      className={`connection connection-${connection}`}
      role="status"
      aria-label={`Connection: ${word}`}
      title={title}
      data-testid="connection"
    >
      <span className="connection-dot" />
      <span className="connection-word">{word}</span>
    </span>
  );
}

function SignOutButton() {
  const queries = useQueryClient();
  const { show } = useToasts();
  const leave = useMutation({
    mutationFn: signOut,
    onSuccess() {
      flushSync(() => dropToken(currentToken())); // first, as views store their places when they unmount
      sessionStorage.clear();
      queries.clear();
    },
    onError: (error) => show({ text: `Not signed out: ${explain(error)}` }),
  });
  return (
    <button
      type="button"
      className="icon-button"
      aria-label="Sign out"
      title="Sign out in all tabs of this browser"
      disabled={leave.isPending}
      onClick={() => leave.mutate()}
    >
      <Icon name="leave" />
    </button>
  );
}

const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" } as const;

function ThemeButton() {
  const theme = useSyncExternalStore(onThemeChange, keptTheme);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "auto";
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Theme: ${theme}. Change to ${next}`}
      title={`Theme: ${theme}`}
      onClick={() => keepTheme(next)}
    >
      <Icon name={THEME_ICONS[theme]} />
    </button>
  );
}
