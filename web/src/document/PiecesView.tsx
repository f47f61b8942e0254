// biome-ignore-all lint/a11y/useFocusableInteractive: rows are walked by their buttons
// biome-ignore-all lint/a11y/useSemanticElements: rows within rows, which no table has
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";

import { Failure } from "../parts/Failure";
import { Icon } from "../parts/Icon";
import { Loading } from "../parts/Loading";
import { useLoad } from "../state/load";
import type { PageModel } from "./pagemodel";
import { parted } from "./paths";
import { findIn, levelOf, type Piece } from "./pieces";
import type { Source, Version } from "./requests";

export interface PiecesProps {
  model: PageModel;
  version: Version;
  label: string;
}

const STEP = 200;

/** A document too large for the browser: level by level as somebody opens it, searched by the server. */
export function PiecesView({ model, version, label }: PiecesProps): VNode {
  const [root, setRoot] = useState("");
  const query = model.tree.query.value;
  const { source } = model;
  return (
    <div class="tree pieces" role="treegrid" aria-label={label}>
      <p class="quiet">
        {version.bytes === null ? "This document" : model.size(version.bytes)}: it comes by pieces, and the server
        searches it.
        {root !== "" && (
          <>
            {" "}
            <button class="newer" type="button" onClick={() => setRoot("")}>
              The whole document
            </button>{" "}
            <code>{root}</code>
          </>
        )}
      </p>
      {query !== "" && (
        <Hits source={source} id={version.id} query={query} onGo={(path) => setRoot(parted(path).above)} />
      )}
      <Level
        key={`${version.id} ${root}`}
        source={source}
        id={version.id}
        path={root}
        depth={0}
        onHistory={(path) => model.historyAt(path)}
      />
    </div>
  );
}

interface LevelProps {
  source: Source;
  id: string;
  path: string;
  depth: number;
  onHistory: (path: string) => void;
}

function Level({ source, id, path, depth, onHistory }: LevelProps): VNode {
  const [rows, setRows] = useState<Piece[]>([]);
  const [wanted, setWanted] = useState(0);
  const { data, error, again } = useLoad(
    (signal) => levelOf(source, id, path, wanted, STEP, signal),
    [id, path, wanted],
  );
  useEffect(() => {
    if (data && data.start === rows.length) setRows([...rows, ...data.rows]);
  }, [data, rows]);
  if (error) return <Failure tried="Reading this level" error={error} retry={again} />;
  if (!data && rows.length === 0) return <Loading />;
  return (
    <>
      {rows.map((row) => (
        <Row
          key={String(row.key)}
          row={row}
          source={source}
          id={id}
          path={row.path}
          depth={depth}
          onHistory={onHistory}
        />
      ))}
      {data && rows.length < data.of && (
        <button class="btn ghost more" type="button" onClick={() => setWanted(rows.length)}>
          {Math.min(STEP, data.of - rows.length).toLocaleString()} more of {data.of.toLocaleString()}
        </button>
      )}
    </>
  );
}

const MARKS = { add: ["added", "+"], replace: ["changed", "~"], inside: ["changed", "~"] } as const;

function Row({ row, ...level }: LevelProps & { row: Piece }): VNode {
  const [open, setOpen] = useState(false);
  const [state, glyph] = row.marks.op ? MARKS[row.marks.op] : ["", ""];
  return (
    <>
      <div
        role="row"
        class={`row ${row.marks.op === "inside" ? "" : state}`}
        aria-level={level.depth + 1}
        aria-expanded={row.members === null ? undefined : open}
      >
        <span class={`g ${state}`}>
          <i aria-hidden="true">{glyph}</i>
          <span class="sr">{state}</span>
        </span>
        <span role="gridcell" class="kv" style={{ paddingLeft: `calc(var(--indent) * ${Math.min(24, level.depth)})` }}>
          {row.members === null ? (
            <span class="tw" />
          ) : (
            <button class="tw" type="button" aria-label={open ? "Collapse" : "Expand"} onClick={() => setOpen(!open)}>
              <Icon name={open ? "down" : "right"} />
            </button>
          )}
          <span class={typeof row.key === "number" ? "ix" : "k"}>{row.key}</span>
          {row.label !== null && <span class="label">{row.label}</span>}
          {row.members !== null && (
            <span class="meta">
              {row.members.toLocaleString()} {row.kind === "array" ? "elements" : "members"}
            </span>
          )}
          {row.text !== null && (
            <span class={`v ${row.kind === "string" ? "str" : row.kind === "number" ? "num" : "lit"}`}>{row.text}</span>
          )}
          {row.marks.old !== undefined && (
            <span class="was">
              was{" "}
              <s>
                <del>{row.marks.old}</del>
              </s>
            </span>
          )}
        </span>
        <span role="gridcell">
          {row.members === null && (
            <button class="hist" type="button" onClick={() => level.onHistory(row.path)}>
              History
            </button>
          )}
        </span>
      </div>
      {open && <Level {...level} depth={level.depth + 1} />}
    </>
  );
}

function Hits({
  source,
  id,
  query,
  onGo,
}: {
  source: Source;
  id: string;
  query: string;
  onGo: (path: string) => void;
}): VNode {
  const { data, error, again } = useLoad((signal) => findIn(source, id, query, signal), [id, query]);
  if (error) return <Failure tried="Searching" error={error} retry={again} />;
  if (!data) return <Loading label="Searching" />;
  return (
    <ul class="hits" aria-label="Found">
      <li class="quiet">{data.of.toLocaleString()} found</li>
      {data.rows.map((hit) => (
        <li key={hit.pointer}>
          <button type="button" onClick={() => onGo(hit.path)}>
            <code>{hit.path}</code> {hit.label ?? hit.text}
          </button>
        </li>
      ))}
    </ul>
  );
}
