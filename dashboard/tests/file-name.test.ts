import { expect, test } from "vitest";
import { fileNameOf } from "../src/text/file-name";

test("file name is the one that the manager gives", () => {
  expect(fileNameOf('attachment; filename="session-fix-login.md"', "x")).toBe("session-fix-login.md");
});

test("other names are replaced", () => {
  for (const given of [
    null,
    "",
    "attachment",
    'attachment; filename="../x"',
    'attachment; filename=".x"',
    'attachment; filename=""',
    "attachment; filename=\"a\"; filename*=UTF-8''b.exe",
  ]) {
    expect(fileNameOf(given, "session.md")).toBe("session.md");
  }
});
