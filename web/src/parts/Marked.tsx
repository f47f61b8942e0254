import type { VNode } from "preact";

import type { Piece } from "../compare/words.ts";

/** A text in pieces, with what was removed and added in it marked. */
export function Marked({ pieces }: { pieces: readonly Piece[] }): VNode {
  return (
    <>
      {pieces.map(({ sign, text }, i) => {
        if (sign === "-") return <del key={i}>{text}</del>;
        return sign === "+" ? <ins key={i}>{text}</ins> : text;
      })}
    </>
  );
}
