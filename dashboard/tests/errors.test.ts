import { expect, test } from "vitest";
import { ApiError, isTokenRefused, UnreachableError } from "../src/api/errors";

test("too many failures count as a rejected token", () => {
  expect(isTokenRefused(new ApiError(401, "unauthorized", "who?"))).toBe(true);
  expect(isTokenRefused(new ApiError(401, "page_token_unknown", "who?"))).toBe(true);
  expect(isTokenRefused(new ApiError(429, "too_many_failures", "who?"))).toBe(true);
  expect(isTokenRefused(new ApiError(403, "host_not_allowed", "where?"))).toBe(false);
  expect(isTokenRefused(new UnreachableError("gone"))).toBe(false);
});
