/** Whether Markdown would take too long to parse, so that a text is shown as it is.
 *
 * The parser compares the marks of one paragraph with each other, which takes the square of their number, and goes
 * down one level for each container. Both are counted before it begins; code counts nothing.
 */

const MAX_CHARACTERS = 50_000;
/** Of the squares of the marks of all paragraphs. */
const MAX_COST = 4_000_000;
const MAX_DEPTH = 30;

const MARK = /[*_~[\]`<!]/g;
const FENCE = /^ {0,3}(?:`{3,}[^`]*|~{3,}.*)$/;
const CONTAINERS = /^(?:[ \t]*(?:>|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t])))+/;
const CONTAINER = />|[-+*](?=[ \t])|\d{1,9}[.)]/g;
/** A list item or a row of a table: its marks meet none of the line before. */
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
