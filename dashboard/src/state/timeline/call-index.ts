/** Assigns loaded events to tool calls by their ids, one event at a time; the order of arrival does not matter.
 *
 * The index notes which pages have asked about a call, and names them when the answer changes. So only the rows of these
 * pages are arranged again.
 */

import type { EventOf, SessionEvent } from "../../wire";
import { isOfCall, keyOf, parentKey } from "../session/call-keys";
import { insert, remove } from "../session/sorted";

/** The loaded events of a call, and of a run's usage, as sorted seqs. */
interface Call {
  readonly begins: number[];
  readonly ends: number[];
  readonly denials: number[];
  readonly inside: number[];
  /** The pages that depend on the place of the call, and those that depend on all of its events. */
  readonly askedPlace: Set<number>;
  readonly askedAll: Set<number>;
}

type Part = "begins" | "ends" | "denials" | "inside";

const PARTS = { pre_tool: "begins", post_tool: "ends", permission_denied: "denials" } as const;

export class CallIndex {
  readonly #eventAt: (seq: number) => SessionEvent | undefined;
  readonly #calls = new Map<string, Call>();
  readonly #askedBy = new Map<number, Map<string, Call>>();
  #asking: number | null = null;
  #stale = new Set<number>();

  constructor(eventAt: (seq: number) => SessionEvent | undefined) {
    this.#eventAt = eventAt;
  }

  add(event: SessionEvent): void {
    this.#change(event, insert);
  }

  remove(event: SessionEvent): void {
    this.#change(event, remove);
  }

  /** Note that the text of an event has changed. */
  touch(event: SessionEvent): void {
    const around = this.#calls.get(parentKey(event) ?? "");
    for (const page of around?.askedAll ?? []) this.#stale.add(page);
  }

  /** Return the pages for which an answer has changed since the last call. */
  takeStale(): ReadonlySet<number> {
    const stale = this.#stale;
    this.#stale = new Set();
    return stale;
  }

  /** Note the questions of `ask` as those of a page, instead of its earlier ones. */
  askFor<Answer>(page: number, ask: () => Answer): Answer {
    this.forget(page);
    this.#asking = page;
    const answer = ask();
    this.#asking = null;
    return answer;
  }

  /** Forget the questions of a page. */
  forget(page: number): void {
    for (const [key, call] of this.#askedBy.get(page) ?? []) {
      call.askedPlace.delete(page);
      call.askedAll.delete(page);
      if (isUnused(call)) this.#calls.delete(key);
    }
    this.#askedBy.delete(page);
  }

  begun(key: string | null): EventOf<"pre_tool"> | undefined {
    return this.#first(this.#ask(key, "askedPlace")?.begins) as EventOf<"pre_tool"> | undefined;
  }

  ended(key: string | null): EventOf<"post_tool"> | undefined {
    return this.#last(this.#ask(key, "askedAll")?.ends) as EventOf<"post_tool"> | undefined;
  }

  denied(key: string | null): EventOf<"permission_denied"> | undefined {
    return this.#last(this.#ask(key, "askedAll")?.denials) as EventOf<"permission_denied"> | undefined;
  }

  usage(run: number | null): EventOf<"usage"> | undefined {
    return this.#last(this.#ask(usageKey(run), "askedAll")?.ends) as EventOf<"usage"> | undefined;
  }

  /** Return the seq of the first loaded event inside a call. */
  firstInside(key: string): number | undefined {
    return this.#ask(key, "askedPlace")?.inside[0];
  }

  /** Return the events inside a call that have a row, also if the call itself is not loaded. */
  inside(key: string): readonly SessionEvent[] {
    const members: SessionEvent[] = [];
    for (const seq of this.#ask(key, "askedAll")?.inside ?? []) {
      const event = this.#eventAt(seq);
      if (event && !this.partOf(event) && !this.isCut(event)) members.push(event);
    }
    return members;
  }

  /** Return the call in whose row an event is shown, if the event has no own row. */
  partOf(event: SessionEvent): EventOf<"pre_tool"> | undefined {
    if (event.kind !== "post_tool" && event.kind !== "permission_denied") return undefined;
    return this.begun(keyOf(event));
  }

  /** Return the call that an event begins; not for a repeated begin. */
  callOf(event: SessionEvent): string | null {
    const key = event.kind === "pre_tool" ? keyOf(event) : null;
    return key !== null && this.begun(key)?.seq === event.seq ? key : null;
  }

  /** Return the call around an event, if it is loaded. */
  around(event: SessionEvent): EventOf<"pre_tool"> | undefined {
    return this.begun(parentKey(event));
  }

  /** Return whether an event is the first call of a cycle of calls, each inside the next: it is cut there. */
  isCut(event: SessionEvent): boolean {
    if (this.callOf(event) === null) return false;
    const seen = new Set<number>();
    let outer = this.around(event);
    while (outer && outer.seq > event.seq && !seen.has(outer.seq)) {
      seen.add(outer.seq);
      outer = this.around(outer);
    }
    return outer?.seq === event.seq;
  }

  #change(event: SessionEvent, change: (seqs: number[], seq: number) => void): void {
    const edit = (key: string | null, part: Part) => {
      if (key === null) return;
      const call = this.#calls.get(key) ?? emptyCall();
      const place = placeOf(call);
      change(call[part], event.seq);
      for (const page of call.askedAll) this.#stale.add(page);
      if (placeOf(call) !== place) for (const page of call.askedPlace) this.#stale.add(page);
      if (isUnused(call)) this.#calls.delete(key);
      else this.#calls.set(key, call);
    };
    if (isOfCall(event)) edit(keyOf(event), PARTS[event.kind]);
    if (event.kind === "usage") edit(usageKey(event.run), "ends");
    edit(parentKey(event), "inside");
  }

  #ask(key: string | null, about: "askedPlace" | "askedAll"): Call | undefined {
    if (key === null) return undefined;
    if (this.#asking === null) return this.#calls.get(key);
    const call = this.#calls.get(key) ?? emptyCall();
    this.#calls.set(key, call);
    call[about].add(this.#asking);
    const asked = this.#askedBy.get(this.#asking);
    if (asked) asked.set(key, call);
    else this.#askedBy.set(this.#asking, new Map([[key, call]]));
    return call;
  }

  #first(seqs: readonly number[] = []): SessionEvent | undefined {
    return seqs[0] === undefined ? undefined : this.#eventAt(seqs[0]);
  }

  #last(seqs: readonly number[] = []): SessionEvent | undefined {
    return this.#first(seqs.slice(-1));
  }
}

/** The key of a run's usage, which cannot be that of a call. */
function usageKey(run: number | null): string {
  return `usage ${run}`;
}

function emptyCall(): Call {
  return { begins: [], ends: [], denials: [], inside: [], askedPlace: new Set(), askedAll: new Set() };
}

/** Return what decides where the rows of a call are: its begin, or else the first event inside it. */
function placeOf({ begins, inside }: Call): number {
  return begins[0] ?? -(inside[0] ?? 0);
}

function isUnused({ begins, ends, denials, inside, askedPlace, askedAll }: Call): boolean {
  const events = begins.length + ends.length + denials.length + inside.length;
  return events + askedPlace.size + askedAll.size === 0;
}
