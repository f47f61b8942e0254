import { useState } from "preact/hooks";
import { announce } from "../state/announce.ts";
import { toClipboard } from "../state/copying.ts";
import { Icon } from "./Icon.tsx";

/** Copies a text; where the browser does not let a page do so, it says how else. */
export function Copy({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState<"" | "Copied" | "Select it to copy">("");
  const copy = async () => {
    const isCopied = await toClipboard(text);
    setDone(isCopied ? "Copied" : "Select it to copy");
    if (isCopied) announce(`Copied the ${what}`);
    setTimeout(() => setDone(""), 2000);
  };
  return (
    <button class="btn" type="button" onClick={() => void copy()} aria-label={`Copy the ${what}`}>
      <Icon name={done === "Copied" ? "check" : "copy"} />
      {done || "Copy"}
    </button>
  );
}
