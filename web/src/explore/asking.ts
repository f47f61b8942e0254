/** The explorer's requests, and what their answers are made into. */

import { get, post, type Schemas } from "../api.ts";
import type { Span } from "../time/bars.ts";
import { AGES, type Question, type Value } from "./question.ts";
import { type Found, fieldsOf, filtersOf, numberOf, oneOf, type Row } from "./rows.ts";

export type Meta = Schemas["Meta"];

export interface Answered {
  rows: readonly Row[];
  meta: Meta;
}

type Sent = Schemas["AggregateRequest"];
/** So many groups come with their values; what is behind them is counted as others. */
export const MOST_GROUPS = 500;
const TILE_GROUPS = 100;
/** Fields beside the chart, and the values of each. */
const MOST_FIELDS = 10;
const TOP = 5;
/** Events that are looked at to find out which fields there are. */
const SAMPLE = 100;
/** A text that is longer is no value to choose by. */
const LONGEST = 200;

export async function ask(project: string, body: Sent, signal: AbortSignal): Promise<Answered> {
  const { rows, meta } = await post("/v1/query", { in: project, body, signal });
  return { rows: rows as readonly Row[], meta };
}

function base(question: Question): Sent {
  return {
    metrics: [...question.metrics],
    range: rangeOf(question.span),
    timezone: question.zone,
    filters: filtersOf(question.where) as unknown[],
  };
}

function rangeOf(span: Span): string[] {
  return [span.fromMs, span.toMs].map((ms) => new Date(ms).toISOString());
}

const compared = (question: Question) => (question.isCompared ? { compare: "previous" as const } : {});

/** The question as the server runs it for who saved it: of the newest days, where the range is one of those. */
export function specOf(question: Question): Sent {
  const { by, draw, each, range, metrics } = question;
  const asked = { ...base(question), ...compared(question), ...(range === null ? {} : { range: AGES[range] }) };
  if (draw === "number") return asked;
  if (by !== null) return { ...asked, groupBy: [by], orderBy: [[metrics[0], "desc"]], limit: TILE_GROUPS };
  return { ...asked, groupBy: [`time:${each}`], fill: "zero", limit: 10_000 };
}

/** All of the range as one row, with the range before where it is compared. */
export function askTotal(project: string, question: Question, signal: AbortSignal): Promise<Answered> {
  return ask(project, { ...base(question), ...compared(question) }, signal);
}

/** A row for each bucket. */
export function askSeries(project: string, question: Question, signal: AbortSignal): Promise<Answered> {
  const body = { ...base(question), groupBy: [`time:${question.each}`], fill: "zero" as const, limit: 10_000 };
  return ask(project, { ...body, ...compared(question) }, signal);
}

/** A row for each value of what it is broken down by, most first. */
export function askGroups(project: string, question: Question, signal: AbortSignal): Promise<Answered> {
  const order = [[question.metrics[0], "desc"]];
  const body = { ...base(question), groupBy: [question.by], orderBy: order, limit: MOST_GROUPS };
  return ask(project, { ...body, ...compared(question) }, signal);
}

/** A row for each bucket and each of some values. */
export function askLines(
  project: string,
  question: Question,
  values: readonly (Value | null)[],
  signal: AbortSignal,
): Promise<Answered> {
  const by = question.by as string;
  const asked = base(question);
  const filters = [...(asked.filters ?? []), oneOf(by, values)];
  const body = { ...asked, metrics: [question.metrics[0]], filters, groupBy: [`time:${question.each}`, by] };
  return ask(project, { ...body, limit: 10_000 }, signal);
}

export interface FieldValues {
  field: string;
  values: readonly { value: Value | null; count: number; share: number }[];
}

/** The values that each field has most often within a stretch. */
export async function askTop(
  project: string,
  question: Question,
  within: { span: Span; fields: readonly string[]; total: number },
  signal: AbortSignal,
): Promise<FieldValues[]> {
  const metric = question.metrics[0] as string;
  const found = await Promise.all(
    within.fields.slice(0, MOST_FIELDS).map(async (field) => {
      const body = { ...base({ ...question, span: within.span }), metrics: [metric], groupBy: [field] };
      const { rows } = await ask(project, { ...body, orderBy: [[metric, "desc"]], limit: TOP }, signal);
      const values = rows.map((row) => {
        const count = numberOf(row, metric) ?? 0;
        return { value: row[field] as Value | null, count, share: within.total > 0 ? count / within.total : 0 };
      });
      return { field, values: values.filter(({ value }) => typeof value !== "string" || value.length <= LONGEST) };
    }),
  );
  return found.filter(({ values }) => values.some(({ value }) => value !== null));
}

export function askEvents(
  project: string,
  question: Pick<Question, "where" | "zone">,
  asked: { span?: Span; limit: number; cursor?: string | undefined },
  signal: AbortSignal,
) {
  const [startTime, endTime] = asked.span ? rangeOf(asked.span) : [];
  const where = question.where.length > 0 ? { where: JSON.stringify(filtersOf(question.where)) } : {};
  const times = startTime && endTime ? { startTime, endTime } : {};
  const cursor = asked.cursor ? { cursor: asked.cursor } : {};
  return get("/v1/events/raw", { in: project, query: { limit: asked.limit, ...times, ...where, ...cursor }, signal });
}

/** Fields that the newest events of a stretch have, those of most of them first. */
export async function findFields(project: string, question: Question, signal: AbortSignal): Promise<Found> {
  const { data } = await askEvents(project, question, { span: question.span, limit: SAMPLE }, signal);
  return fieldsOf(data);
}
