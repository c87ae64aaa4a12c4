/** Shell commands to copy. Text from a session is quoted, so that a pasted command runs nothing else. */

const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

export function quote(word: string): string {
  if (PLAIN.test(word) && !word.startsWith("-")) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Return the command line of a program and its arguments. */
export function commandLine(words: readonly string[]): string {
  return words.map((word) => (PLAIN.test(word) ? word : quote(word))).join(" ");
}

export interface SessionCommand {
  readonly purpose: string;
  readonly text: string;
}

interface Addressed {
  readonly session_id: string;
  readonly session_name: string;
  readonly project_dir: string | null;
}

/** Return commands for actions outside the dashboard: agents are started from the person's own shell. */
export function commandsFor(session: Addressed): readonly SessionCommand[] {
  const inProject = session.project_dir ? `cd ${quote(session.project_dir)} && ` : "";
  // Use the id if the name cannot be typed in a terminal, or if there is no project to find it in.
  const isTypable =
    session.project_dir !== null && /^[^\p{Cc}\p{Cf}-][^\p{Cc}\p{Cf}]*$/u.test(session.session_name);
  const name = isTypable ? quote(session.session_name) : session.session_id;
  return [
    { purpose: "Resume with a prompt", text: `${inProject}ao-resume ${name} -p '…'` },
    { purpose: "Follow in a terminal", text: `${inProject}ao-logs ${name} --follow` },
    { purpose: "Start a new session in this project", text: `${inProject}ao-new NAME -p '…'` },
  ];
}
