/** The only module that calls fetch: it adds the token, and turns error responses into typed errors. */

import { isRecord } from "../wire";
import { ApiError, isTokenRefused, UnreachableError } from "./errors";
import { currentToken, dropToken } from "./token";

export type Query = Readonly<
  Record<string, string | number | boolean | readonly string[] | null | undefined>
>;

export interface RequestOptions {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly query?: Query;
  readonly body?: unknown;
  readonly accept?: string;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 30_000;

/** Send a request and return the JSON response; the caller gives its type. */
export async function request<Answer>(path: string, options: RequestOptions = {}): Promise<Answer> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const response = await open(path, { ...options, signal });
  try {
    return (await response.json()) as Answer;
  } catch (cause) {
    throw options.signal?.aborted ? cause : new UnreachableError(cause);
  }
}

/** Send a request and return a successful response, with its body unread; throw otherwise. */
export async function open(path: string, options: RequestOptions = {}): Promise<Response> {
  const token = currentToken();
  const headers = new Headers({ Accept: options.accept ?? "application/json" });
  if (token !== null) headers.set("Authorization", `Bearer ${token}`);
  if (options.body !== undefined) headers.set("Content-Type", "application/json");
  let response: Response;
  try {
    response = await fetch(path + queryString(options.query ?? {}), {
      method: options.method ?? "GET",
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: options.signal ?? null,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
  } catch (cause) {
    throw options.signal?.aborted && !isTimeout(cause) ? cause : new UnreachableError(cause);
  }
  if (response.ok) return response;
  const error = await refusal(response);
  if (isTokenRefused(error)) dropToken(token);
  throw error;
}

async function refusal(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null);
  const field = (name: string) => (isRecord(body) && typeof body[name] === "string" ? body[name] : null);
  const number = (text: string | null) => (text !== null && /^[0-9]+$/.test(text) ? Number(text) : null);
  return new ApiError(
    response.status,
    field("code") ?? "unknown",
    field("detail") ?? `The manager responded with status ${response.status}.`,
    number(response.headers.get("Retry-After")),
    number(field("position")),
  );
}

function queryString(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    for (const each of Array.isArray(value) ? value : [value]) parameters.append(name, String(each));
  }
  const text = parameters.toString();
  return text && `?${text}`;
}

function isTimeout(cause: unknown): boolean {
  return cause instanceof DOMException && cause.name === "TimeoutError";
}
