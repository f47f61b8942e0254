// The peer of tests/bench/rows.py: jsondiffpatch, from the bytes of two versions to its HTML view of what differs.
// Usage: node html.js FILE, where FILE is that of diff.js, of two versions.
// Prints one JSON line: { "seconds": [of the pair], "bytes": of the HTML, "operations": members of the delta }.
import { readFileSync } from 'node:fs';
import { create } from 'jsondiffpatch';
import HtmlFormatter from 'jsondiffpatch/formatters/html';

const file = readFileSync(process.argv[2]);
const versions = [];
for (let at = 0; at < file.length; ) {
  const length = file.readUInt32LE(at);
  versions.push(file.subarray(at + 4, at + 4 + length));
  at += 4 + length;
}

const started = process.hrtime.bigint();
const [before, after] = versions.map((version) => JSON.parse(version.toString()));
const delta = create({ objectHash: (record) => record.id }).diff(before, after);
const html = new HtmlFormatter().format(delta, before);
const seconds = [Number(process.hrtime.bigint() - started) / 1e9];
console.log(JSON.stringify({ seconds, bytes: Buffer.byteLength(html), operations: Object.keys(delta).length - 1 }));
