/** Links in session content may only lead to web pages and mail addresses. */

const ALLOWED = new Set(["http:", "https:", "mailto:"]);

/** Return the address if it is allowed, otherwise null; a relative address would lead to the manager. */
export function safeLink(href: string | undefined): string | null {
  if (!href) return null;
  try {
    return ALLOWED.has(new URL(href).protocol) ? href : null;
  } catch {
    return null;
  }
}
