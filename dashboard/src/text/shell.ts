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

/** Return the command that resumes a session, for the person to complete with a prompt. */
export function resumeCommand(session: Addressed): string {
  return `${inProject(session)}ao-resume ${nameOf(session)} -p '…'`;
}

/** Return the command that resumes a copy of a session, which leaves the session as it is. */
export function forkCommand(session: Addressed): string {
  return `${inProject(session)}ao-resume ${nameOf(session)} --fork NAME -p '…'`;
}

/** Return the command with which a session of Claude Code is continued by hand; null for another agent. */
export function byHandCommand(session: Addressed & { readonly executor: string | null }): string | null {
  if (session.executor !== "claude") return null;
  return `${inProject(session)}claude --resume ${quote(session.session_id)}`;
}

/** Return commands for actions outside the dashboard: agents are started from the person's own shell. */
export function commandsFor(session: Addressed): readonly SessionCommand[] {
  const begin = inProject(session);
  return [
    { purpose: "Resume with a prompt", text: resumeCommand(session) },
    { purpose: "Follow in a terminal", text: `${begin}ao-logs ${nameOf(session)} --follow` },
    { purpose: "Start a new session in this project", text: `${begin}ao-new NAME -p '…'` },
  ];
}

function inProject({ project_dir }: Addressed): string {
  return project_dir ? `cd ${quote(project_dir)} && ` : "";
}

/** Return the name, or the id if the name cannot be typed in a terminal, or if there is no project to find it in. */
function nameOf({ session_id, session_name, project_dir }: Addressed): string {
  const isTypable = project_dir !== null && /^[^\p{Cc}\p{Cf}-][^\p{Cc}\p{Cf}]*$/u.test(session_name);
  return isTypable ? quote(session_name) : session_id;
}
