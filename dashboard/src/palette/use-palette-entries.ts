import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { listSessions } from "../api/routes";
import { SESSION_LISTS } from "../feed/sessions-feed-provider";
import { asPrefix } from "../search/no-hits";
import { useSearch } from "../search/use-search";
import {
  besideLink,
  costLink,
  nowLink,
  questionsLink,
  searchLink,
  sessionLink,
  sessionsLink,
} from "../text/address/route";
import { word } from "../text/address/session-query";
import { projectName } from "../text/session-row";
import { resumeCommand } from "../text/shell";
import { oneLine } from "../text/visible";
import { useCopy } from "../ui/copy-button";
import { keepTheme, THEMES } from "../ui/theme";
import { defaultFilter, defaultSearch, type Hit, type Session, type Snippet } from "../wire";

export interface Entry {
  readonly key: string;
  readonly label: string;
  readonly detail?: string;
  readonly snippet?: Snippet;
  readonly at?: string;
  /** What it opens; otherwise it acts. */
  readonly link?: string;
  /** The list or the search that has all of its kind. */
  readonly listLink?: string;
  act?(): Promise<void> | void;
}

export interface EntryGroup {
  readonly name: string;
  readonly entries: readonly Entry[];
}

export interface PaletteActs {
  /** The session that the page shows, if any. */
  readonly shownId: string | null;
  onStopAll(): Promise<void>;
  onMarkAllSeen(): Promise<void>;
}

const SHOWN = 5;
const PLACES: readonly (readonly [name: string, link: string])[] = [
  ["Now", nowLink()],
  ["Sessions", sessionsLink()],
  ["Cost", costLink()],
  ["Questions", questionsLink()],
  ["Search", searchLink()],
];

/** What the palette offers for a query: sessions and events that match, and acts whose words match. */
export function usePaletteEntries(query: string, acts: PaletteActs) {
  const sessions = useFoundSessions(query);
  const sought = asPrefix(query) ?? query;
  const found = useSearch({ ...defaultSearch, query: sought });
  const hits = found.groups.flatMap((group) => group.hits);
  const isSaid = ({ kind }: Hit) => kind === "message" || kind === "thinking";
  const listLink = query === "" ? sessionsLink() : sessionsLink({ query: word(query) });
  const groups: readonly EntryGroup[] = [
    { name: "Sessions", entries: sessions.map((session) => toEntry(session, listLink)) },
    {
      name: "Said",
      entries: hits
        .filter(isSaid)
        .slice(0, SHOWN)
        .map((hit) => ofHit(hit, sought)),
    },
    {
      name: "Did",
      entries: hits
        .filter((hit) => !isSaid(hit))
        .slice(0, SHOWN)
        .map((hit) => ofHit(hit, sought)),
    },
    { name: "Do", entries: useDoEntries(query, acts, sessions) },
  ];
  return { groups, found: { ...found, query: sought } };
}

export function useFoundSessions(text: string): readonly Session[] {
  const filter = { ...defaultFilter, text, sort: "activity" as const };
  const found = useQuery({
    queryKey: [SESSION_LISTS, "palette", filter],
    queryFn: ({ signal }) => listSessions(filter, null, signal, SHOWN),
    placeholderData: keepPreviousData,
    staleTime: 5000,
  });
  return found.data?.sessions ?? [];
}

export function toEntry(session: Session, listLink?: string): Entry {
  return {
    key: session.session_id,
    label: session.session_name,
    detail: [session.project_dir && projectName(session.project_dir), session.title ?? session.prompt]
      .filter(Boolean)
      .join(" · "),
    at: session.last_activity_at,
    link: sessionLink(session.session_id),
    ...(listLink !== undefined && { listLink }),
  };
}

function ofHit(hit: Hit, query: string): Entry {
  const what = hit.tool_name ? `${oneLine(hit.tool_name)} · ` : "";
  return {
    key: `${hit.session_id} ${hit.seq}`,
    label: "",
    snippet: hit.snippet,
    detail: `${hit.session_name} · ${what}${hit.seq}`,
    at: hit.occurred_at,
    link: sessionLink(hit.session_id, hit.seq, query),
    listLink: searchLink({ query }),
  };
}

/** The acts that have all words of the query. */
function useDoEntries(query: string, acts: PaletteActs, sessions: readonly Session[]): readonly Entry[] {
  const copy = useCopy();
  const resumed = sessions.find(({ session_id }) => session_id === acts.shownId) ?? sessions[0];
  const entries: readonly Entry[] = [
    { key: "stop", label: "Stop all running…", act: acts.onStopAll },
    { key: "seen", label: "Mark all as seen", act: acts.onMarkAllSeen },
    ...PLACES.map(([name, link]) => ({ key: name, label: `Go to ${name}`, link })),
    ...THEMES.map((theme) => ({
      key: theme,
      label: theme === "auto" ? "Colours of the system" : `${theme === "dark" ? "Dark" : "Light"} colours`,
      act: () => keepTheme(theme),
    })),
  ];
  const words = query.toLowerCase().split(/\s+/);
  const matching = entries.filter(({ label }) => words.every((each) => label.toLowerCase().includes(each)));
  const other = query === "" ? undefined : sessions.find(({ session_id }) => session_id !== acts.shownId);
  if (acts.shownId !== null && other !== undefined) {
    const link = besideLink({ ids: [acts.shownId, other.session_id] });
    matching.push({ key: "beside", label: `Open “${other.session_name}” beside this session`, link });
  }
  if (resumed === undefined) return matching;
  const resume: Entry = {
    key: "resume",
    label: `Copy “ao-resume ${resumed.session_name}”`,
    act: () => copy(resumeCommand(resumed)),
  };
  return [...matching, resume];
}
