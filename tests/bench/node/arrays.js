// The peer of tests/bench/diff.py for arrays: jsondiffpatch, from the bytes of two versions to its serialised delta.
// Usage: node arrays.js FILE, where FILE is that of diff.js, of two versions, each an array.
// Prints one JSON line: { "seconds": [of the pair], "bytes": of the delta, "operations": elements removed or added }.
import { readFileSync } from 'node:fs';
import { create } from 'jsondiffpatch';

const file = readFileSync(process.argv[2]);
const versions = [];
for (let at = 0; at < file.length; ) {
  const length = file.readUInt32LE(at);
  versions.push(file.subarray(at + 4, at + 4 + length));
  at += 4 + length;
}

const started = process.hrtime.bigint();
const delta = create().diff(JSON.parse(versions[0].toString()), JSON.parse(versions[1].toString()));
const text = JSON.stringify(delta);
const seconds = [Number(process.hrtime.bigint() - started) / 1e9];
const operations = Object.keys(delta).length - 1;
console.log(JSON.stringify({ seconds, bytes: Buffer.byteLength(text), operations }));
