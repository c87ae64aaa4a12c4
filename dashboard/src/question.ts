/** Reads the questions of agents and their answers. An executor wrote them, so every field is checked. */

type Fields = Readonly<Record<string, unknown>>;

export interface Choice {
  readonly id: string;
  readonly kind: string;
  readonly label: string;
}

export interface Item {
  readonly id: string;
  readonly text: string;
  readonly header: string | null;
  readonly options: readonly { readonly label: string; readonly description: string | null }[];
  readonly isMultiple: boolean;
  readonly isFree: boolean;
}

export interface Question {
  readonly kind: string;
  readonly title: string | null;
  readonly why: string | null;
  readonly toolName: string | null;
  readonly toolInput: Fields;
  readonly diff: string | null;
  readonly cwd: string | null;
  readonly expiresAt: string | null;
  readonly choices: readonly Choice[];
  readonly items: readonly Item[];
}

/** The payload of an answer. */
export type Answer =
  | { readonly choice: string; readonly text?: string }
  | { readonly answers: Readonly<Record<string, readonly string[]>> };

export function questionOf(event: Fields): Question {
  return {
    kind: text(event.kind) ?? "tool",
    title: text(event.title),
    why: text(event.why),
    toolName: text(event.tool_name),
    toolInput: fields(event.tool_input),
    diff: text(event.diff),
    cwd: text(event.cwd),
    expiresAt: text(event.expires_at),
    choices: list(event.choices).map((each) => ({
      id: text(each.id) ?? "",
      kind: text(each.kind) ?? "",
      label: text(each.label) ?? text(each.id) ?? "",
    })),
    items: list(event.items).map((each) => ({
      id: text(each.id) ?? "",
      text: text(each.text) ?? "",
      header: text(each.header),
      options: list(each.options).map((option) => ({
        label: text(option.label) ?? "",
        description: text(option.description),
      })),
      isMultiple: each.multiple === true,
      isFree: each.free !== false,
    })),
  };
}

/** Return what the agent wants, in one line. */
export function subjectOf(question: Question): string {
  const gist = ["command", "file_path", "path", "url"]
    .map((name) => text(question.toolInput[name]))
    .find(Boolean);
  const tool = question.toolName ?? "";
  return question.title ?? question.items[0]?.text ?? (gist ? `${tool}: ${gist}` : tool || "a question");
}

/** Return an answer in words: the label of the choice, or the texts. */
export function answerWords(question: Question, answer: Fields): string {
  const choice = question.choices.find((each) => each.id === answer.choice);
  return choice?.label ?? answerText(answer);
}

/** Return the texts of an answer or of a decision. */
export function answerText(answer: Fields): string {
  const texts = Object.values(fields(answer.answers)).flatMap((each) => (Array.isArray(each) ? each : []));
  return [...texts.filter((each) => typeof each === "string"), text(answer.text)].filter(Boolean).join(", ");
}

/** Return whether two answers say the same; the order of their fields does not matter. */
export function isSameAnswer(one: Answer, other: Answer): boolean {
  return canonical(one) === canonical(other);
}

function canonical(answer: Answer): string {
  return JSON.stringify(Object.entries(answer).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function list(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(fields) : [];
}
