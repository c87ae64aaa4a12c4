/** The words of a search query, to mark them in texts.
 *
 * It follows the manager's search: width, case and accents do not count. For each term it finds whole words, or else
 * parts of words, such as those of camel case. Excluded terms and files are not marked.
 *
 * A query can come from a link of another person, so the work for it is bounded. The characters of words and those
 * between words are disjoint, so the time of a pattern is at most that of its words times that of the text.
 */

/** The place of a match in a text, half open. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

const TERM =
  /\s*(?<excluded>-(?!-))?(?<file>file:(?!\/\/))?(?:"(?<phrase>[^"]*)"?(?<star>\*?)|(?<word>[^\s"]+))?/y;
const UNSPACED =
  "\\u0e00-\\u0eff\\u1000-\\u109f\\u1100-\\u11ff\\u1780-\\u17ff\\u3005-\\u3007\\u3040-\\u30ff\\u3100-\\u318f" +
  "\\u31a0-\\u31bf\\u31f0-\\u31ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\ua960-\\ua97f\\uac00-\\ud7ff\\uf900-\\ufaff" +
  "\\u{20000}-\\u{3ffff}";
const OF_WORD = "[0-9a-z\\u0080-\\u{10ffff}]";
const BETWEEN = "[^0-9a-z\\u0080-\\u{10ffff}]";
const SEGMENT = new RegExp(`[${UNSPACED}]+|(?:(?![${UNSPACED}])${OF_WORD})+`, "gu");
const IS_UNSPACED = new RegExp(`^[${UNSPACED}]+$`, "u");
const MAX_PLACES = 1000;
/** The manager refuses longer queries, and more terms. */
export const MAX_QUERY_CHARS = 1000;
export const MAX_TERMS = 32;
/** Only the first words of a longer phrase are marked. */
export const MAX_PHRASE_WORDS = 32;
/** Only the beginning of a longer text is searched. */
export const MAX_TEXT_CHARS = 1_000_000;

export class SoughtWords {
  /** For each term, the pattern of whole words and that of parts of words. */
  private readonly patterns: readonly (readonly RegExp[])[];
  private last: { readonly text: string; readonly places: readonly Place[] } | null = null;

  constructor(query: string) {
    this.patterns = [...terms(query)].map(({ words, isPrefix }) => [
      pattern(words, true, isPrefix),
      pattern(words, false, isPrefix),
    ]);
  }

  /** Return the places of the words in a text, in their order and without overlap.
   *
   * The places in the last text are kept: a row is searched again after each change around it.
   */
  find(text: string): readonly Place[] {
    if (this.last?.text !== text) this.last = { text, places: this.search(text) };
    return this.last.places;
  }

  private search(text: string): readonly Place[] {
    if (this.patterns.length === 0) return [];
    const folded = fold(text.slice(0, MAX_TEXT_CHARS));
    const found = this.patterns.flatMap(
      (tries) => tries.map((each) => placesOf(each, folded)).find((places) => places.length > 0) ?? [],
    );
    found.sort((a, b) => a.start - b.start || b.end - a.end);
    let end = 0;
    return found.filter((place) => {
      if (place.start < end) return false;
      end = place.end;
      return true;
    });
  }

  /** Return whether a text, or a text in a JSON value, contains a word. */
  isIn(value: unknown): boolean {
    if (typeof value === "object" && value !== null)
      return Object.values(value).some((each) => this.isIn(each));
    return this.find(String(value)).length > 0;
  }
}

interface Term {
  readonly words: readonly string[];
  readonly isPrefix: boolean;
}

function* terms(query: string): Iterable<Term> {
  if (query.length > MAX_QUERY_CHARS) return;
  TERM.lastIndex = 0;
  let count = 0;
  while (count < MAX_TERMS && TERM.lastIndex < query.length) {
    const from = TERM.lastIndex;
    const found = TERM.exec(query)?.groups;
    if (found === undefined || TERM.lastIndex === from) return;
    const given = found.phrase ?? found.word ?? "";
    const words = (fold(given).text.match(SEGMENT) ?? []).slice(0, MAX_PHRASE_WORDS);
    if (found.excluded || found.file || words.length === 0) continue;
    const isPrefix = found.star === "*" || (found.phrase === undefined && /[\p{L}\p{N}]\*$/u.test(given));
    count += 1;
    yield { words, isPrefix };
  }
}

function pattern(words: readonly string[], isWhole: boolean, isPrefix: boolean): RegExp {
  const between = words.some((word) => IS_UNSPACED.test(word)) ? `${BETWEEN}*` : `${BETWEEN}+`;
  const begin = isWhole && !IS_UNSPACED.test(words[0] ?? "") ? `(?<!${OF_WORD})` : "";
  const end = isWhole && !isPrefix && !IS_UNSPACED.test(words.at(-1) ?? "") ? `(?!${OF_WORD})` : "";
  return new RegExp(`${begin}${words.join(between)}${end}`, "gu");
}

interface Folded {
  readonly text: string;
  /** For each character of the text, the place where it was before; null if the places are the same. */
  readonly places: readonly number[] | null;
}

function fold(text: string): Folded {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
  if (/^[\x00-\x7f]*$/.test(text)) return { text: text.toLowerCase(), places: null };
  const places: number[] = [];
  const known = new Map<string, string>();
  let folded = "";
  let at = 0;
  for (const character of text) {
    const plain = known.get(character) ?? foldCharacter(character);
    known.set(character, plain);
    folded += plain;
    for (let each = 0; each < plain.length; each += 1) places.push(at);
    at += character.length;
  }
  places.push(at);
  return { text: folded, places };
}

function foldCharacter(character: string): string {
  if (character < "\u0080") return character.toLowerCase();
  // The lower case of the upper case is the case folding, for example "ss" for "ß".
  const plain = character.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFD");
  return plain
    .replace(/[\u0300-\u036f\ufe00-\ufe0f]|\p{Cf}/gu, "")
    .normalize("NFC")
    .replace(/[^\p{L}\p{M}\p{N}\u0020-\u007e]/gu, " ");
}

function placesOf(sought: RegExp, { text, places }: Folded): readonly Place[] {
  const found: Place[] = [];
  for (const { index, 0: match } of text.matchAll(sought)) {
    const start = places?.[index] ?? index;
    const last = index + match.length - 1;
    // The end of the last character is where the next one begins that has another place.
    let next = last + 1;
    while (places !== null && next < text.length && places[next] === places[last]) next += 1;
    found.push({ start, end: places?.[next] ?? next });
    if (found.length === MAX_PLACES) break;
  }
  return found;
}
