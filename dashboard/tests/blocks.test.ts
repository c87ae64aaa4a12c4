import { expect, test } from "vitest";
import { blocksOf, wordsOf } from "../src/text/content/blocks";

function base64(...parts: readonly (string | readonly number[])[]): string {
  const bytes = parts.flatMap((part) =>
    typeof part === "string" ? [...part].map((character) => character.charCodeAt(0)) : part,
  );
  return btoa(String.fromCharCode(...bytes));
}

const four = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
const png = (width: number, height: number) =>
  base64("\x89PNG\r\n\x1a\n", [0, 0, 0, 13], "IHDR", four(width), four(height), [8, 6, 0, 0, 0]);
const PNG = png(64, 48);
const GIF = base64("GIF89a", [7, 0, 5, 0, 0, 0, 0]);
const WEBP = base64("RIFF", four(0), "WEBPVP8X", four(0), four(0), [9, 0, 0], [4, 0, 0], four(0));
const JPEG = base64([0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xc0, 0, 11, 8, 0, 3, 0, 6, 1, 1, 1, 1]);
const SVG = base64("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>");

const source = (data: string, media_type = "image/png") => ({
  type: "image",
  source: { type: "base64", media_type, data },
});

test.each([
  ["from Claude", source(PNG), "image/png, 64 × 48, 29 bytes"],
  ["from MCP", { type: "image", data: GIF, mimeType: "image/gif" }, "image/gif, 7 × 5, 13 bytes"],
  ["from a file", { type: "image", file: { base64: WEBP } }, "image/webp, 10 × 5, 34 bytes"],
  [
    "from a data: address",
    { type: "image_url", image_url: { url: `data:image/jpeg;base64,${JPEG}` } },
    "image/jpeg, 6 × 3, 21 bytes",
  ],
  ["with another declared type", source(JPEG, "image/svg+xml"), "image/jpeg, 6 × 3, 21 bytes"],
])("image %s is shown", (_, block, words) => {
  const type = words.split(",")[0];
  expect(blocksOf([block])).toMatchObject([{ kind: "image", words }]);
  expect(blocksOf(block)?.[0]).toHaveProperty(
    "src",
    expect.stringMatching(`^data:${type};base64,[A-Za-z0-9+/=]+$`),
  );
});

test.each([
  ["SVG", source(SVG, "image/svg+xml"), "image/svg+xml, 59 bytes"],
  ["SVG declared as PNG", source(SVG), "image/png, 59 bytes"],
  ["image with too many pixels", source(png(30_000, 30_000)), "image/png, 30000 × 30000, 29 bytes"],
  ["truncated image", source(`${PNG.slice(0, 40)}…`), "image/png, 30 bytes"],
  [
    "address",
    { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
    "image, https://example.com/a.png",
  ],
  [
    "document",
    {
      type: "document",
      title: "Plan",
      source: { type: "base64", media_type: "application/pdf", data: "JVBERi0x" },
    },
    "application/pdf, Plan, 6 bytes",
  ],
  ["audio", { type: "audio", data: "AAAA", mimeType: "audio/wav" }, "audio/wav, 3 bytes"],
  ["link", { type: "resource_link", uri: "file:///a", name: "a" }, "resource_link, a, file:///a"],
])("%s is described", (_, block, words) => {
  expect(blocksOf([{ type: "text", text: "before" }, block])).toMatchObject([
    { kind: "text", text: "before" },
    { kind: "words", words },
  ]);
});

test("text next to an image stays text, and copied text has no base64", () => {
  const blocks = blocksOf([{ type: "text", text: "see" }, source(PNG), { type: "of_later" }]) ?? [];
  expect(wordsOf(blocks)).toBe("see\n[image/png, 64 × 48, 29 bytes]\n[of_later]");
  const document = { type: "document", source: { type: "text", media_type: "text/plain", data: "words" } };
  expect(blocksOf([document])).toEqual([{ kind: "words", words: "text/plain", text: "words" }]);
});

test.each([
  [[]],
  [[1, 2]],
  ["text"],
  [null],
  [{}],
  [[{ type: "file", name: "a" }]],
  [[{ type: "text", text: 5 }]],
])("%j is not a list of blocks", (value) => {
  expect(blocksOf(value)).toBeNull();
});
