/** Return the file name in a `Content-Disposition`, if it has only letters, digits, `.`, `_` and `-`. */
export function fileNameOf(disposition: string | null, otherwise: string): string {
  return /^attachment; filename="([A-Za-z0-9_-][A-Za-z0-9._-]*)"$/.exec(disposition ?? "")?.[1] ?? otherwise;
}
