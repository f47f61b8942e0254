/** The views that SQL sees and their columns, each asked about once a page. */

import { post } from "../api.ts";
import type { Row } from "../explore/rows.ts";
import type { Column } from "./drawing.ts";

export interface Result {
  columns: readonly Column[];
  rows: readonly Row[];
  truncated: boolean;
  meta: { rows_scanned: number; took_ms: number };
}

export async function runSql(project: string, sql: string, limit: number, signal: AbortSignal): Promise<Result> {
  const answer = await post("/v1/sql", { in: project, body: { sql, limit }, signal });
  return { ...answer, rows: answer.rows as readonly Row[] };
}

export async function listViews(project: string, signal: AbortSignal): Promise<string[]> {
  const { rows } = await runSql(project, "SHOW TABLES", 100, signal);
  return rows.map(({ name }) => String(name));
}

/** Of one of `listViews`: names without quotes. */
export async function describeView(project: string, view: string, signal: AbortSignal): Promise<Column[]> {
  const { rows } = await runSql(project, `DESCRIBE ${view}`, 1000, signal);
  return rows.map((row) => ({ name: String(row.column_name), type: String(row.column_type) }));
}

/** The views that a text names. */
export function named(text: string, views: readonly string[]): string[] {
  return views.filter((view) => new RegExp(`\\b${view}\\b`, "i").test(text));
}
