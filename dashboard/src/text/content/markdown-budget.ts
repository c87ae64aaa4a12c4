/** Decides whether Markdown would take too long to parse; then the text is shown unformatted.
 *
 * The parser compares the marks of a paragraph with each other, which takes quadratic time, and recurses once for each
 * container. Both are estimated before parsing; code blocks do not count.
 */

const MAX_CHARACTERS = 50_000;
/** Limit of the sum over all paragraphs of the squared number of marks. */
const MAX_COST = 4_000_000;
const MAX_DEPTH = 30;

const MARK = /[*_~[\]`<!]/g;
const FENCE = /^ {0,3}(?:`{3,}[^`]*|~{3,}.*)$/;
const CONTAINERS = /^(?:[ \t]*(?:>|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t])))+/;
const CONTAINER = />|[-+*](?=[ \t])|\d{1,9}[.)]/g;
/** A list item or table row; the parser does not compare its marks with those of the line before. */
const OWN_LINE = /^[ \t]*(?:[-+*][ \t]|\d{1,9}[.)][ \t]|\|)/;

export function isPlain(text: string): boolean {
  if (text.length > MAX_CHARACTERS) return true;
  let isCode = false;
  let marks = 0;
  let cost = 0;
  for (const line of text.split("\n")) {
    if (FENCE.test(line)) isCode = !isCode;
    if (isCode) continue;
    const containers = CONTAINERS.exec(line)?.[0] ?? "";
    if ((containers.match(CONTAINER)?.length ?? 0) > MAX_DEPTH) return true;
    if (line.trim() === "" || OWN_LINE.test(line)) {
      cost += marks * marks;
      marks = 0;
    }
    marks += line.match(MARK)?.length ?? 0;
    if (cost + marks * marks > MAX_COST) return true;
  }
  return false;
}
