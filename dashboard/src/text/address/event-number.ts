/** Reads the number of an event that a reader types, as in ":41". */

import { wholeNumber } from "../format";

export type EventNumber =
  | { readonly kind: "words" }
  | { readonly kind: "number"; readonly seq: number }
  | { readonly kind: "problem"; readonly text: string };

/** Text with a colon at its start is a number, and must be one of an event. */
export function eventNumber(typed: string, head: number): EventNumber {
  if (!typed.startsWith(":")) return { kind: "words" };
  const digits = typed.slice(1).trim();
  const seq = /^[0-9]+$/.test(digits) ? Number(digits) : Number.NaN;
  if (seq >= 1 && seq <= head) return { kind: "number", seq };
  const text =
    head === 0 ? "There are no events." : `Type a number from 1 to ${wholeNumber(head)} after the colon.`;
  return { kind: "problem", text };
}
