import type { Snippet } from "../wire";

interface Part {
  /** Place of its first character. */
  readonly start: number;
  readonly text: string;
  readonly isMatch: boolean;
}

/** Cut the text of a snippet at its matches, whose places count code points. */
export function marked({ text, ranges }: Pick<Snippet, "text" | "ranges">): readonly Part[] {
  const characters = [...text];
  const parts: Part[] = [];
  let at = 0;
  const cut = (end: number, isMatch: boolean) => {
    if (end > at) parts.push({ start: at, text: characters.slice(at, end).join(""), isMatch });
    at = Math.max(at, end);
  };
  for (const { start, end } of ranges) {
    cut(start, false);
    cut(end, true);
  }
  cut(characters.length, false);
  return parts;
}
