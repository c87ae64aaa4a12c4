/** Reads the type and size of an image from its first bytes; supports only PNG, GIF, WebP and JPEG. */

export interface Raster {
  readonly type: "image/png" | "image/gif" | "image/webp" | "image/jpeg";
  readonly width: number;
  readonly height: number;
}

/** Number of characters to search; the size of a JPEG may come after a profile and a preview. */
const LOOKED_AT_CHARACTERS = 512 * 1024;

export function sniff(base64: string): Raster | null {
  const head = base64.slice(0, LOOKED_AT_CHARACTERS);
  let bytes: DataView;
  try {
    const text = atob(head.slice(0, head.length - (head.length % 4)));
    bytes = new DataView(Uint8Array.from(text, (character) => character.charCodeAt(0)).buffer);
  } catch {
    return null;
  }
  const found = png(bytes) ?? gif(bytes) ?? webp(bytes) ?? jpeg(bytes);
  return found !== null && found.width > 0 && found.height > 0 ? found : null;
}

function png(bytes: DataView): Raster | null {
  if (bytes.byteLength < 24 || !says(bytes, 0, "\x89PNG\r\n\x1a\n") || !says(bytes, 12, "IHDR")) return null;
  return { type: "image/png", width: bytes.getUint32(16), height: bytes.getUint32(20) };
}

function gif(bytes: DataView): Raster | null {
  if (bytes.byteLength < 10 || !(says(bytes, 0, "GIF87a") || says(bytes, 0, "GIF89a"))) return null;
  return { type: "image/gif", width: bytes.getUint16(6, true), height: bytes.getUint16(8, true) };
}

function webp(bytes: DataView): Raster | null {
  if (bytes.byteLength < 30 || !says(bytes, 0, "RIFF") || !says(bytes, 8, "WEBP")) return null;
  const of = (width: number, height: number): Raster => ({ type: "image/webp", width, height });
  if (says(bytes, 12, "VP8X")) {
    return of(1 + (bytes.getUint32(24, true) & 0xffffff), 1 + (bytes.getUint32(26, true) >>> 8));
  }
  if (says(bytes, 12, "VP8 "))
    return of(bytes.getUint16(26, true) & 0x3fff, bytes.getUint16(28, true) & 0x3fff);
  if (!says(bytes, 12, "VP8L")) return null;
  const packed = bytes.getUint32(21, true);
  return of(1 + (packed & 0x3fff), 1 + ((packed >>> 14) & 0x3fff));
}

function jpeg(bytes: DataView): Raster | null {
  if (bytes.byteLength < 4 || bytes.getUint16(0) !== 0xffd8) return null;
  let at = 2;
  while (at + 9 <= bytes.byteLength && bytes.getUint8(at) === 0xff) {
    const marker = bytes.getUint8(at + 1);
    const isSize = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isSize)
      return { type: "image/jpeg", height: bytes.getUint16(at + 5), width: bytes.getUint16(at + 7) };
    at += marker === 0xff ? 1 : 2 + bytes.getUint16(at + 2);
  }
  return null;
}

function says(bytes: DataView, at: number, text: string): boolean {
  return [...text].every((character, place) => bytes.getUint8(at + place) === character.charCodeAt(0));
}
