/** Text from sessions is not trusted: characters that hide, reorder or control text are shown as marks. */

// Control and format characters, line and paragraph separators, default ignorables, and the Braille blank.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** Invisible characters that some scripts need, each with the character before it; elsewhere they could fake a name. */
const NEEDED: readonly (readonly [what: RegExp, behind: RegExp])[] = [
  [/^[\t\n]$/, /$/u],
  // Joiners of emoji, and of scripts whose letters change with their neighbours.
  [/^\u200d$/u, /(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f)$/u],
  [/^[\u200c\u200d]$/u, /(?![\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}])[\p{L}\p{M}]$/u],
  [/^[\ufe0e\ufe0f]$/u, /\p{Extended_Pictographic}$/u],
  [/^[\ufe00-\ufe0d\u180b-\u180d\u{e0100}-\u{e01ef}]$/u, /[\p{Script=Han}\p{Script=Mongolian}]$/u],
  // Flags of regions.
  [/^[\u{e0020}-\u{e007f}]$/u, /\u{1f3f4}[\u{e0020}-\u{e007f}]*$/u],
];

const NAMES: Readonly<Record<string, string>> = {
  "\u061c": "ALM",
  "\u200b": "ZWSP",
  "\u200e": "LRM",
  "\u200f": "RLM",
  "\u202a": "LRE",
  "\u202b": "RLE",
  "\u202c": "PDF",
  "\u202d": "LRO",
  "\u202e": "RLO",
  "\u2066": "LRI",
  "\u2067": "RLI",
  "\u2068": "FSI",
  "\u2069": "PDI",
};

function mark(character: string, at: number, text: string): string {
  const before = text.slice(Math.max(0, at - 16), at);
  if (NEEDED.some(([what, behind]) => what.test(character) && behind.test(before))) return character;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  const name = NAMES[character] ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  return `\u27e8${name}\u27e9`;
}

/** Mark control characters and those that change the direction of text; line breaks and tabs stay. */
export function visible(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(INVISIBLE, mark);
}

/** Do the same, on one line, for names, titles and rows. */
export function oneLine(text: string): string {
  return visible(text.replace(/[^\S\ufeff]+/g, " ").replace(/^ | $/g, ""));
}
