/** What can be done with a row of the tree. */

import { copied } from "../state/copying";
import { at, href } from "../state/location";
import { isContainer, rawText, unquoted } from "./nodes";
import type { PageModel } from "./pagemodel";
import type { MenuItem } from "./RowMenu";

export function rowItems(model: PageModel, row: number): MenuItem[] {
  const { tree, view } = model;
  const opened = tree.opened.peek();
  const node = tree.node(row);
  const path = tree.path(row);
  if (!opened || node < 0 || path === null) return [];
  const pattern = model.pattern(row);
  const leaf = model.since.leaf(node);
  const compare = leaf
    ? { a: leaf.previous?.snapshot_id ?? view.place.peek()?.previous ?? null, b: leaf.snapshot_id, row: path }
    : null;
  return [
    { name: "Copy the value", keys: "Y", act: () => copyValue(model, row) },
    { name: "Copy the pointer", act: () => void copied(model.pointer(row) ?? "", "The pointer is copied") },
    { name: "Copy the key path", keys: "y", act: () => void copied(path, "The key path is copied") },
    { name: "Copy as curl", act: () => void copied(curl(model, path), "The command is copied") },
    { name: "Copy a link with the time zone", act: () => void copied(linkWithZone(model, path), "The link is copied") },
    ...(isContainer(opened.doc, node) ? [] : [{ name: "History", keys: "h", act: () => model.openHistory(row) }]),
    ...(pattern ? [{ name: "Chart this field", href: href(model.link("charts", { f: path })) }] : []),
    ...(pattern ? [{ name: "Ignore this field", keys: "i", act: () => (model.ignoring.value = pattern) }] : []),
    {
      name: "Alert me about this",
      href: alertLink(model, path, isContainer(opened.doc, node) ? "" : rawText(opened.doc, node)),
    },
    ...(compare ? [{ name: "Compare from when it last changed", href: href(model.link("compare", compare)) }] : []),
  ];
}

/** A new rule about the value: of a number that it rises over what it is, of all else that it is gone. */
function alertLink({ source: { project, endpoint } }: PageModel, path: string, text: string): string {
  const value = Number(text);
  const isNumber = /^-?\d/.test(text) && Number.isFinite(value);
  const draft = isNumber
    ? { kind: "threshold", endpoint, path, op: "gt", value }
    : { kind: "disappears", endpoint, path };
  return href(`${at("p", project, "alerts")}?${new URLSearchParams({ rule: "new", draft: JSON.stringify(draft) })}`);
}

/** Texts as they read, all else as the document writes it. */
export function copyValue({ tree }: PageModel, row = tree.focus.peek()): void {
  const opened = tree.opened.peek();
  const node = tree.node(row);
  if (!opened || node < 0) return;
  const text = rawText(opened.doc, node);
  void copied(text.startsWith('"') ? unquoted(text) : text, "The value is copied");
}

/** The history of the value, as a line for a shell: in quotes, which the path may hold too. */
function curl({ source, view }: PageModel, path: string): string {
  const address = new URL(`v1/snapshots/${view.version.peek()?.id}/value`, document.baseURI);
  address.searchParams.set("path", path);
  address.searchParams.set("project_id", source.project);
  return `curl -H 'Authorization: Bearer YOUR_KEY' '${address.href.replaceAll("'", "%27")}'`;
}

function linkWithZone(model: PageModel, path: string): string {
  const { view } = model;
  const at = view.version.peek()?.ms;
  const link = model.link("", {
    at: at === undefined ? null : new Date(at).toISOString(),
    path,
    tz: model.zone.peek(),
  });
  return new URL(href(link), location.origin).href;
}
