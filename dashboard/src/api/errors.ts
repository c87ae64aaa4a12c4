/** Errors of requests to the manager. Callers decide by class and code, never by text. */

/** The manager rejected a request. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly retryAfterSeconds: number | null = null,
    /** The place of the problem in a search query, counted in characters from 0. */
    readonly position: number | null = null,
  ) {
    super(detail);
  }
}

/** The manager did not respond. */
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

/** Return whether the manager rejected the token; `too_many_failures` follows many rejections. */
export function isTokenRefused(error: unknown): boolean {
  return TOKEN_REFUSALS.some((code) => hasCode(error, code));
}

/** Return whether the same request could succeed later. */
export function isPassing(error: unknown): boolean {
  return error instanceof UnreachableError || (error instanceof ApiError && error.status >= 500);
}

/** Return one sentence for people. */
export function explain(error: unknown): string {
  return error instanceof Error ? error.message : "An unexpected error occurred.";
}
