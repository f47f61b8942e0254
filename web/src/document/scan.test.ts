import { describe, expect, it } from "vitest";

import { memberName, rawText } from "./nodes";
import { BrokenText, Kind, type Scan, scan } from "./scan";

const encoder = new TextEncoder();

export function scanned(text: string): Scan {
  return scan(encoder.encode(text));
}

/** The document again, from the arrays alone: what JSON.parse makes of the text, of double names the last. */
function rebuilt(doc: Scan, node = 0): unknown {
  const below = (): number[] => {
    const found = [];
    for (let child = node + 1; child < (doc.next[node] as number); child = doc.next[child] as number) found.push(child);
    return found;
  };
  if (doc.kind[node] === Kind.List) return below().map((child) => rebuilt(doc, child));
  if (doc.kind[node] === Kind.Map)
    return Object.fromEntries(below().map((child) => [memberName(doc, child), rebuilt(doc, child)]));
  return JSON.parse(rawText(doc, node));
}

/** A generator with a seed, so that a text that fails fails again. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function anyValue(random: () => number, depth = 0): string {
  const pick = Math.floor(random() * (depth > 3 ? 5 : 8));
  const space = random() < 0.2 ? " \n\t" : "";
  const many = Array.from({ length: Math.floor(random() * 4) });
  if (pick === 0) return `${space}null`;
  if (pick === 1) return random() < 0.5 ? "true" : `false${space}`;
  if (pick === 2)
    return `${space}${Math.floor(random() * 1e6) - 5e5}${random() < 0.5 ? ".50" : ""}${random() < 0.3 ? "E+2" : ""}`;
  if (pick <= 4) return anyText(random);
  if (pick === 5) return `[${space}${many.map(() => anyValue(random, depth + 1)).join(`${space},`)}${space}]`;
  return `{${space}${many.map(() => `${anyText(random)}${space}:${anyValue(random, depth + 1)}`).join(",")}${space}}`;
}

function anyText(random: () => number): string {
  const parts = ["a", "~", "/", "\\u00e9", "\\ud83d", "é", "😀", '\\"', "\\\\", "\\n", "[x=1]", " "];
  return `"${Array.from({ length: Math.floor(random() * 6) }, () => parts[Math.floor(random() * parts.length)]).join("")}"`;
}

describe("scan", () => {
  it("finds in any text what JSON.parse finds", () => {
    const random = chance(7);
    for (let round = 0; round < 500; round += 1) {
      const text = anyValue(random);
      expect(rebuilt(scanned(text)), text).toEqual(JSON.parse(text));
    }
  });

  it("takes and refuses what JSON.parse takes and refuses, whatever is broken off, doubled or swapped", () => {
    const random = chance(11);
    const letters = [...'{}[],:"\\ 0-+.eE1tfnu\n'];
    for (let round = 0; round < 1500; round += 1) {
      const text = anyValue(random);
      const at = Math.floor(random() * (text.length + 1));
      const put = random() < 0.5 ? "" : (letters[Math.floor(random() * letters.length)] as string);
      const hurt = text.slice(0, at) + put + text.slice(at + Math.floor(random() * 3));
      let taken = true;
      try {
        JSON.parse(hurt);
      } catch {
        taken = false;
      }
      if (taken) scanned(hurt);
      else expect(() => scanned(hurt), hurt).toThrow(BrokenText);
    }
  });

  it.each([
    "",
    " ",
    "[1,]",
    "[,1]",
    '{"a":1,}',
    '{"a"}',
    "{a:1}",
    "01",
    "1.",
    ".5",
    "-",
    "+1",
    "1e",
    "tru",
    "nul",
    "[1 2]",
    '"\\x"',
    '"\\u12g4"',
    '"a\nb"',
    '"a',
    "[",
    "]",
    "{]",
    "[}",
    "1 1",
    "NaN",
    "Infinity",
    "\u00a01",
  ])("refuses %j", (text) => {
    expect(() => scanned(text)).toThrow(BrokenText);
  });

  it("keeps numbers as they are written", () => {
    const doc = scanned('{"a":12345678901234567890123,"b":1.50,"c":1e400,"d":-0.0}');
    expect([1, 2, 3, 4].map((node) => rawText(doc, node))).toEqual([
      "12345678901234567890123",
      "1.50",
      "1e400",
      "-0.0",
    ]);
  });

  it("has all members of one name", () => {
    const doc = scanned('{"a":1,"a":2}');
    expect(doc.size[0]).toBe(2);
    expect([rawText(doc, 1), rawText(doc, 2)]).toEqual(["1", "2"]);
  });

  it("reads what is nested 60,000 levels deep", () => {
    const doc = scanned("[".repeat(60_000) + "]".repeat(60_000));
    expect(doc.count).toBe(60_000);
    expect(doc.depth[59_999]).toBe(59_999);
    expect(doc.next[0]).toBe(60_000);
  });

  it("reads 5 MB into as many nodes as there are values, far below a second", () => {
    const one = '{"id":"u1","place":"61 km NNE of Eloúnda","mag":6.25,"at":[25.8577,35.8112,64],"felt":null}';
    const text = `[${Array.from({ length: 56_000 }, () => one).join(",")}]`;
    const bytes = encoder.encode(text);
    expect(bytes.length).toBeGreaterThan(5e6);
    expect(scan(bytes).count).toBe(1 + 56_000 * 9);
  });
});
