/** Inline SVG icons. They are shown next to words, so they are hidden from screen readers. */

const PATHS = {
  running: "M8 2.2a5.8 5.8 0 1 1-5.8 5.8",
  waiting: "M2.5 3h11v7.5h-6l-3 2.5v-2.5h-2zM6.2 5.6a1.8 1.8 0 1 1 2.5 1.6c-.5.2-.7.4-.7.8M8 9.2v.1",
  finished: "M3.2 8.6 6.4 11.8 12.8 4.6",
  failed: "M4 4l8 8M12 4l-8 8",
  stopped: "M4.5 4.5h7v7h-7z",
  lost: "M5.6 6a2.5 2.5 0 1 1 3.5 2.3c-.8.4-1.1.8-1.1 1.7M8 12.6v.2",
  denied: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M4.2 4.2l7.6 7.6",
  unknown: "M4 8h.1M8 8h.1M12 8h.1",
  chevron: "M6 4l4 4-4 4",
  copy: "M5.5 5.5h7v7h-7zM3.5 10.5v-7h7",
  link: "M6.8 9.2 9.2 6.8M5.8 7 4.2 8.6a2.3 2.3 0 0 0 3.2 3.2L9 10.2M7 5.8l1.6-1.6a2.3 2.3 0 0 1 3.2 3.2L10.2 9",
  bell: "M4.2 11h7.6c-1-1-1.3-2-1.3-3.8a2.5 2.5 0 0 0-5 0C5.5 9 5.2 10 4.2 11M7 13h2",
  pencil: "M3.5 12.5l.6-2.6L10.5 3.5l2 2L6.1 11.9zM9.2 4.8l2 2",
  archive: "M2.5 4h11v2.5h-11zM3.5 6.5v6h9v-6M6.5 9h3",
  trash: "M3 4.5h10M6.2 4.5v-1.5h3.6v1.5M4.3 4.5l.6 8.5h6.2l.6-8.5",
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 1 0 0-5.6M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  moon: "M13 9.6A5.6 5.6 0 1 1 6.4 3a4.5 4.5 0 0 0 6.6 6.6z",
  auto: "M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11",
  down: "M8 3v10M4 9l4 4 4-4",
  up: "M8 13V3M4 7l4-4 4 4",
  toStart: "M3 3h10M8 13V6M4.5 9.5L8 6l3.5 3.5",
  toEnd: "M3 13h10M8 3v7M4.5 6.5L8 10l3.5-3.5",
  more: "M3.5 8h.1M8 8h.1M12.5 8h.1",
  prompt: "M4 3.5l5 4.5-5 4.5M10 12.5h3",
  leave: "M6.5 3h-3.5v10h3.5M6 8h7.5M10.5 5l3 3-3 3",
  keys: "M2 4.5h12v7.5H2zM4.5 7h.1M7 7h.1M9.5 7h.1M11.8 7h.1M5 9.7h6",
  filter: "M2.5 4.5h11M4.5 8h7M6.5 11.5h3",
  rows: "M2.5 3.5h11M2.5 6.5h11M2.5 9.5h11M2.5 12.5h11",
  search: "M7 3a4 4 0 1 0 0 8a4 4 0 1 0 0-8M10 10l3.5 3.5",
  terminal: "M2.5 3.5h11v9h-11zM5 6.5l2 1.5-2 1.5M8.5 10h2.5",
  close: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  subagent: "M4 3v5.5a2 2 0 0 0 2 2h6M9.5 8l2.5 2.5L9.5 13",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, className = "" }: { name: IconName; className?: string }) {
  return (
    <svg className={`icon ${className}`} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
