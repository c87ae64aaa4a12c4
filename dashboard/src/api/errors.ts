/** What can go wrong between the page and the manager. Callers branch on class and code, never on text. */

/** The manager answered, and refused. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(detail);
  }
}

/** The manager did not answer. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";

  constructor(cause: unknown) {
    super("The manager cannot be reached.", { cause });
  }
}

export function hasCode(error: unknown, code: string): error is ApiError {
  return error instanceof ApiError && error.code === code;
}

const TOKEN_REFUSALS = ["unauthorized", "page_token_unknown", "too_many_failures"] as const;

/** Whether the manager takes another token, not this one: also where that was said too often of late. */
export function isTokenRefused(error: unknown): boolean {
  return TOKEN_REFUSALS.some((code) => hasCode(error, code));
}

/** Whether asking again without a change could help. */
export function isPassing(error: unknown): boolean {
  return error instanceof UnreachableError || (error instanceof ApiError && error.status >= 500);
}

/** One sentence for people. */
export function explain(error: unknown): string {
  return error instanceof Error ? error.message : "Something unexpected happened.";
}
