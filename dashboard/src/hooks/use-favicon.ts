import { useEffect } from "react";
import plain from "../favicon.svg";
import dotted from "../favicon-dot.svg";

/** Show a dot in the icon of the tab. */
export function useFavicon(hasDot: boolean): void {
  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (link) link.href = hasDot ? dotted : plain;
  }, [hasDot]);
}
