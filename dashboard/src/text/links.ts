/** Links out of session content go to the web or to mail, and nowhere else. */

const LET_IN = new Set(["http:", "https:", "mailto:"]);

/** The address if it may be followed, else null; a relative one would lead into the manager. */
export function safeLink(href: string | undefined): string | null {
  if (!href) return null;
  try {
    return LET_IN.has(new URL(href).protocol) ? href : null;
  } catch {
    return null;
  }
}
