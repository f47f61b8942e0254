// The peer of tests/bench/diff.py: fast-json-patch, from the bytes of two versions to serialised operations.
// Usage: node diff.js FILE. FILE holds versions, each a 4-byte little-endian length and its bytes.
// Prints one JSON line: { "seconds": [per pair], "bytes": total bytes of operations, "operations": total count }.
import { readFileSync } from 'node:fs';
import jsonpatch from 'fast-json-patch';

const file = readFileSync(process.argv[2]);
const versions = [];
for (let at = 0; at < file.length; ) {
  const length = file.readUInt32LE(at);
  versions.push(file.subarray(at + 4, at + 4 + length));
  at += 4 + length;
}

const seconds = [];
let bytes = 0;
let operations = 0;
for (let i = 1; i < versions.length; i++) {
  const started = process.hrtime.bigint();
  const patch = jsonpatch.compare(JSON.parse(versions[i - 1].toString()), JSON.parse(versions[i].toString()));
  const text = JSON.stringify(patch);
  seconds.push(Number(process.hrtime.bigint() - started) / 1e9);
  bytes += Buffer.byteLength(text);
  operations += patch.length;
}
console.log(JSON.stringify({ seconds, bytes, operations }));
