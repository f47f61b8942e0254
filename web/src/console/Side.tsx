import { useState } from "preact/hooks";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { useLoad } from "../state/load.ts";
import type { Column } from "./drawing.ts";
import { describeView } from "./schema.ts";

interface ViewsProps {
  project: string;
  views: readonly string[];
  /** A column's or view's name goes to where the editor stands. */
  insert: (name: string) => void;
  learned: (view: string, columns: readonly Column[]) => void;
}

/** Views, each of which opens to its columns. */
export function Views({ project, views, insert, learned }: ViewsProps) {
  const [open, setOpen] = useState<string | null>(null);
  return (
    <ul class="views">
      {views.map((view) => (
        <li key={view}>
          <button
            class="view"
            type="button"
            aria-expanded={open === view}
            onClick={() => setOpen(open === view ? null : view)}
          >
            {view}
          </button>
          {open === view ? <Columns project={project} view={view} insert={insert} learned={learned} /> : null}
        </li>
      ))}
    </ul>
  );
}

function Columns({ project, view, insert, learned }: Omit<ViewsProps, "views"> & { view: string }) {
  const columns = useLoad(
    async (signal) => {
      const found = await describeView(project, view, signal);
      learned(view, found);
      return found;
    },
    [project, view],
  );
  if (columns.error) return <Failure tried="Loading the columns" error={columns.error} retry={columns.again} />;
  if (!columns.data) return <Loading />;
  return (
    <ul>
      {columns.data.map(({ name, type }) => (
        <li key={name}>
          <button type="button" title={`Insert ${name}`} onClick={() => insert(name)}>
            <code>{name}</code>
            <small>{type.toLowerCase()}</small>
          </button>
        </li>
      ))}
    </ul>
  );
}

interface OwnProps {
  texts: readonly string[];
  open: (text: string) => void;
  clear: () => void;
}

/** The reader's own statements. */
export function Own({ texts, open, clear }: OwnProps) {
  if (texts.length === 0) return <p class="said">What you run is listed here, in this browser alone.</p>;
  return (
    <>
      <ul class="own">
        {texts.map((text) => (
          <li key={text}>
            <button type="button" title={text} onClick={() => open(text)}>
              <code>{text.trim().replace(/\s+/g, " ").slice(0, 120)}</code>
            </button>
          </li>
        ))}
      </ul>
      <button class="btn ghost" type="button" onClick={clear}>
        Forget them
      </button>
    </>
  );
}
