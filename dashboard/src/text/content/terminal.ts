/** Splits terminal output into coloured pieces. Colours are kept; other terminal controls are dropped. */

import Anser from "anser";

export interface Piece {
  readonly text: string;
  /** Class names, for example `ansi-red-fg`. */
  readonly classes: string;
  /** Colours without a class: from the 256-colour palette, or true colours. */
  readonly color: string | null;
  readonly background: string | null;
}

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: finding them is the purpose
const STRINGS = /(?:\x1b[PX^_\]]|[\x90\x98\x9d\x9e\x9f])[\s\S]*?(?:\x07|\x1b\\|\x9c|$)/g;
const OTHER_CSI = /(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-ln-~]|$)/g;
const OTHER_ESCAPES = /\x1b(?!\[[0-9;:]*m)[ -/]*[0-~]?/g;
const CONTROLS = /[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]/g;
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: finding them is the purpose

/** Keep only text, line breaks, tabs and colours; an overwritten line keeps its last state. */
export function clean(output: string): string {
  return output
    .replace(STRINGS, "")
    .replace(OTHER_CSI, "")
    .replace(OTHER_ESCAPES, "")
    .replace(CONTROLS, "")
    .replace(BIDI, "\ufffd")
    .replace(/\r+\n/g, "\n")
    .split("\n")
    .map((line) => line.replace(/\r+$/, ""))
    .map((line) => line.slice(line.lastIndexOf("\r") + 1))
    .join("\n")
    .replaceAll("\b", "");
}

export function pieces(output: string): readonly Piece[] {
  return Anser.ansiToJson(clean(output), { use_classes: true, remove_empty: true, json: true }).map(
    (chunk) => ({
      text: chunk.content,
      classes: [
        className(chunk.fg, "fg"),
        className(chunk.bg, "bg"),
        ...chunk.decorations.map((decoration) => `ansi-${decoration}`),
      ]
        .filter(Boolean)
        .join(" "),
      color: rgb(chunk.fg, chunk.fg_truecolor),
      background: rgb(chunk.bg, chunk.bg_truecolor),
    }),
  );
}

function className(color: string | null, layer: "fg" | "bg"): string {
  return color && !color.startsWith("ansi-palette") && color !== "ansi-truecolor" ? `${color}-${layer}` : "";
}

function rgb(color: string | null, truecolor: string | null): string | null {
  if (color === "ansi-truecolor" && truecolor) return `rgb(${truecolor})`;
  const number = color?.startsWith("ansi-palette-")
    ? Number(color.slice("ansi-palette-".length))
    : Number.NaN;
  return Number.isNaN(number) ? null : paletteColor(number);
}

/** Return a colour of the 256-colour palette (6×6×6 cube and greys), as in xterm. */
function paletteColor(number: number): string {
  if (number >= 232) {
    const grey = 8 + (number - 232) * 10;
    return `rgb(${grey}, ${grey}, ${grey})`;
  }
  const level = (value: number) => (value === 0 ? 0 : 55 + value * 40);
  const cube = number - 16;
  return `rgb(${level(Math.floor(cube / 36))}, ${level(Math.floor(cube / 6) % 6)}, ${level(cube % 6)})`;
}
