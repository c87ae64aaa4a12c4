/** Turns content blocks into text, images that are safe to show, and a description for everything else.
 *
 * The content of a block is not trusted. An image is shown only if its first bytes prove a known raster type and its
 * size; its declared type is ignored.
 */

import { isRecord } from "../../wire";
import { byteSize } from "../format";
import { sniff } from "./raster";

export type Block =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "image"; readonly src: string; readonly words: string }
  | { readonly kind: "words"; readonly words: string; readonly text: string | null };

/** Larger images are only described, as a browser takes long to decode them. */
const MAX_IMAGE_CHARACTERS = 8 * 1024 * 1024;
const MAX_PIXELS = 40_000_000;

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const DATA_ADDRESS = /^data:([\w.+-]+\/[\w.+-]+)?(?:;[\w.=+-]+)*;base64,/;

/** Return the blocks of a content, or null if it is not a list of blocks. */
export function blocksOf(content: unknown): readonly Block[] | null {
  const blocks = Array.isArray(content) ? content : isKnown(content) ? [content] : [];
  if (blocks.length === 0 || !blocks.every(isTyped) || !blocks.some(isKnown)) return null;
  return blocks.map(toBlock);
}

/** Return the text to copy: the texts of the blocks, and a description of the others. */
export function wordsOf(blocks: readonly Block[]): string {
  return blocks.map((block) => (block.kind === "text" ? block.text : `[${block.words}]`)).join("\n");
}

type Typed = Readonly<Record<string, unknown>> & { readonly type: string };

const KNOWN = new Set([
  "text",
  "image",
  "image_url",
  "input_image",
  "document",
  "audio",
  "resource",
  "resource_link",
]);

function isTyped(block: unknown): block is Typed {
  return isRecord(block) && typeof block.type === "string";
}

function isKnown(block: unknown): block is Typed {
  if (!isTyped(block) || !KNOWN.has(block.type)) return false;
  return block.type === "text" ? typeof block.text === "string" : Object.keys(block).length > 1;
}

function toBlock(block: Typed): Block {
  if (block.type === "text" && typeof block.text === "string") return { kind: "text", text: block.text };
  const holder = [block.source, block.resource, block.file, block.image_url].find(isRecord) ?? block;
  const text = firstText([holder.text, holder.media_type === "text/plain" ? holder.data : null]);
  if (text !== null) return { kind: "words", words: describe(block, holder, null), text };
  const data = dataOf(block, holder);
  if (data === null) return { kind: "words", words: describe(block, holder, null), text: null };
  const size = Math.floor((data.length * 3) / 4) - (/=*$/.exec(data.slice(-2))?.[0].length ?? 0);
  const image = data.length <= MAX_IMAGE_CHARACTERS && BASE64.test(data) ? sniff(data) : null;
  if (image === null)
    return { kind: "words", words: `${describe(block, holder, null)}, ${byteSize(size)}`, text: null };
  const words = `${image.type}, ${image.width} × ${image.height}, ${byteSize(size)}`;
  if (image.width * image.height > MAX_PIXELS) return { kind: "words", words, text: null };
  return { kind: "image", src: `data:${image.type};base64,${data}`, words };
}

/** Return the base64 data of a block, possibly from a `data:` address. */
function dataOf(block: Typed, holder: Readonly<Record<string, unknown>>): string | null {
  const given = firstText([holder.data, holder.blob, holder.base64, holder.url, block.image_url]);
  if (given === null) return null;
  const address = DATA_ADDRESS.exec(given);
  if (address) return given.slice(address[0].length);
  return given === holder.url || given === block.image_url ? null : given.replace(/\s+/g, "");
}

/** Describe a block by its type or media type, title and address, if present. */
function describe(block: Typed, holder: Readonly<Record<string, unknown>>, extra: string | null): string {
  const media = firstText([holder.media_type, holder.mimeType, holder.mime_type]);
  const title = firstText([block.title, block.name]);
  const address = firstText([holder.uri, holder.url, holder.file_id, block.image_url]);
  const shortAddress = address?.startsWith("data:") ? null : address;
  const words = [media ?? block.type, title, shortAddress, extra].filter(
    (word) => word !== null && word !== undefined,
  );
  return words.map((word) => String(word).slice(0, 300)).join(", ");
}

function firstText(values: readonly unknown[]): string | null {
  const found = values.find((value) => typeof value === "string" && value !== "");
  return typeof found === "string" ? found : null;
}
