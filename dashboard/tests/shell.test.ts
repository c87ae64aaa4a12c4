import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { commandsFor, quote } from "../src/text/shell";
import { aSession } from "./support";

test("shell reads every quoted word unchanged", () => {
  const words = fc.array(
    fc.string({ unit: "binary" }).map((word) => word.replaceAll("\u0000", "")),
    {
      minLength: 20,
      maxLength: 40,
    },
  );
  fc.assert(
    fc.property(words, (given) => {
      const wanted = [...given, "$(touch x)", "a'b", "`id`", "-n", "", "a\nb", "\\", "!!"];
      const shown = execFileSync("sh", ["-c", `printf '%s\\0' ${wanted.map(quote).join(" ")}`]);
      expect(shown.toString("utf8").split("\u0000").slice(0, -1)).toEqual(
        wanted.map((word) => Buffer.from(word, "utf8").toString("utf8")),
      );
    }),
    { numRuns: 20 },
  );
});

test("commands name the session and change to its project", () => {
  const session = aSession({ session_name: "fix the login", project_dir: "/home/me/my shop" });
  expect(commandsFor(session).map(({ text }) => text)).toEqual([
    "cd '/home/me/my shop' && ao-resume 'fix the login' -p '…'",
    "cd '/home/me/my shop' && ao-logs 'fix the login' --follow",
    "cd '/home/me/my shop' && ao-new NAME -p '…'",
  ]);
});

test("id replaces a name that is an option or cannot be typed", () => {
  for (const session_name of ["--help", "a\u001bb", "photo\u202egnp"]) {
    expect(commandsFor(aSession({ session_name }))[0]?.text).toContain("ao-resume s1 ");
  }
});
