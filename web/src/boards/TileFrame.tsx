import type { ComponentChildren } from "preact";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { Loaded } from "../state/load.ts";
import { AnswerView } from "./AnswerView.tsx";
import type { Placed, TileAnswer } from "./tiles.ts";

interface FrameProps {
  tile: Placed;
  title: string;
  answer: Loaded<TileAnswer | null>;
  /** Beside the title: what arranges it. */
  acts?: ComponentChildren;
  drag?: {
    start: () => void;
    over: (event: DragEvent) => void;
    drop: (event: DragEvent) => void;
  };
}

/** A tile with its title and what it shows. */
export function TileFrame({ tile, title, answer, acts, drag }: FrameProps) {
  return (
    <section
      class={`doc tile w${tile.width} h${tile.height}`}
      aria-label={title}
      {...(drag ? { onDragOver: drag.over, onDrop: drag.drop } : {})}
    >
      <div class="bar" {...(drag ? { draggable: true, onDragStart: drag.start } : {})}>
        <h2>{title}</h2>
        <span class="grow" />
        {acts}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long ones scroll */}
      <section class="tree tile-body" tabIndex={0} aria-label={`What ${title} shows`}>
        {answer.error ? <Failure tried="Running it" error={answer.error} retry={answer.again} /> : null}
        {answer.data === undefined && !answer.error ? <Loading /> : null}
        {answer.data === null ? <p class="said">The saved query was deleted.</p> : null}
        {answer.data && !answer.error ? <AnswerView answer={answer.data} height={tile.height} /> : null}
      </section>
    </section>
  );
}
