// Which changes are shown: the state of the chips, as it stands in the address and in a request.

export const OPS = ["add", "remove", "replace", "move"] as const;
export type Op = (typeof OPS)[number];

/** `ops` empty: all kinds; `fields` empty: all fields. */
export interface Filter {
  ops: readonly Op[];
  fields: readonly string[];
  find: string;
}

export const EVERYTHING: Filter = { ops: [], fields: [], find: "" };

export function isFiltered(filter: Filter): boolean {
  return filter.ops.length > 0 || filter.fields.length > 0 || filter.find !== "";
}

export function filterOf(query: URLSearchParams): Filter {
  const named = (query.get("ops") ?? "").split(",");
  return {
    ops: whole(OPS.filter((op) => named.includes(op))),
    fields: [...new Set(query.getAll("field").filter((field) => field !== ""))],
    find: query.get("find") ?? "",
  };
}

/** Sets the filter in an address; what shows everything stays out. */
export function setFilter(query: URLSearchParams, filter: Filter): void {
  for (const name of ["ops", "field", "find"]) query.delete(name);
  if (filter.ops.length > 0) query.set("ops", filter.ops.join(","));
  for (const field of filter.fields) query.append("field", field);
  if (filter.find !== "") query.set("find", filter.find);
}

export function showsOp(filter: Filter, op: Op): boolean {
  return filter.ops.length === 0 || filter.ops.includes(op);
}

/** A click on a kind's chip hides or shows it; the last one shown cannot be hidden: then all are shown. `only`: this
 * kind and no other, or all again. `present` are the kinds that there are. */
export function toggleOp(filter: Filter, op: Op, present: readonly Op[], only: boolean): Filter {
  const shown = OPS.filter((own) => showsOp(filter, own));
  if (only) {
    const alone = present.every((own) => own === op || !shown.includes(own)) && shown.includes(op);
    return { ...filter, ops: alone ? [] : [op] };
  }
  const next = shown.includes(op)
    ? shown.filter((own) => own !== op)
    : OPS.filter((own) => own === op || shown.includes(own));
  return { ...filter, ops: next.some((own) => present.includes(own)) ? whole(next) : [] };
}

/** A click on a field's chip adds it to those shown, or takes it out; `only`: this field and no other. */
export function toggleField(filter: Filter, field: string, only: boolean): Filter {
  const has = filter.fields.includes(field);
  if (only) return { ...filter, fields: has && filter.fields.length === 1 ? [] : [field] };
  return { ...filter, fields: has ? filter.fields.filter((own) => own !== field) : [...filter.fields, field] };
}

function whole(ops: Op[]): Op[] {
  return ops.length === OPS.length ? [] : ops;
}
