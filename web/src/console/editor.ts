/** The editor of SQL: CodeMirror, in a shadow root, for there its styles are sheets and no element that the policy refuses. */

import {
  autocompletion,
  type Completion,
  closeBrackets,
  closeBracketsKeymap,
  completeFromList,
  completionKeymap,
  completionStatus,
  startCompletion,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { PostgreSQL, sql } from "@codemirror/lang-sql";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, Prec, StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, drawSelection, EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { Place } from "./place.ts";

/** The columns of each view. */
export type Schema = Readonly<Record<string, readonly Completion[]>>;

export interface Editor {
  text: () => string;
  setText: (text: string) => void;
  insert: (text: string) => void;
  /** Views and their columns, as far as they are known. */
  setSchema: (schema: Schema) => void;
  /** Marks a place with what is wrong there; null takes the mark away. */
  mark: (place: Place | null, message: string) => void;
  close: () => void;
}

interface Wanted {
  text: string;
  onChange: (text: string) => void;
  onRun: () => void;
}

const LOOK = EditorView.theme({
  "&": {
    color: "var(--ink)",
    backgroundColor: "var(--surface)",
    fontSize: "13px",
    minHeight: "150px",
    maxHeight: "46vh",
  },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", overflow: "auto" },
  ".cm-content": { caretColor: "var(--ink)", padding: "10px 0", minHeight: "150px" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--ink-3)", border: "0" },
  ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": { background: "var(--selected) !important" },
  ".cm-tooltip": { background: "var(--surface)", border: "1px solid var(--line-strong)", color: "var(--ink)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { background: "var(--ink)", color: "var(--ink-inverse)" },
  ".cm-completionDetail": { color: "inherit" },
  ".wrong": { borderBottom: "2px solid var(--danger)", background: "var(--removed-ground)" },
});

const WORDS = HighlightStyle.define([
  { tag: tags.keyword, fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--added)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--changed)" },
  { tag: tags.comment, color: "var(--ink-3)", fontStyle: "italic" },
]);

const marked = StateEffect.define<(Place & { message: string }) | null>();

/** What is wrong, until the text is changed there. */
const WRONG = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (before, change) => {
    let now = before.map(change.changes);
    for (const effect of change.effects) {
      if (!effect.is(marked)) continue;
      const { from, to, message } = effect.value ?? { from: 0, to: 0, message: "" };
      now =
        to > from
          ? Decoration.set(Decoration.mark({ class: "wrong", attributes: { title: message } }).range(from, to))
          : Decoration.none;
    }
    return now;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** Chromium, left to replace a selection, gives the new text the old one's look as an inline style, which the policy refuses. */
const REPLACING = EditorView.domEventHandlers({
  beforeinput: (event, view) => {
    if (event.inputType !== "insertText" || !event.data || event.isComposing || view.state.selection.main.empty)
      return false;
    event.preventDefault();
    view.dispatch(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
    return true;
  },
});

/** Columns that stand alone, which the language completes behind the name of a view only. */
function alone(schema: Schema) {
  const columns = new Map(Object.values(schema).flatMap((each) => each.map((column) => [column.label, column])));
  return PostgreSQL.language.data.of({ autocomplete: completeFromList([...columns.values()]) });
}

export function openEditor(host: HTMLElement, wanted: Wanted): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const language = new Compartment();
  const run = () => {
    wanted.onRun();
    return true;
  };
  let isTyping = false;
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: wanted.text,
      extensions: [
        Prec.highest(keymap.of([{ key: "Mod-Enter", run }])),
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap]),
        lineNumbers(),
        history(),
        drawSelection(),
        bracketMatching(),
        closeBrackets(),
        autocompletion({ icons: false }),
        language.of(sql({ dialect: PostgreSQL })),
        WRONG,
        REPLACING,
        syntaxHighlighting(WORDS),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": "SQL", spellcheck: "false", autocapitalize: "off" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) wanted.onChange(update.state.doc.toString());
          if (update.docChanged || update.selectionSet)
            isTyping = update.transactions.some((each) => each.isUserEvent("input.type"));
        }),
        LOOK,
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    setText: (text) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }),
    insert: (text) => {
      view.dispatch(view.state.replaceSelection(text));
      view.focus();
    },
    setSchema: (schema) => {
      view.dispatch({ effects: language.reconfigure([sql({ dialect: PostgreSQL, schema }), alone(schema)]) });
      const { head } = view.state.selection.main;
      const isWord = isTyping && /\w/.test(view.state.sliceDoc(Math.max(0, head - 1), head));
      if (isWord && completionStatus(view.state) === null) startCompletion(view); // typed before its columns came
    },
    mark: (place, message) => {
      const fits = place !== null && place.to > place.from && place.to <= view.state.doc.length;
      view.dispatch({ effects: marked.of(fits ? { ...place, message } : null) });
    },
    close: () => view.destroy(),
  };
}
