/** What the document page does: follows the address, and changes it when somebody goes elsewhere. */

import { computed, signal } from "@preact/signals";

import { lastLooked, looked } from "../compare/looked";
import { announce } from "../state/announce";
import { at as addressOf, setQuery } from "../state/location";
import type { Told } from "../state/stream";
import { toast } from "../state/toasts";
import { zone } from "../state/zone";
import type { Bar, Span } from "../time/bars";
import { moment as said } from "../time/clock";
import type { Moment } from "../time/moments";
import { HistoryState } from "./historystate";
import { pattern, pointer } from "./paths";
import { Player } from "./player";
import { search } from "./reader";
import type { Source } from "./requests";
import * as ask from "./requests";
import { SinceLoader } from "./since";
import type { Show } from "./treemodel";
import { DocumentView } from "./view";

const REPLACE_MS = 100;
const SEARCH_MS = 60;
const NEWS_MS = 300;

export class PageModel {
  readonly zone = zone;
  readonly view: DocumentView;
  readonly player: Player;
  readonly history: HistoryState;
  readonly since: SinceLoader;
  readonly noisy = signal<ReadonlySet<string>>(new Set());
  readonly ignored = signal<readonly string[]>([]);
  /** The pattern that is about to be ignored. */
  readonly ignoring = signal<string | null>(null);
  /** Two marked moments. */
  readonly range = signal<Span | null>(null);
  readonly marks = { a: signal<number | null>(null), b: signal<number | null>(null) };
  /** The newest version that this browser had seen before this visit, by its time. */
  readonly looked: string | null;
  readonly whole = computed<Span>(() => this.view.line.value?.whole ?? { fromMs: 0, toMs: Date.now() });
  readonly span = computed<Span>(() => this.view.zoom.value ?? this.whole.value);
  private asked: string | null | undefined;
  private askedRange: string | null = null;
  private askedPath: string | null = null;
  private wantedPath: string | null = null;
  private steps = 0;
  private replaceTimer: ReturnType<typeof setTimeout> | undefined;
  private newsTimer: ReturnType<typeof setTimeout> | undefined;
  private beginTimer: ReturnType<typeof setTimeout> | undefined;
  private searchTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly source: Source) {
    this.looked = lastLooked(source.project, source.endpoint);
    this.view = new DocumentView(source);
    this.player = new Player(
      this.view,
      (moment, dragging) => this.go(moment, dragging),
      () => this.settle(),
    );
    this.history = new HistoryState(source, () => this.whole.peek());
    this.since = new SinceLoader({
      blame: (snapshot, path, left) => ask.blame(source, snapshot, path, left),
      values: async (path, left) => (await ask.historyOf(source, path, left)).values,
    });
  }

  get tree() {
    return this.view.tree;
  }

  begin(): void {
    const { signal: left } = this.view;
    const quiet = (): void => undefined; // what stands beside the document may be missing; the document itself is not quiet
    void this.view.loadLine().then(() => this.remember(), quiet);
    ask.noisyFields(this.source, left).then((fields) => (this.noisy.value = fields), quiet);
    ask.endpointOf(this.source, left).then((endpoint) => (this.ignored.value = endpoint.diff.ignore), quiet);
  }

  /** What is there now has been seen: the line shows all of it, whatever moment is looked at. */
  private remember(): void {
    const newest = this.view.line.peek()?.whole?.toMs;
    const { project, endpoint } = this.source;
    if (newest !== undefined) looked(project, endpoint, new Date(newest).toISOString());
  }

  leave(): void {
    this.player.stop();
    this.since.stop();
    this.history.close();
    clearTimeout(this.replaceTimer);
    clearTimeout(this.searchTimer);
    clearTimeout(this.newsTimer);
    clearTimeout(this.beginTimer);
    this.view.leave();
  }

  /** Something was stored or compared: the line grows, and who follows the latest version goes along. */
  heard({ event, data }: Told): void {
    const { endpoint, delta } = (data ?? {}) as { endpoint?: { name: string; id: string }; delta?: { id: string } };
    const { endpoint: own } = this.source;
    if (event !== "gap" && endpoint?.name !== own && endpoint?.id !== own) return;
    if (event === "delta.created" && delta) void this.view.changed(delta.id);
    this.newsTimer ??= setTimeout(() => void this.catchUp(), NEWS_MS);
  }

  /** The stream has begun. The first version may have come before that and after the page had asked. */
  begun(): void {
    clearTimeout(this.beginTimer);
    this.beginTimer = setTimeout(() => this.view.version.peek() === null && void this.catchUp(), NEWS_MS);
  }

  private async catchUp(): Promise<void> {
    this.newsTimer = undefined;
    try {
      await this.view.loadLine();
      this.remember();
      if (!this.view.isPinned.peek()) await this.view.again();
    } catch {
      // The next news, or the reader's own step, asks again.
    }
  }

  /** The address says what is shown. */
  follow(query: URLSearchParams): void {
    const show = query.get("show");
    this.tree.show.value = show === "changed" || show === "text" ? show : "all";
    this.zoomAs(query.get("range"));
    this.find(query.get("find") ?? "", false);
    const at = query.get("at");
    const path = query.get("path");
    if (path !== this.askedPath) this.wantedPath = path; // the focus stays where somebody took it since
    this.askedPath = path;
    if (at !== this.asked) {
      this.asked = at;
      void this.view.show(momentOf(at)).then(() => this.restore(query));
    } else this.restore(query);
  }

  private zoomAs(range: string | null): void {
    if (range === this.askedRange) return;
    this.askedRange = range;
    this.view.zoom.value = spanOf(range);
    void this.view.loadDetail();
  }

  /** Focuses the path of the address, once its document is there. */
  private restore(query: URLSearchParams): void {
    const path = query.get("path");
    const opened = this.tree.opened.peek();
    if (path === null || !opened) return;
    const node = this.wantedPath === null ? -1 : opened.places.resolve(this.wantedPath);
    if (node >= 0) {
      this.wantedPath = null;
      if (this.tree.path() !== path) this.tree.reveal(node);
    }
    if (query.get("panel") === "history") void this.history.open(path);
    else this.history.close();
  }

  /** Goes to a moment: an entry in the browser's history for each, but for what is dragged or played through. */
  async go(moment: Moment, dragging = false): Promise<void> {
    const step = ++this.steps;
    await this.view.show(moment);
    if (step !== this.steps) return; // passed before it was shown: the one that followed makes the entry
    const version = this.view.version.peek();
    const at = moment.kind === "latest" ? null : version ? new Date(version.ms).toISOString() : this.asked;
    this.asked = at ?? null;
    clearTimeout(this.replaceTimer);
    if (dragging) this.replaceTimer = setTimeout(() => setQuery({ at }, { replace: true }), REPLACE_MS);
    else setQuery({ at });
    if (!this.player.playing.peek()) this.say();
  }

  goTo(ms: number, dragging = false): void {
    void this.go({ kind: "time", ms }, dragging);
  }

  /** The moment that playing has come to becomes an entry. */
  private settle(): void {
    const version = this.view.version.peek();
    if (version && this.asked !== null) setQuery({ at: new Date(version.ms).toISOString() });
    this.say();
  }

  private say(): void {
    announce(this.spoken());
  }

  spoken(): string {
    const version = this.view.version.value;
    const place = this.view.place.value;
    const counts = this.tree.opened.value?.marks.counts.get(0);
    if (!version) return "";
    const changes = counts ? counts.added + counts.removed + counts.changed + counts.moved : 0;
    const number = place ? `, version ${place.number} of ${place.of}` : "";
    return `${said(version.ms, this.zone.value)}${number}, ${changes} change${changes === 1 ? "" : "s"}`;
  }

  showAs(show: Show): void {
    setQuery({ show: show === "all" ? null : show });
  }

  zoomTo(span: Span | null): void {
    setQuery(
      { range: span ? `${new Date(span.fromMs).toISOString()}..${new Date(span.toMs).toISOString()}` : null },
      { replace: true },
    );
  }

  /** Searches as somebody types; the address follows once they rest. */
  find(text: string, typed = true): void {
    if (text === this.tree.query.peek() && (this.tree.hits.peek() !== null || text === "")) return;
    this.tree.query.value = text;
    clearTimeout(this.searchTimer);
    if (text === "") this.tree.hits.value = null;
    this.searchTimer = setTimeout(() => void this.search(text, typed), typed ? SEARCH_MS : 0);
  }

  private async search(text: string, typed: boolean): Promise<void> {
    if (typed) setQuery({ find: text }, { replace: true });
    const opened = this.tree.opened.peek();
    if (!opened || text === "") return;
    const hits = await search(opened.id, text).catch(() => null);
    if (this.tree.query.peek() !== text || this.tree.opened.peek()?.id !== opened.id || !hits) return;
    this.tree.hits.value = hits;
    if (typed && hits.nodes.length > 0) this.tree.hit(1);
  }

  /** What was found is another version's. */
  searchAgain(): void {
    const text = this.tree.query.peek();
    if (text !== "") void this.search(text, false);
  }

  openHistory(row: number): void {
    const path = this.tree.path(row);
    if (path === null) return;
    this.tree.go(row, this.tree.cell.peek());
    setQuery({ path, panel: "history" });
  }

  /** Of a place in a document that the browser does not have. */
  historyAt(path: string): void {
    setQuery({ path, panel: "history" });
    void this.history.open(path);
  }

  closeHistory(): void {
    setQuery({ panel: null });
    this.history.close();
  }

  askToIgnore(pattern: string | null): void {
    this.ignoring.value = pattern;
  }

  toggleWhole(row: number): void {
    const { whole } = this.tree;
    whole.value = whole.peek() === row ? -1 : row;
  }

  /** Escape closes what lies on top. */
  closeTop(): void {
    if (this.tree.whole.peek() >= 0) this.tree.whole.value = -1;
    else this.closeHistory();
  }

  /** The field pattern of a row, for what concerns all records. */
  pattern(row = this.tree.focus.peek()): string | null {
    const opened = this.tree.opened.peek();
    const node = this.tree.node(row);
    return opened && node > 0 ? pattern(opened.doc, node) : null;
  }

  pointer(row = this.tree.focus.peek()): string | null {
    const opened = this.tree.opened.peek();
    const node = this.tree.node(row);
    return opened && node >= 0 ? pointer(opened.doc, node) : null;
  }

  async ignore(pattern: string): Promise<void> {
    const before = this.ignored.peek();
    await this.setIgnored([...before, pattern]);
    this.ignoring.value = null;
    toast(`${pattern} is ignored`, { name: "Undo", run: () => this.setIgnored(before) });
  }

  async setIgnored(ignore: readonly string[]): Promise<void> {
    const endpoint = await ask.saveIgnored(this.source, [...ignore]);
    this.ignored.value = endpoint.diff.ignore;
    this.view.forgetChanges();
    await Promise.all([this.view.loadLine(), this.view.again()]);
  }

  numberOf(id: string): number | null {
    const line = this.view.line.value;
    if (!line || line.bucketMs !== null) return null;
    const at = line.bars.findIndex((bar: Bar) => bar.id === id);
    return at < 0 ? null : at + 1;
  }

  timeOf(id: string): string {
    const bar = this.view.line.peek()?.bars.find((each) => each.id === id);
    return bar ? said(bar.ms, this.zone.peek()) : id;
  }

  link(section: string, query: Record<string, string | null>): string {
    const asked = new URLSearchParams(
      Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== null),
    );
    const text = asked.toString();
    return (
      addressOf("p", this.source.project, "e", this.source.endpoint, ...(section ? [section] : [])) +
      (text ? `?${text}` : "")
    );
  }

  /** The marked moments, or the version before and this one. */
  compareLink(): string {
    const iso = (ms: number | null | undefined): string | null => (ms == null ? null : new Date(ms).toISOString());
    const { a, b } = this.marks;
    const previous = this.view.place.value?.previous ?? null;
    return this.link("compare", { a: iso(a.value) ?? previous, b: iso(b.value) ?? iso(this.view.version.value?.ms) });
  }

  readonly size = (bytes: number): string => {
    const units = ["B", "kB", "MB", "GB"];
    const power = bytes < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
    return `${(bytes / 1000 ** power).toLocaleString(undefined, { maximumFractionDigits: power === 0 ? 0 : 1 })} ${units[power]}`;
  };
}

function momentOf(at: string | null): Moment {
  if (at === null) return { kind: "latest" };
  const ms = Date.parse(at);
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(at)) return { kind: "snapshot", id: at };
  return Number.isNaN(ms) ? { kind: "latest" } : { kind: "time", ms };
}

function spanOf(range: string | null): Span | null {
  const [fromMs, toMs] = (range ?? "").split("..").map((text) => Date.parse(text)) as [number, number];
  return fromMs < toMs ? { fromMs, toMs } : null;
}
