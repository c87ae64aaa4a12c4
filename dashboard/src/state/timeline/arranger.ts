/** Arranges the loaded events of a session as the lines of its timeline.
 *
 * The lines of a page stay as they are until its events, the calls that they ask about, or the way to show them change.
 * So an event or a page costs the work for the pages that it concerns, however much is loaded. The result depends only
 * on the events and the way, not on earlier arrangements.
 */

import { isRecord, isRunning, type Session, type SessionEvent } from "../../wire";
import { parentKey } from "../session/call-keys";
import { eventAt, firstOf, PAGE_EVENTS, type Page, pageOf, type Timeline } from "../session/events";
import type { Passing } from "../session/outline";
import { foldCalls, restrict, rowKey, type ShownLines } from "./call-groups";
import { CallIndex } from "./call-index";
import { type Gap, gapOf, restrictGap } from "./gaps";
import type { Lane } from "./lane";
import { type Line, rowsOf, type ShownPage, shownPage } from "./rows";

/** The way to show a timeline. */
export interface Way {
  readonly state: Session["state"];
  readonly run: Session["run"];
  /** The only subagent to show: the same one each time, perhaps with more of its events. */
  readonly lane: Lane | null;
  /** The open folds. */
  readonly open: ReadonlySet<string>;
  /** Whether subagents are unfolded. */
  readonly isFlat: boolean;
  /** Number of copied events at the start that are one line. */
  readonly folded: number;
  /** The filter; without it, calls that follow each other are folded. */
  readonly passing: Passing | null;
}

/** The line for all copied events. */
export interface CopiedLine {
  readonly kind: "copied";
  readonly seq: 1;
}

export interface Arrangement {
  readonly lines: readonly (Line | CopiedLine)[];
  /** Return the place of the line that shows a seq. */
  placeOf(seq: number): number;
  /** Return the folds around the row of an event, outermost last; they must be open to show it. */
  foldsAround(seq: number): readonly string[];
}

const COPIED_LINE: CopiedLine = { kind: "copied", seq: 1 };

interface Known {
  readonly page: Page;
  readonly shown: ShownPage;
  readonly isWhole: boolean;
}

/** What the lines of a page depend on beside the pages and the calls. */
interface Place {
  readonly before: SessionEvent | undefined;
  readonly runningFrom: number;
  readonly isAtEnd: boolean;
}

interface Built extends ShownLines {
  readonly place: Place;
}

export class Arranger {
  readonly #known = new Map<number, Known>();
  readonly #built = new Map<number, Built>();
  readonly #index = new CallIndex((seq) => this.#shownAt(seq));
  #way: Way | null = null;
  #starts = new Map<number, number>();
  #gaps: readonly (readonly [place: number, gap: Gap])[] = [];

  arrange(timeline: Timeline, way: Way): Arrangement {
    const isSameWay = this.#way !== null && isSame(this.#way, way);
    const changed = this.#learn(timeline, way);
    const stale = new Set([...changed, ...this.#index.takeStale()]);
    const wholeFrom = isRunning(way) ? this.#loadedToEndFrom(timeline.head) : Number.POSITIVE_INFINITY;
    const numbers = [...this.#known.keys()].sort((a, b) => a - b);
    this.#way = way;
    for (const number of numbers) {
      const place = {
        before: eventAt(timeline, firstOf(number) - 1),
        runningFrom: Math.min(Math.max(firstOf(number), wholeFrom - 1), firstOf(number + 1)),
        isAtEnd: isRunning(way) && number === pageOf(timeline.head),
      };
      const built = this.#built.get(number);
      const isValid = built && isSameWay && !stale.has(number) && isSame(place, built.place);
      if (!isValid) this.#build(number, place, way);
    }
    const lines = this.#join(numbers, timeline.head, way);
    return {
      lines,
      placeOf: (seq) => Math.max(0, this.#placeOf(Math.min(seq, timeline.head))),
      foldsAround: (seq) => this.#foldsAround(seq),
    };
  }

  /** Take over the pages of a timeline; return the pages that are new or have changed. */
  #learn(timeline: Timeline, { folded, lane }: Way): readonly number[] {
    const way = this.#way ?? { folded, lane };
    const isSameRange = way.folded === folded && way.lane === lane;
    const changed: number[] = [];
    for (const number of new Set([...this.#known.keys(), ...timeline.pages.keys()])) {
      const page = timeline.pages.get(number);
      const known = this.#known.get(number);
      if (known?.page === page && isSameRange) continue;
      const before = known?.shown.events ?? NONE;
      const shown = page && shownPage(page, folded, lane);
      for (const [seq, event] of before) {
        const later = shown?.events.get(seq);
        const isGone = later === undefined || later.kind === "gap";
        if (event.kind !== "gap" && isGone) this.#index.remove(event);
      }
      const isWhole = page?.length === PAGE_EVENTS && !page.includes(undefined);
      if (page && shown) this.#known.set(number, { page, shown, isWhole });
      else this.#forget(number);
      for (const [seq, event] of shown?.events ?? NONE) {
        const earlier = before.get(seq);
        if (event.kind === "gap" || event === earlier) continue;
        if (earlier === undefined || earlier.kind === "gap") this.#index.add(event);
        else this.#index.touch(event);
      }
      changed.push(number);
    }
    return changed;
  }

  #forget(number: number): void {
    this.#known.delete(number);
    this.#built.delete(number);
    this.#index.forget(number);
  }

  #build(number: number, place: Place, way: Way): void {
    const known = this.#known.get(number);
    if (!known) return;
    const around = { ...place, index: this.#index, session: way, isOpen: this.#isOpen };
    const rows = this.#index.askFor(number, () => rowsOf(number, known.page, known.shown, around));
    const shown = way.passing ? restrict(rows, way.passing) : foldCalls(rows, place.isAtEnd, way.open);
    const earlier = new Map(this.#built.get(number)?.lines.map((line) => [firstSeqOf(line), line]));
    const lines = shown.lines.map((line) => asBefore(line, earlier.get(firstSeqOf(line))));
    this.#built.set(number, { place, lines, places: shown.places });
  }

  readonly #isOpen = (call: string): boolean =>
    this.#way?.isFlat === true || this.#way?.open.has(call) === true;

  /** Join the lines of the pages, with the gaps between them. */
  #join(numbers: readonly number[], head: number, way: Way): readonly (Line | CopiedLine)[] {
    const { folded, lane, passing } = way;
    const lines: (Line | CopiedLine)[] = folded > 0 && (passing?.has(1) ?? true) ? [COPIED_LINE] : [];
    let next = folded + 1;
    const addGap = (last: number) => {
      const whole = gapOf(next, last, lane);
      const gap = whole && passing ? restrictGap(whole, passing) : whole;
      if (gap) lines.push(gap);
    };
    this.#starts = new Map();
    for (const number of numbers) {
      const page = this.#known.get(number)?.page ?? [];
      const first = page.find((event) => event !== undefined && event.seq >= next);
      if (first === undefined) continue;
      addGap(first.seq - 1);
      this.#starts.set(number, lines.length);
      for (const line of this.#built.get(number)?.lines ?? []) lines.push(line);
      next = firstOf(number) + page.length;
    }
    addGap(head);
    this.#gaps = [...lines.entries()].filter((entry): entry is [number, Gap] => entry[1].kind === "gap");
    return lines;
  }

  #placeOf(seq: number): number {
    for (let at = seq; at > 0; at -= 1) {
      const gap = this.#gaps.find(([, { first, last }]) => first <= at && at <= last);
      if (gap) return gap[0];
      if (!this.#known.has(pageOf(at))) at = firstOf(pageOf(at));
      const event = this.#shownAt(at);
      const row = event && this.#rowOf(event);
      const place = row && this.#built.get(row.page)?.places.get(row.seq);
      if (row && place !== undefined) return (this.#starts.get(row.page) ?? 0) + place;
    }
    return 0;
  }

  /** Return the event that is shown for a seq: for a later part of a message, its first part. */
  #shownAt(seq: number): SessionEvent | undefined {
    const shown = this.#known.get(pageOf(seq))?.shown;
    const event = shown?.events.get(shown.joined.get(seq) ?? seq);
    return event?.kind === "gap" ? undefined : event;
  }

  /** Return the row that shows an event, and the page that has it. */
  #rowOf(event: SessionEvent): { readonly page: number; readonly seq: number } {
    const chain = this.#chainOf(event);
    const outermost = chain.at(-1) ?? event;
    const closed = chain.findLast(
      (call, place) => place > 0 && !this.#isOpen(this.#index.callOf(call) ?? ""),
    );
    const parent = this.#index.isCut(outermost) ? null : parentKey(outermost);
    const home = parent === null ? undefined : this.#index.firstInside(parent);
    return { page: pageOf(home ?? outermost.seq), seq: (closed ?? chain[0] ?? event).seq };
  }

  /** Return the event with an own row that an event is part of, and the calls around it, outermost last. */
  #chainOf(event: SessionEvent): readonly SessionEvent[] {
    const chain = new Set<SessionEvent>();
    let inner: SessionEvent | undefined = this.#index.partOf(event) ?? event;
    while (inner && !chain.has(inner)) {
      chain.add(inner);
      inner = this.#index.isCut(inner) ? undefined : this.#index.around(inner);
    }
    return [...chain];
  }

  #foldsAround(seq: number): readonly string[] {
    const event = this.#shownAt(seq);
    if (event === undefined) return [];
    const [own = event, ...calls] = this.#chainOf(event);
    return [rowKey(own.seq), ...calls.flatMap((call) => this.#index.callOf(call) ?? [])];
  }

  /** Return the first seq from which all events are loaded. */
  #loadedToEndFrom(head: number): number {
    let from = head + 1;
    for (let known = this.#known.get(pageOf(head)); known; known = this.#known.get(pageOf(from - 1))) {
      if (known.isWhole) from = firstOf(pageOf(from - 1));
      else if (known.page[(from - 2) % PAGE_EVENTS]) from -= 1;
      else break;
    }
    return from;
  }
}

const NONE: ShownPage["events"] = new Map();

function firstSeqOf(line: Line): number {
  return line.kind === "gap" ? line.first : line.seq;
}

/** Return the earlier line if it is the same, so that it is not rendered again. */
function asBefore(line: Line, earlier: Line | undefined): Line {
  return earlier && isSame(line, earlier, isSame) ? earlier : line;
}

/** Return whether two objects have the same values. */
function isSame<Values extends object>(
  one: Values,
  other: Values,
  isSameValue: (one: object, other: object) => boolean = () => false,
): boolean {
  const [ones, others] = [Object.entries(one), new Map(Object.entries(other))];
  if (ones.length !== others.size) return false;
  return ones.every(([name, value]) => {
    const beside: unknown = others.get(name);
    if (value === beside) return true;
    return isRecord(value) && isRecord(beside) && isSameValue(value, beside);
  });
}
