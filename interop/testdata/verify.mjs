// node verify.mjs MODULE CASES: verifies each case of a file with the verifier in MODULE and prints a line of JSON for each.
// A case is the length of its key and that of its zip, 4 bytes each, big-endian, and both.
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

const { verify } = await import(pathToFileURL(process.argv[2]).href);
const file = await readFile(process.argv[3]);
const jobs = [];
for (let at = 0; at < file.length;) {
  const key = file.readUInt32BE(at), zip = file.readUInt32BE(at + 4);
  at += 8;
  jobs.push({ key: file.toString('utf8', at, at + key), zip: new Blob([file.subarray(at + key, at + key + zip)]) });
  at += key + zip;
}
const out = new Array(jobs.length);
let next = 0;
const worker = async () => {
  while (next < jobs.length) {
    const i = next++;
    const { state, word, why } = await verify(jobs[i].zip, { key: jobs[i].key || undefined });
    out[i] = JSON.stringify({ state, word, why });
  }
};
await Promise.all(Array.from({ length: 8 }, worker));
process.stdout.write(`${out.join('\n')}\n`);
