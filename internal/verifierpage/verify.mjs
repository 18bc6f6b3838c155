// A verifier of stet.evidence/1, written from docs/spec/evidence.md, seal.md and entry.md. It runs in a browser and under Node
// from version 20 on, uses nothing but what these have, and asks nobody anything.
//
// What is left to the machine: inflating (DecompressionStream) and Ed25519 (WebCrypto). SHA-256 is computed here, because
// WebCrypto's wants a whole message at once, and members have gigabytes.

/** The answers. */
export const VERIFIED = 'verified';
export const FAILED = 'failed';
export const NOT_CHECKED = 'not checked';
export const AUTHOR_UNKNOWN = 'consistent, author unknown';

/** What this verifier does not look at, and what no verifier could find in the file: docs/spec/evidence.md. */
export const NOT_LOOKED_AT = [
  'Whether each event is a good stet.event/1 in all of its fields: only what the proofs need of it is read. stet verify holds each event against docs/spec/event.md.',
];

const MAX = Number.MAX_SAFE_INTEGER; // 2^53 - 1
const MAX_FILE = 2 ** 32 - 1;
const MAX_ENTRY = 65535;
const MAX_BATCH = 1000;
const MAX_LIST = 2 ** 18;

class Failure extends Error {
  constructor(what, seq) {
    super(what);
    this.seq = seq;
  }
}
class Unreadable extends Error {}

const fail = (what, seq) => { throw new Failure(what, seq); };

/**
 * Verifies a file of evidence.
 *
 * @param {Blob} file
 * @param {{key?: string, progress?: (done: number, total: number) => (void|Promise<void>)}} options
 *   key is a verifier key that the log has had, known from elsewhere than the file; without one the best answer is
 *   "consistent, author unknown". What progress throws ends the verification and is thrown again.
 * @returns {Promise<{state: string, word: string, why: string, seq?: number, remarks: string[], manifest?: object, report: object}>}
 */
export async function verify(file, options = {}) {
  if (options.key && badKey(options.key)) throw new TypeError(badKey(options.key));
  const v = new Verification(file, options);
  const answer = (state, word, why, seq) => ({ state, word, why, seq, remarks: v.remarks, manifest: v.manifest, report: v.report });
  const lack = missing();
  if (lack) return answer(NOT_CHECKED, NOT_CHECKED, lack);
  try {
    await v.run();
  } catch (e) {
    if (e instanceof Failure) return answer(FAILED, e.seq === undefined ? FAILED : `failed at seq ${e.seq}`, e.message, e.seq);
    if (e instanceof Unreadable) return answer(NOT_CHECKED, NOT_CHECKED, e.message);
    throw e;
  }
  if (!options.key) return answer(NOT_CHECKED, AUTHOR_UNKNOWN, `nobody outside this file vouches for the log's key ${v.report.key}`);
  return answer(VERIFIED, VERIFIED, '');
}

/** Says what this machine lacks for verifying, or ''. */
export function missing() {
  if (typeof DecompressionStream === 'undefined') return 'this browser cannot unpack: it has no DecompressionStream';
  if (!globalThis.crypto?.subtle) return 'this page has no WebCrypto here: a browser gives it to pages from https and from files on this computer, not from plain http';
  return '';
}

/** Says why a text is not a verifier key, or ''. */
export function badKey(text) {
  try {
    parseVKey(text);
    return '';
  } catch (e) {
    return e.message;
  }
}

// ---- hashes

const K = new Int32Array(64);
const H0 = new Int32Array(8);
{ // the first bits of the fractional parts of roots of primes (FIPS 180-4)
  const frac = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
  let n = 0;
  for (let p = 2; n < 64; p++) {
    let prime = true;
    for (let d = 2; d * d <= p; d++) if (p % d === 0) prime = false;
    if (!prime) continue;
    if (n < 8) H0[n] = frac(Math.sqrt(p));
    K[n++] = frac(Math.cbrt(p));
  }
}
const W = new Int32Array(64);

function compress(h, b, i) {
  for (let t = 0; t < 16; t++, i += 4) W[t] = (b[i] << 24) | (b[i + 1] << 16) | (b[i + 2] << 8) | b[i + 3];
  for (let t = 16; t < 64; t++) {
    const x = W[t - 15], y = W[t - 2];
    W[t] = (W[t - 16] + W[t - 7] + (((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)) + (((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10))) | 0;
  }
  let a = h[0], c1 = h[1], c2 = h[2], d = h[3], e = h[4], f = h[5], g = h[6], z = h[7];
  for (let t = 0; t < 64; t++) {
    const t1 = (z + (((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))) + ((e & f) ^ (~e & g)) + K[t] + W[t]) | 0;
    const t2 = ((((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))) + ((a & c1) ^ (a & c2) ^ (c1 & c2))) | 0;
    z = g; g = f; f = e; e = (d + t1) | 0; d = c2; c2 = c1; c1 = a; a = (t1 + t2) | 0;
  }
  h[0] += a; h[1] += c1; h[2] += c2; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += z;
}

class Sha256 {
  h = H0.slice();
  rest = new Uint8Array(64);
  used = 0; // of rest
  n = 0; // bytes

  update(b) {
    this.n += b.length;
    let i = 0;
    if (this.used > 0) {
      i = Math.min(64 - this.used, b.length);
      this.rest.set(b.subarray(0, i), this.used);
      this.used += i;
      if (this.used < 64) return this;
      compress(this.h, this.rest, 0);
      this.used = 0;
    }
    for (; i + 64 <= b.length; i += 64) compress(this.h, b, i);
    this.rest.set(b.subarray(i));
    this.used = b.length - i;
    return this;
  }

  digest() {
    const bits = this.n * 8;
    this.rest[this.used++] = 0x80;
    if (this.used > 56) {
      this.rest.fill(0, this.used);
      compress(this.h, this.rest, 0);
      this.used = 0;
    }
    this.rest.fill(0, this.used);
    for (let t = 0, n = bits; n > 0; t++, n = Math.floor(n / 256)) this.rest[63 - t] = n % 256;
    compress(this.h, this.rest, 0);
    const out = new Uint8Array(32);
    for (let t = 0; t < 32; t++) out[t] = this.h[t >> 2] >>> (24 - 8 * (t & 3));
    return out;
  }

  /** Makes it as new. */
  reset() {
    this.h.set(H0);
    this.used = this.n = 0;
    return this;
  }
}

const LEAF = new Uint8Array([0]), NODE = new Uint8Array([1]);
const once = new Sha256(); // for all that is hashed in one go: a new one each time would cost as much as the hashing
const sha256 = (...parts) => {
  once.reset();
  for (const p of parts) once.update(p);
  return once.digest();
};
const leafHash = (b) => sha256(LEAF, b);
const nodeHash = (left, right) => sha256(NODE, left, right);
const same = (a, b) => {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
};
const hex = (b) => Array.from(b, (c) => c.toString(16).padStart(2, '0')).join('');

const CRC = new Int32Array(256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  CRC[n] = c;
}
const crc32 = (crc, b) => {
  for (let i = 0; i < b.length; i++) crc = (crc >>> 8) ^ CRC[(crc ^ b[i]) & 0xff];
  return crc;
};

// ---- texts

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
/** Returns the text of bytes; undefined where they are not UTF-8. */
const text = (b) => {
  try {
    return decoder.decode(b);
  } catch {
    return undefined;
  }
};
const bytesOf = (s) => encoder.encode(s);
const byteLength = (s) => {
  for (let i = 0; i < s.length; i++) if (s.charCodeAt(i) > 0x7f) return encoder.encode(s).length;
  return s.length;
};
const latin1 = (b) => String.fromCharCode(...b);

/** No code points of Cc, Cf, Zl, Zp; nor half a surrogate pair, which is no text. */
const isPlain = (s) => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(s);

/** Decodes base64 in its one spelling; undefined for another. */
const base64 = (s) => {
  if (s.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(s)) return undefined;
  const raw = atob(s);
  if (btoa(raw) !== s) return undefined; // spare bits
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
};
const hash64 = (s) => {
  const b = s.length === 44 ? base64(s) : undefined;
  return b?.length === 32 ? b : undefined;
};

const number = (s, max = MAX) => {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(s)) return undefined;
  const n = Number(s);
  return n <= max ? n : undefined;
};

const isTime = (s) => {
  const m = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.\d{9}Z$/.exec(s);
  if (!m) return false;
  const [y, mo, d, h, mi, sec] = m.slice(1).map(Number);
  if (mo < 1 || mo > 12 || h > 23 || mi > 59 || sec > 59) return false;
  const leap = y % 4 === 0 && (y % 100 !== 0 || y % 400 === 0);
  return d >= 1 && d <= [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][mo - 1];
};

const isUUIDv7 = (s) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(s);

// ---- keys and notes (seal.md)

const isKeyName = (s) => s !== '' && byteLength(s) <= 255 && isPlain(s) && !/[+\p{White_Space}]/u.test(s);

function parseVKey(vkey) {
  const m = /^([^+]*)\+([^+]*)\+(.*)$/s.exec(vkey);
  const raw = m && m[3].length === 44 ? base64(m[3]) : undefined;
  if (!m || !isKeyName(m[1]) || raw?.length !== 33 || raw[0] !== 1) fail('this is not a verifier key: it is a name, +, 8 hexadecimal digits, +, and 44 characters of base64 that begin with A');
  const hash = sha256(bytesOf(m[1]), new Uint8Array([10]), raw).subarray(0, 4);
  if (hex(hash) !== m[2]) fail('this is not a verifier key: its hash is not that of its name and key');
  return { vkey, name: m[1], hash, raw: raw.subarray(1) };
}

const keyID = (vkey) => hex(sha256(bytesOf(vkey)));

/** The keys of one verification, imported once. */
class Keys {
  known = new Map();

  parse(vkey) {
    let k = this.known.get(vkey);
    if (!k) {
      if (this.known.size >= 1024) this.known.clear();
      this.known.set(vkey, (k = parseVKey(vkey)));
    }
    return k;
  }

  async verify(key, message, signature) {
    if (signature.length !== 64) return false;
    if (!key.imported) {
      try {
        key.imported = await crypto.subtle.importKey('raw', key.raw, { name: 'Ed25519' }, false, ['verify']);
      } catch (e) {
        if (e.name === 'NotSupportedError') throw new Unreadable('this browser cannot check signatures: it has no Ed25519 in WebCrypto; a newer one has');
        return false; // no point of the curve
      }
    }
    return crypto.subtle.verify({ name: 'Ed25519' }, key.imported, signature, message);
  }
}

/** Takes a signed note apart; undefined where it is none. */
function splitNote(message) {
  if (/[\x00-\x09\x0b-\x1f]/.test(message)) return undefined;
  const at = message.indexOf('\n\n');
  if (at < 0) return undefined;
  const lines = message.slice(at + 2).split('\n');
  if (lines.pop() !== '' || lines.length === 0 || lines.length > 100) return undefined;
  const signatures = [];
  for (const line of lines) {
    const m = /^— ([^ ]+) ([^ ]+)$/.exec(line);
    const raw = m && base64(m[2]);
    if (!raw || raw.length < 5 || /[+\p{White_Space}]/u.test(m[1])) return undefined;
    signatures.push({ name: m[1], hash: raw.subarray(0, 4), signature: raw.subarray(4) });
  }
  return { body: message.slice(0, at + 1), signatures };
}

const isOf = (signature, key) => signature.name === key.name && same(signature.hash, key.hash);

async function openHandover(keys, raw) {
  const message = raw.length <= 4096 ? text(raw) : undefined;
  const note = message === undefined ? undefined : splitNote(message);
  const m = note && /^stet\/logkey\/v1\nold (.*)\nnew (.*)\nsize (.*)\ntime (.*)\n$/.exec(note.body);
  if (!m || note.signatures.length !== 2) fail('a handover of the log\'s key is not of the form stet/logkey/v1');
  const old = keys.parse(m[1]), next = keys.parse(m[2]), size = number(m[3]);
  if (old.name !== next.name || same(old.hash, next.hash) || size === undefined || !isTime(m[4])) fail('a handover of the log\'s key is not good');
  for (const [i, key] of [old, next].entries()) {
    const s = note.signatures[i];
    if (!isOf(s, key) || !(await keys.verify(key, bytesOf(note.body), s.signature))) fail(`a handover of the log's key is not signed by ${key.vkey}`);
  }
  return { old: m[1], next: m[2], size, time: m[4], message };
}

async function parseChain(keys, raw) {
  const head = 'stet/logkeys/v1\n\n';
  const all = raw.length <= head.length + 256 * 4097 ? text(raw) : undefined;
  if (!all?.startsWith(head) || all.length === head.length) fail('logkeys is not of the form stet/logkeys/v1');
  const chain = [];
  const lines = all.slice(head.length).split('\n');
  if (lines.pop() !== '' || lines.length % 9 !== 0) fail('logkeys is cut short');
  for (let i = 0; i < lines.length; i += 9) {
    if (lines[i + 8] !== '') fail('logkeys has no empty line behind a handover');
    const h = await openHandover(keys, bytesOf(lines.slice(i, i + 8).join('\n') + '\n'));
    const last = chain.at(-1);
    if (chain.length === 256) fail('logkeys has more than 256 handovers');
    if (last && (h.old !== last.next || h.size <= last.size)) fail('the handovers of logkeys do not follow each other');
    if (chain.some((c) => c.old === h.next || c.next === h.next)) fail(`the key ${h.next} comes back in logkeys`);
    chain.push(h);
  }
  return chain;
}

async function openCheckpoint(keys, raw, vkey, chain) {
  const message = raw.length <= 16384 ? text(raw) : undefined;
  const note = message === undefined ? undefined : splitNote(message);
  const m = note && /^(.*)\n(.*)\n(.*)\n$/.exec(note.body);
  const size = m && number(m[2]), root = m && hash64(m[3]);
  if (!m || !isKeyName(m[1]) || size === undefined || !root) fail('the checkpoint is not one');
  if (size === 0) fail('the checkpoint is of an empty log');
  const key = keys.parse(vkey);
  if (key.name !== m[1]) fail(`the checkpoint is of the log ${m[1]}, the key of ${key.name}`);
  const own = note.signatures.find((s) => isOf(s, key));
  if (!own || !(await keys.verify(key, bytesOf(note.body), own.signature))) fail(`the checkpoint is not signed by ${vkey}`);
  if (chain.some((c) => c.next === vkey && size <= c.size)) fail(`the checkpoint is over ${size} entries, and the key ${vkey} came later`);
  return { origin: m[1], size, root, root64: m[3] };
}

const WORD = /^[A-Za-z0-9._-]+$/;
const isWord = (s, limit) => WORD.test(s) && s.length <= limit;

/** Reads a seal, of which an entry makes sure that it has at most 4,096 bytes, and checks its signature. */
async function openSeal(keys, message) {
  const bad = (what) => fail(`the seal is not good: ${what}`);
  const at = message.indexOf('\n\n');
  const m = at < 0 ? null : /^— ([^ ]*) ([^ \n]*)\n$/.exec(message.slice(at + 2));
  const raw = m && m[2].length === 92 ? base64(m[2]) : undefined;
  if (raw?.length !== 68) bad('it does not end with one signature line');
  const body = message.slice(0, at + 1);
  const f = /^stet\/seal\/v1\napp (.+)\nenvironment (.+)\nkey (.+)\nstream (.+)\nfirst (.+)\ncount (.+)\nroot (.+)\nprev (.+)\nclock (.+)\nfinal (.+)\n$/.exec(body);
  if (!f) bad('it is not the eleven lines of stet/seal/v1');
  const [, app, environment, vkey, stream, first64, count64, root64, prev64, clock, final] = f;
  const first = number(first64), count = number(count64, MAX_BATCH), root = hash64(root64), prev = prev64 === '-' ? null : hash64(prev64);
  if (!isWord(app, 128)) bad('app');
  if (byteLength(environment) > 32 || !isPlain(environment) || environment.startsWith(' ') || environment.endsWith(' ')) bad('environment');
  if (!isUUIDv7(stream)) bad('stream');
  if (first === undefined || first === 0 || count === undefined || !root || prev === undefined) bad('a number or a hash');
  const c = /^(synchronized|unsynchronized|unknown) (-?)(\d+) (\d+) (\d+) ([^ ]+) ([^ ]+)$/.exec(clock);
  if (!c || [c[3], c[4], c[5]].some((n) => number(n) === undefined) || (c[2] && c[3] === '0') || !isWord(c[6], 64) || !isWord(c[7], 64)) bad('clock');
  if (final !== 'true' && final !== 'false') bad('final');
  if (count === 0 && (final !== 'true' || !same(root, sha256()))) bad('it is over no events');
  if (first + count - 1 > MAX || (first === 1 && prev)) bad('its numbers');
  const key = keys.parse(vkey);
  if (m[1] !== key.name || !same(raw.subarray(0, 4), key.hash)) bad('it names one key and is signed by another');
  if (!(await keys.verify(key, bytesOf(body), raw.subarray(4)))) bad(`its signature is not that of ${vkey}`);
  return { app, environment: environment === '-' ? '' : environment, key: vkey, stream, first, count, root, prev, final: final === 'true', hash: sha256(bytesOf(message)) };
}

// ---- entries (entry.md)

/** Reads canonical JSON forward. */
class Cursor {
  i = 0;
  constructor(b) { this.b = b; }

  try(s) {
    const { b, i } = this;
    if (b.length - i < s.length) return false;
    for (let k = 0; k < s.length; k++) if (b[i + k] !== s.charCodeAt(k)) return false;
    this.i += s.length;
    return true;
  }

  literal(s) { if (!this.try(s)) fail(`at byte ${this.i}: want ${s}`); }

  take(n) {
    if (this.b.length - this.i < n) fail('it ends too early');
    this.i += n;
    return this.b.subarray(this.i - n, this.i);
  }

  number(low, high) {
    let end = this.i;
    while (end < this.b.length && this.b[end] >= 0x30 && this.b[end] <= 0x39 && end - this.i < 20) end++;
    const n = number(latin1(this.b.subarray(this.i, end)), high);
    if (n === undefined || n < low) fail(`at byte ${this.i}: want a number within its limits`);
    this.i = end;
    return n;
  }

  /** A string of at most limit bytes when decoded; with lines, LF may stand in it as \n. */
  text(limit, lines = false) {
    this.literal('"');
    const { b } = this;
    let end = this.i, escaped = false;
    for (; end < b.length && b[end] !== 0x22; end++) {
      if (b[end] === 0x0a) fail('a bare line feed in a string');
      if (b[end] === 0x5c) {
        escaped = true;
        end++;
        if (b[end] !== 0x22 && b[end] !== 0x5c && !(lines && b[end] === 0x6e)) fail('an escape that is not used here');
      }
    }
    if (end >= b.length) fail('a string that does not end');
    let s = text(b.subarray(this.i, end));
    if (s !== undefined && escaped) s = s.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    if (s === undefined || !isPlain(lines ? s.replaceAll('\n', '') : s)) fail('a control or format character, or not UTF-8');
    if (byteLength(s) > limit) fail('a string above its limit');
    this.i = end + 1;
    return s;
  }

  /** One object by its brackets and strings, at most 64 levels. */
  object() {
    const { b } = this, start = this.i, open = [];
    if (b[start] !== 0x7b) fail('want an object');
    let inside = false;
    for (let i = start; i < b.length; i++) {
      const c = b[i];
      if (inside) {
        if (c === 0x5c) i++;
        else if (c === 0x22) inside = false;
      } else if (c === 0x22) {
        inside = true;
      } else if (c === 0x7b || c === 0x5b) {
        if (open.push(c + 2) > 64) fail('an event of more than 64 levels');
      } else if (c === 0x7d || c === 0x5d) {
        if (open.pop() !== c) fail('an event with unbalanced brackets');
        if (open.length === 0) {
          this.i = i + 1;
          return b.subarray(start, i + 1);
        }
      }
    }
    return fail('an event that does not end');
  }

  via() {
    const start = this.i;
    this.literal('{"kind":');
    if (!['"store"', '"spool"', '"http"', '"unix"', '"syslog"'].some((k) => this.try(k))) fail('kind is none of store, spool, http, unix, syslog');
    for (const name of ['uid', 'gid', 'pid']) if (this.try(`,"${name}":`)) this.number(0, 2 ** 32 - 1);
    for (const name of ['addr', 'token', 'key', 'clock']) {
      if (!this.try(`,"${name}":`)) continue;
      const s = this.text(256);
      if (s === '' || (name === 'key' && !/^[0-9a-f]{8}$/.test(s)) || (name === 'clock' && s !== 'unsynchronized' && s !== 'unknown')) fail(`via has a bad ${name}`);
    }
    if (this.try(',"changed":[')) {
      let n = 0;
      do if (this.text(256) === '' || ++n > 64) fail('changed has an empty path or more than 64 of them'); while (this.try(','));
      this.literal(']');
    }
    this.literal('}');
    if (this.i - start > 2048) fail('via is longer than 2048 bytes');
    return latin1(this.b.subarray(start, this.i));
  }

  stub() {
    const s = { stream: this.text(36) };
    if (!isUUIDv7(s.stream)) fail('stream_id is not a UUIDv7 in lower case');
    this.literal(',"first":');
    s.first = this.number(1, MAX);
    this.literal(',"last":');
    s.last = this.number(s.first, MAX);
    this.literal(',"code":');
    if (this.try('"refused","leaf":"')) {
      const leaf = latin1(this.take(64));
      if (s.first !== s.last || !/^[0-9a-f]{64}$/.test(leaf)) fail('a refused event is one event, and has a hash');
      s.leaf = Uint8Array.from(leaf.match(/../g), (d) => parseInt(d, 16));
      this.literal('"');
    } else {
      this.literal('"lost"');
      s.lost = true;
    }
    this.literal(',"reason":');
    this.text(512);
    this.literal('}');
    return s;
  }
}

function parseEntry(b) {
  if (b.length > MAX_ENTRY) fail(`it has ${b.length} bytes`);
  const c = new Cursor(b), e = {};
  c.literal('{"v":1,"seq":');
  e.seq = c.number(0, MAX - 1);
  c.literal(',"received_at":"');
  e.at = latin1(c.take(30));
  c.literal('","via":');
  e.via = c.via();
  if (!isTime(e.at)) fail(`received_at ${e.at} is not a time`);
  if (c.try(',"event":')) {
    e.event = c.object();
  } else if (c.try(',"seal":{"prev_seq":')) {
    e.prevSeq = c.try('null') ? null : c.number(0, MAX - 1);
    c.literal(',"note":');
    e.seal = c.text(4096, true);
    c.literal('}');
    if (e.prevSeq !== null && e.prevSeq >= e.seq) fail('prev_seq is not below seq');
  } else if (c.try(',"stub":{"stream_id":')) {
    e.stub = c.stub();
  } else {
    fail('want an event, a seal or a stub');
  }
  c.literal('}');
  if (c.i !== b.length) fail('bytes follow the entry');
  return e;
}

/** The seq that a line says it is, before anything else of it is looked at; undefined where it says none. */
function statedSeq(b) {
  const m = /^\{"v":1,"seq":([0-9]{1,19}),/.exec(latin1(b.subarray(0, 33)));
  const n = m ? Number(m[1]) : NaN;
  return n < MAX ? n : undefined;
}

/** Reads an event as event.md has JSON: no member twice, no spaces, numbers that are integers. Returns what the proofs need of it. */
function readEvent(raw) {
  const s = raw.length <= 61440 ? text(raw) : undefined;
  if (s === undefined || !isPlain(s)) fail('it is longer than 61,440 bytes, no UTF-8, or has a control or format character');
  let i = 0;
  const STRING = /"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"/y, INTEGER = /-?(?:0|[1-9][0-9]*)(?![0-9.eE])/y;
  const match = (re) => {
    re.lastIndex = i;
    const m = re.exec(s);
    if (!m) fail(`at character ${i}: this is not the JSON of events`);
    i += m[0].length;
    return m[0];
  };
  const string = () => {
    const t = match(STRING);
    if (!t.includes('\\')) return t.slice(1, -1);
    const decoded = JSON.parse(t);
    if (!isPlain(decoded)) fail('a control or format character, or half a surrogate pair');
    return decoded;
  };
  const expect = (c) => { if (s[i++] !== c) fail(`at character ${i - 1}: want ${c}`); };
  const value = () => {
    switch (s[i]) {
      case '{': {
        const o = new Map();
        if (s[++i] !== '}') {
          do {
            const name = string();
            if (o.has(name)) fail(`the member ${name} stands there twice`);
            expect(':');
            o.set(name, value());
          } while (s[i] === ',' && ++i);
        }
        expect('}');
        return o;
      }
      case '[': {
        const a = [];
        if (s[++i] !== ']') do a.push(value()); while (s[i] === ',' && ++i);
        expect(']');
        return a;
      }
      case '"': return string();
    }
    for (const [word, is] of [['true', true], ['false', false], ['null', null]]) {
      if (s.startsWith(word, i)) {
        i += word.length;
        return is;
      }
    }
    const n = Number(match(INTEGER));
    if (Object.is(n, -0) || Math.abs(n) > MAX) fail('a number beyond 2^53 - 1');
    return n;
  };
  const e = value();
  if (i !== s.length) fail('something follows the event');
  const [schema, stream, num, app, environment, type] = ['schema', 'stream_id', 'stream_seq', 'app_id', 'environment', 'event_type'].map((name) => e.get(name));
  if (!/^stet\.event\/1(?:\.[1-9][0-9]{0,3})?$/.test(schema)) fail('it is no stet.event/1');
  if (typeof stream !== 'string' || !isUUIDv7(stream) || !Number.isInteger(num) || num < 1) fail('it has no stream_id or stream_seq');
  if (typeof app !== 'string' || !isWord(app, 128) || typeof type !== 'string' || !/^[a-z][a-z0-9_]{0,63}$/.test(type)) fail('it has no app_id or event_type');
  if (environment !== undefined && environment !== null && typeof environment !== 'string') fail('its environment is no text');
  const object = e.get('object'), labels = e.get('labels'), member = (o, name) => (o instanceof Map ? o.get(name) : undefined);
  return { stream, num, app, environment: environment ?? '', type, objectType: member(object, 'type'), objectID: member(object, 'id'), handover: member(labels, 'handover') };
}

// ---- the zip

const MEMBERS = [
  ['entries.jsonl', MAX_FILE, true], ['tree.txt', MAX_FILE, true], ['batches.txt', MAX_FILE, true], ['checkpoint', 16384, true],
  ['logkeys', 17 + 256 * 4097, false], ['events.csv', MAX_FILE, false], ['stories.html', MAX_FILE, false], ['verify.html', 4 << 20, false],
];
const MANIFEST = 'manifest.json', MAX_MANIFEST = 16 << 20;

const le = (size, n) => Array.from({ length: size }, (_, i) => Math.floor(n / 256 ** i) % 256);
const FIXED = [20, 0, 8, 0, 8, 0, 0, 0, 0x21, 0];
const sizes = (m) => [...le(4, m.crc), ...le(4, m.packed), ...le(4, m.size)];
const ascii = (s) => Array.from(s, (c) => c.charCodeAt(0));
const localHeader = (m) => [...le(4, 0x04034b50), ...FIXED, ...le(12, 0), ...le(2, m.name.length), 0, 0, ...ascii(m.name)];
const descriptor = (m) => [...le(4, 0x08074b50), ...sizes(m)];
const directoryLine = (m) => [...le(4, 0x02014b50), 20, 0, ...FIXED, ...sizes(m), ...le(2, m.name.length), ...le(12, 0), ...le(4, m.offset), ...ascii(m.name)];
const endOf = (n, size, offset) => [...le(4, 0x06054b50), 0, 0, 0, 0, n, 0, n, 0, ...le(4, size), ...le(4, offset), 0, 0];

class Zip {
  members = new Map();
  list = [];
  constructor(file) { this.file = file; }

  async bytes(from, to) {
    try {
      return new Uint8Array(await this.file.slice(from, to).arrayBuffer());
    } catch (e) {
      throw new Unreadable(`the file could not be read: ${e.message}`);
    }
  }

  async open() {
    const size = this.file.size;
    const limit = (46 + 32) * (MEMBERS.length + 1);
    if (size < 22 || size > MAX_FILE) fail(`it has ${size} bytes, which no evidence has`);
    const tail = await this.bytes(Math.max(0, size - 22 - limit), size);
    const end = tail.subarray(tail.length - 22), view = new DataView(end.buffer, end.byteOffset);
    const n = end[8], dirSize = view.getUint32(12, true), dirAt = view.getUint32(16, true);
    if (!same(end, endOf(n, dirSize, dirAt)) || dirAt + dirSize + 22 !== size || dirSize > limit || n > MEMBERS.length + 1) {
      fail('it does not end as evidence does: it is cut, something follows it, or it was packed anew');
    }
    let dir = tail.subarray(tail.length - 22 - dirSize, tail.length - 22), at = 0;
    for (let i = 0; i < n; i++) {
      if (dir.length < 46) fail('its directory is cut');
      const d = new DataView(dir.buffer, dir.byteOffset);
      const m = { crc: d.getUint32(16, true), packed: d.getUint32(20, true), size: d.getUint32(24, true), offset: d.getUint32(42, true), name: latin1(dir.subarray(46, 46 + Math.min(d.getUint16(28, true), 32))) };
      const want = directoryLine(m);
      if (!same(dir.subarray(0, want.length), want) || m.offset !== at) fail('its directory is not one that evidence has: it was packed anew');
      dir = dir.subarray(want.length);
      m.data = m.offset + 30 + m.name.length;
      const behind = m.data + m.packed;
      if (behind + 16 > dirAt) fail(`${m.name} reaches beyond the file`);
      if (m.size > 2 ** 20 + 800 * m.packed) fail(`${m.name} says that it unpacks to ${m.size} bytes from ${m.packed}`);
      if (!same(await this.bytes(m.offset, m.data), localHeader(m)) || !same(await this.bytes(behind, behind + 16), descriptor(m))) {
        fail(`what stands around ${m.name} is not what the directory says of it`);
      }
      at = behind + 16;
      this.list.push(m);
    }
    if (dir.length > 0 || at !== dirAt) fail('bytes that are no member stand between its members and its directory');
    let next = 0;
    for (const [name, most, needed] of MEMBERS) {
      if (this.list[next]?.name === name) {
        if (this.list[next++].size > most) fail(`${name} has more than ${most} bytes`);
      } else if (needed) {
        fail(`${name} is missing, or not in its place`);
      }
    }
    const last = this.list[next];
    if (next !== this.list.length - 1 || last.name !== MANIFEST || last.size > MAX_MANIFEST) fail('the last member is not manifest.json, or others stand where none are allowed');
    for (const m of this.list) this.members.set(m.name, m);
  }

  /** Unpacks a member. Its end is reached only where size, checksum and, if it is known, SHA-256 are right. */
  async *unpack(name) {
    const m = this.members.get(name);
    const inflate = new DecompressionStream('deflate-raw');
    const reader = inflate.readable.getReader();
    // Not pipeThrough: what cannot be read is to be told from what cannot be unpacked. Where nobody reads on, both are left as
    // they are: Node 20 does not survive the cancelling of a stream that still has something to say.
    let unreadable, stopped = false;
    (async () => {
      const writer = inflate.writable.getWriter();
      try {
        for (let at = m.data; at < m.data + m.packed && !stopped; at += 1 << 18) {
          let b;
          try {
            b = await this.bytes(at, Math.min(at + (1 << 18), m.data + m.packed));
          } catch (e) {
            unreadable = e;
            await writer.abort(e);
            return;
          }
          await writer.ready;
          await writer.write(b);
        }
        await writer.close();
      } catch { /* the reader is told */ }
    })();
    const sha = m.sha256 === undefined ? undefined : new Sha256();
    let n = 0, crc = -1;
    try {
      for (;;) {
        let chunk;
        try {
          chunk = await reader.read();
        } catch (e) {
          if (unreadable) throw unreadable;
          fail(`${name} cannot be unpacked: ${e.message}`);
        }
        if (chunk.done) break;
        n += chunk.value.length;
        if (n > m.size) fail(`${name} unpacks to more than the ${m.size} bytes it says`);
        crc = crc32(crc, chunk.value);
        sha?.update(chunk.value);
        yield chunk.value;
      }
    } finally {
      stopped = true;
    }
    if (n !== m.size || ((crc ^ -1) >>> 0) !== m.crc) fail(`the size or checksum of ${name} is not what the directory says`);
    if (sha && hex(sha.digest()) !== m.sha256) fail(`the SHA-256 of ${name} is not the one in the manifest`);
  }

  async whole(name) {
    const parts = [];
    for await (const chunk of this.unpack(name)) parts.push(chunk);
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  }
}

/** The lines of a member, without their LF, one at a time. */
class Lines {
  rest = new Uint8Array(0);
  constructor(zip, name, limit) {
    Object.assign(this, { chunks: zip.unpack(name), name, limit });
  }

  /** Returns the next line if it has been unpacked already. */
  ready() {
    const at = this.rest.indexOf(10);
    if (at < 0) return undefined;
    const line = this.rest.subarray(0, at);
    this.rest = this.rest.subarray(at + 1);
    if (line.length > this.limit) fail(`a line of ${this.name} is longer than it can be`);
    return line;
  }

  /** Returns the next line; undefined at the end. */
  async next() {
    for (;;) {
      const line = this.ready();
      if (line !== undefined) return line;
      if (this.rest.length > this.limit) fail(`a line of ${this.name} is longer than it can be`);
      const { value, done } = await this.chunks.next();
      if (done) {
        if (this.rest.length > 0) fail(`the last line of ${this.name} has no end`);
        return undefined;
      }
      if (this.rest.length === 0) {
        this.rest = value;
      } else {
        const joined = new Uint8Array(this.rest.length + value.length);
        joined.set(this.rest);
        joined.set(value, this.rest.length);
        this.rest = joined;
      }
    }
  }

  async close() { await this.chunks.return(); }
}

/** The hashes of a proof. */
class Hashes {
  constructor(zip, name) {
    this.name = name;
    this.lines = new Lines(zip, name, 44);
  }

  async next() {
    const line = this.lines.ready() ?? await this.lines.next();
    if (line === undefined) return undefined;
    const h = hash64(latin1(line));
    if (!h) fail(`a line of ${this.name} is not a hash`);
    return h;
  }
}

class TooShort extends Error {}

/** Computes a root as WALK has it. next gives the leaves that are shown or hidden, in order: {index, hash}; undefined at the end. */
async function setRoot(size, next, hashes) {
  let leaf = await next();
  const rest = async () => {
    const h = await hashes.next();
    if (h === undefined) throw new TooShort(`${hashes.name} ends too early`);
    return h;
  };
  const walk = async (lo, hi) => {
    if (leaf === undefined || leaf.index >= hi) return rest();
    if (hi - lo === 1) {
      const h = leaf.hash ?? await rest();
      leaf = await next();
      return h;
    }
    let k = 1;
    while (k * 2 < hi - lo) k *= 2;
    const left = await walk(lo, lo + k);
    return nodeHash(left, await walk(lo + k, hi));
  };
  return walk(0, size);
}

// ---- the manifest

function parseManifest(raw) {
  const s = text(raw);
  let m;
  try {
    m = JSON.parse(s);
  } catch (e) {
    fail(`the manifest is not JSON: ${e.message}`);
  }
  const is = (ok, what) => { if (!ok) fail(`the manifest is not good: ${what}`); };
  const object = (o, what) => is(typeof o === 'object' && o !== null && !Array.isArray(o), what);
  const num = (n, what) => { is(Number.isSafeInteger(n) && n >= 0, what); return n; };
  const str = (t, limit, what) => { is(typeof t === 'string' && isPlain(t) && !t.includes('\uFFFD') && byteLength(t) <= limit, what); return t; };
  const time = (t, what, none) => { is((none && t === '') || (typeof t === 'string' && isTime(t)), what); return t; };
  const array = (a, what) => { is(Array.isArray(a) && a.length <= MAX_LIST, what); return a; };
  object(m, 'it is no object');
  is(m.format === 'stet.evidence/1', `its format is ${String(m.format).slice(0, 40)}, this verifier knows stet.evidence/1`);
  for (const name of ['asked', 'log', 'searched', 'counts']) object(m[name], name);
  if (m.whole !== null) object(m.whole, 'whole');
  // Made again in the one order of members, it must be the same text.
  const out = {
    format: m.format,
    asked: { query: str(m.asked.query, 4096, 'query'), by: str(m.asked.by, 512, 'by'), at: time(m.asked.at, 'at'), tool: str(m.asked.tool, 128, 'tool') },
    log: { origin: str(m.log.origin, 255, 'origin'), key: str(m.log.key, 512, 'key'), size: num(m.log.size, 'size'), root: str(m.log.root, 44, 'root') },
    searched: { first: num(m.searched.first, 'first'), last: num(m.searched.last, 'last'), from: time(m.searched.from, 'from', true), till: time(m.searched.till, 'till', true) },
    whole: m.whole === null ? null : { first: num(m.whole.first, 'first'), last: num(m.whole.last, 'last') },
    counts: Object.fromEntries(['entries', 'found', 'seals', 'hidden', 'tree', 'batches'].map((name) => [name, num(m.counts[name], name)])),
    context: array(m.context, 'context').map((n) => num(n, 'context')),
    keys: array(m.keys, 'keys').map((k) => {
      object(k, 'keys');
      return { key: str(k.key, 512, 'key'), enrolled: num(k.enrolled, 'enrolled'), revoked: k.revoked === null ? null : num(k.revoked, 'revoked') };
    }),
    members: array(m.members, 'members').map((one) => {
      object(one, 'members');
      return { name: str(one.name, 255, 'name'), bytes: num(one.bytes, 'bytes'), sha256: str(one.sha256, 64, 'sha256') };
    }),
  };
  is(`${JSON.stringify(out, null, 2)}\n` === s, 'it is not written as manifests are');
  parseVKey(out.log.key);
  is(out.log.size >= 1 && hash64(out.log.root) !== undefined, 'its log');
  is(!out.whole || (out.whole.first <= out.whole.last && out.whole.last < out.log.size), 'its whole range is not one of its log');
  out.context.forEach((n, i) => is(n < out.log.size && (i === 0 || n > out.context[i - 1]), `its context does not rise at entry ${n}, or leaves the log`));
  const seen = new Set();
  for (const k of out.keys) {
    parseVKey(k.key);
    is(!seen.has(keyID(k.key)), `it lists the key ${k.key} twice`);
    seen.add(keyID(k.key));
  }
  for (const one of out.members) is(/^[0-9a-f]{64}$/.test(one.sha256), `the hash of ${one.name}`);
  return out;
}

// ---- verifying

class Verification {
  remarks = [];
  report = { found: 0, seals: 0, hidden: 0, from: '', till: '', handovers: [] };
  keys = new Keys();

  // What the entries say, one after the other.
  next = 0; // seq behind the last entry that is shown, or under a seal that is
  lastAt = '';
  gaps = 0; // how often entries were left out
  streams = new Map();
  enrolled = new Map(); // key ID → {enrolled, revoked}
  storeKey = '';
  told = []; // handovers that the entries tell of
  foreign = 0;

  pending = []; // members of a batch whose seal has not come yet
  contextual = 0; // of manifest.context that have come
  last = -1; // seq of the last line
  hide = Infinity; // next entry of the whole range to be shown or hidden
  covered = Infinity; // and to be under a seal or a loss
  firstAt = '';
  wholeAt = '';
  done = 0;

  constructor(file, options) { Object.assign(this, { file, options, zip: new Zip(file) }); }

  async run() {
    const { zip, report } = this;
    await zip.open();
    const m = this.manifest = parseManifest(await zip.whole(MANIFEST));
    if (m.members.length !== zip.list.length - 1) fail('the manifest does not list the members that the file has');
    m.members.forEach((one, i) => {
      if (one.name !== zip.list[i].name || one.bytes !== zip.list[i].size) fail(`the manifest lists ${one.name} of ${one.bytes} bytes, where ${zip.list[i].name} stands`);
      zip.list[i].sha256 = one.sha256;
    });
    const chain = zip.members.has('logkeys') ? await parseChain(this.keys, await zip.whole('logkeys')) : [];
    report.key = this.follow(chain, this.options.key || m.log.key);
    if (report.key !== m.log.key) fail(`the manifest says that the log's key is ${m.log.key}, which is not ${report.key}`);
    const cp = this.cp = await openCheckpoint(this.keys, await zip.whole('checkpoint'), report.key, chain);
    await this.entries();
    this.atEnd(chain);
    if (m.log.origin !== cp.origin || m.log.size !== cp.size || m.log.root !== cp.root64) fail('the manifest is of another log or size than the checkpoint');
    const linesOf = (name) => zip.members.get(name).size / 45;
    const counts = { entries: report.found + m.context.length + report.seals, found: report.found, seals: report.seals, hidden: report.hidden, tree: linesOf('tree.txt'), batches: linesOf('batches.txt') };
    for (const name in counts) if (counts[name] !== m.counts[name]) fail(`the manifest counts ${m.counts[name]} for ${name}, and there is ${counts[name]}`);
    for (const name of ['events.csv', 'stories.html', 'verify.html']) {
      if (!zip.members.has(name)) continue;
      for await (const chunk of zip.unpack(name)) void chunk;
      await this.options.progress?.(this.done, m.counts.entries);
    }
  }

  follow(chain, trusted) {
    if (chain.length === 0 || chain.at(-1).next === trusted) return trusted;
    const at = chain.findIndex((h) => h.old === trusted);
    if (at < 0) fail(`no handover leads from ${trusted} to the key that this log has now`);
    return chain.at(-1).next;
  }

  async entries() {
    const { zip, cp } = this;
    if (this.manifest.whole) this.hide = this.covered = this.manifest.whole.first;
    this.lines = new Lines(zip, 'entries.jsonl', MAX_ENTRY);
    this.batches = new Hashes(zip, 'batches.txt');
    const tree = new Hashes(zip, 'tree.txt');
    try {
      let root, broken;
      const next = () => this.leaf();
      try {
        root = await setRoot(cp.size, next, {
          name: tree.name,
          next: async () => {
            try {
              return await tree.next();
            } catch (e) {
              broken = e;
              throw e;
            }
          },
        });
      } catch (e) {
        if (e !== broken && !(e instanceof TooShort)) throw e;
        broken = e;
        this.hide = Infinity; // what can be said of single entries is said first
        while (await this.leaf() !== undefined);
      }
      this.unsealed();
      if (broken instanceof TooShort) fail(broken.message);
      if (broken) throw broken;
      if (await tree.next() !== undefined) fail('tree.txt has more hashes than these entries need');
      if (!same(root, cp.root)) fail('these entries do not lead to the root that the checkpoint states: some of them are not what was signed, or not in their places');
      if (await this.batches.next() !== undefined) fail('batches.txt has more hashes than these batches need');
    } finally {
      await Promise.all([this.lines, tree.lines, this.batches.lines].map((l) => l.close().catch(() => {})));
    }
  }

  line; // that was read and not yet taken: {raw, seq}; without raw at the end

  async read() {
    const raw = this.lines.ready() ?? await this.lines.next();
    if (raw === undefined) return { seq: Infinity };
    const seq = statedSeq(raw);
    if (seq === undefined) fail(`behind entry ${this.last} stands something that is no entry`);
    if (seq <= this.last) fail(`this entry stands behind entry ${this.last}: entries rise, and each is here once`, seq);
    if (seq >= this.cp.size) fail(`this entry is not under the checkpoint, which is over ${this.cp.size}`, seq);
    return { raw, seq };
  }

  /** The next entry that is accounted for, judged if it is shown. */
  async leaf() {
    this.line ??= await this.read();
    const { raw, seq } = this.line, w = this.manifest.whole;
    if (w && this.hide <= w.last && this.hide < seq) {
      this.report.hidden++;
      return { index: this.hide++ };
    }
    if (raw === undefined) return undefined;
    this.line = undefined;
    this.last = seq;
    if (w && seq === this.hide && seq <= w.last) this.hide++;
    let e;
    try {
      e = parseEntry(raw);
    } catch (err) {
      fail(`this is not an entry: ${err.message}`, seq);
    }
    if (e.seal !== undefined) await this.judge(e); else this.take(e);
    if (++this.done % 256 === 0) await this.options.progress?.(this.done, this.manifest.counts.entries);
    return { index: seq, hash: leafHash(raw) };
  }

  /** Takes an event or a stub. */
  take(e) {
    if (this.manifest.context[this.contextual] === e.seq) {
      this.contextual++;
    } else {
      this.report.found++;
      this.report.till = e.at;
      this.report.from ||= e.at;
    }
    if (e.stub?.lost) return this.loss(e);
    if (this.pending.length === MAX_BATCH) this.unsealed();
    if (e.event) {
      e.leaf = leafHash(e.event);
      e.bytes = e.event.length;
      try {
        Object.assign(e, readEvent(e.event));
      } catch (err) {
        e.bad = err.message;
      }
      e.event = true;
    } else {
      Object.assign(e, { leaf: e.stub.leaf, stream: e.stub.stream, num: e.stub.first });
    }
    this.pending.push(e);
    return undefined;
  }

  unsealed() {
    if (this.pending.length > 0) fail('the seal over this entry is not here', this.pending[0].seq);
  }

  time(e) {
    if (e.at < this.lastAt) fail(`received_at is ${e.at}, before the ${this.lastAt} of the entry before it`, e.seq);
    this.lastAt = e.at;
  }

  loss(e) {
    this.unsealed();
    this.from(e.seq, e);
    this.time(e);
    this.next = e.seq + 1;
    const st = this.stream(e.stub.stream);
    this.continues(e.seq, st, e.stub.first);
    Object.assign(st, { next: e.stub.last + 1, lossy: true, gaps: this.gaps });
  }

  /** What begins at start and ends with e follows what was there before it; or something between was left out. */
  from(start, e) {
    if (start > this.next) {
      this.gaps++;
      this.next = start;
    }
    const w = this.manifest.whole;
    if (!w || e.seq < w.first || start > w.last) return;
    if (start > this.covered) fail(`the entries from here to ${start - 1} are said to be accounted for, and no seal or loss that is here says what they are`, this.covered);
    if (start < w.first || e.seq > w.last) fail(`the batch from here to ${e.seq} is only partly in the range that is said to be whole`, start);
    this.covered = e.seq + 1;
    this.wholeAt = e.at;
    this.firstAt ||= e.at;
  }

  stream(id) {
    let st = this.streams.get(id);
    if (!st) this.streams.set(id, (st = { next: 1, gaps: 0, sealGaps: 0, lossy: false, final: false, sealed: false }));
    return st;
  }

  continues(seq, st, first) {
    if (st.final) fail('its stream was closed by a final seal, nothing may follow', seq);
    if (first < st.next) fail(`its stream goes back to number ${first}, where ${st.next} must come next`, seq);
    if (first > st.next && st.gaps === this.gaps) fail(`numbers ${st.next} to ${first - 1} of its stream are missing`, seq);
  }

  /** Takes a seal, and with it the members of its batch that are shown. */
  async judge(r) {
    this.report.seals++;
    const shown = this.pending;
    this.pending = [];
    let s;
    try {
      s = await openSeal(this.keys, r.seal);
    } catch (e) {
      if (e instanceof Failure) fail(e.message, r.seq);
      throw e;
    }
    const start = r.seq - s.count;
    if (start < this.next) fail(`the seal is over ${s.count} events, for which there is no room before it`, r.seq);
    if (shown.length > 0 && shown[0].seq < start) fail(`the seal over this entry is not here: the next one is over ${s.count} events`, shown[0].seq);
    this.from(start, r);
    const root = await this.batchRoot(r, s, start, shown);
    this.members(r, s, start, shown);
    this.time(r);
    this.next = r.seq + 1;
    if (root && !same(root, s.root)) fail(`the events from here to seq ${r.seq - 1} are not those that were sealed`, shown[0].seq);
    const st = this.stream(s.stream);
    this.continues(r.seq, st, s.first);
    this.owner(r, s, st);
    this.previous(r, s, st);
    await this.key(r, s, start, shown);
    Object.assign(st, { next: s.first + s.count, hash: s.hash, sealSeq: r.seq, sealed: true, final: s.final, lossy: false, gaps: this.gaps, sealGaps: this.gaps });
  }

  /** The root of a batch, from those that are shown and the proof. */
  async batchRoot(r, s, start, shown) {
    if (shown.length === 0) return undefined;
    let i = 0;
    const next = async () => (i < shown.length ? { index: shown[i].seq - start, hash: shown[i++].leaf } : undefined);
    try {
      return await setRoot(s.count, next, this.batches);
    } catch (e) {
      if (e instanceof TooShort) fail(`that this entry stands under the seal at seq ${r.seq} is not shown: ${e.message}`, shown[0].seq);
      throw e;
    }
  }

  /** Goes through the batch; one that is not shown stands for what its seal says of it. */
  members(r, s, start, shown) {
    let first, app, environment, bytes = 0, at = 0;
    for (let i = 0; i < s.count; i++) {
      const here = shown[at]?.seq === start + i ? shown[at++] : undefined;
      const m = here ?? { seq: start + i, at: r.at, via: r.via, stream: s.stream, num: s.first + i };
      if (here) {
        this.time(here);
        if (here.bad) fail(`this event is not a good stet.event/1: ${here.bad}`, here.seq);
      }
      first ??= m;
      if (m.stream !== first.stream || m.num !== first.num + i) fail('this entry is not of the stream, or has not the number, that must come next in its batch', m.seq);
      if (m.at !== first.at || m.via !== first.via) fail('this entry has another received_at or via than its batch', m.seq);
      if (!here?.event) continue;
      bytes += here.bytes;
      app ??= here.app;
      environment ??= here.environment;
      if (here.app !== app || here.environment !== environment) fail('this event is of another app or environment than its batch', here.seq);
    }
    if (!first) return;
    if (first.stream !== s.stream || first.num !== s.first) fail('the seal is of another stream or other numbers than the entries before it', r.seq);
    if (first.at !== r.at || first.via !== r.via) fail('the seal has another received_at or via than its batch', r.seq);
    if (app !== undefined && (app !== s.app || environment !== s.environment)) fail('the seal is of another app or environment than its events', r.seq);
    if (bytes > 1 << 20) fail('more than 1 MiB of events stand under one seal', r.seq);
  }

  owner(r, s, st) {
    if (st.key === undefined) {
      Object.assign(st, { key: s.key, app: s.app, environment: s.environment });
    } else if (st.key !== s.key) {
      fail(`the stream belongs to the key ${st.key}, this batch is sealed by ${s.key}`, r.seq);
    } else if (st.app !== s.app || st.environment !== s.environment) {
      fail('the stream is of another app or environment than this batch', r.seq);
    }
  }

  previous(r, s, st) {
    if (st.sealGaps !== this.gaps) return; // the last seal may be among what is left out
    if (st.sealed ? r.prevSeq !== st.sealSeq : r.prevSeq !== null) fail('prev_seq does not name the stream\'s last seal', r.seq);
    if (st.lossy) return; // the seal that prev names may be among what was lost
    if ((s.prev !== null) !== st.sealed || (st.sealed && !same(s.prev, st.hash))) fail('the chain of seals of this stream is broken', r.seq);
  }

  /** Whether the seal's key may seal; and what the batch's own events do to the keys. */
  async key(r, s, start, shown) {
    const id = keyID(s.key);
    const acts = shown.filter((e) => e.event && (e.type === 'emitter_enrolled' || e.type.startsWith('key_')));
    const about = (e, type, object) => e.type === type && e.objectType === object;
    if (s.count > 0 && (shown[0]?.seq ?? start) === 0) {
      const e = acts[0];
      if (e?.seq !== 0 || !about(e, 'emitter_enrolled', 'emitter_key') || e.objectID !== id) fail('the first entry does not enrol the key that seals it, as the first entry of every log does', 0);
      this.storeKey = s.key;
      this.enrolled.set(id, { enrolled: 0, revoked: null });
    }
    const k = this.enrolled.get(id);
    if (!k) fail(`no entry that is here enrols the sealing key ${s.key}`, r.seq);
    if (k.revoked !== null) fail(`the sealing key ${s.key} was revoked at seq ${k.revoked}`, r.seq);
    k.sealed = true;
    if (s.key !== this.storeKey) {
      this.foreign += acts.length;
      return;
    }
    for (const e of acts) {
      if (about(e, 'emitter_enrolled', 'emitter_key') && !this.enrolled.has(e.objectID)) this.enrolled.set(e.objectID, { enrolled: e.seq, revoked: null });
      if (about(e, 'key_revoked', 'emitter_key') && this.enrolled.has(e.objectID)) this.enrolled.get(e.objectID).revoked = e.seq;
      if (about(e, 'key_rotated', 'log_key')) await this.handover(e);
    }
  }

  async handover(e) {
    const raw = typeof e.handover === 'string' ? base64(e.handover) : undefined;
    let h;
    try {
      h = await openHandover(this.keys, raw ?? new Uint8Array(0));
    } catch (err) {
      if (err instanceof Failure) fail(err.message, e.seq);
      throw err;
    }
    if (h.size > e.seq) fail(`the handover of the log's key says that the log had ${h.size} entries already`, e.seq);
    this.told.push({ seq: e.seq, message: h.message });
  }

  atEnd(chain) {
    const { manifest: m, cp } = this;
    const missed = m.context[this.contextual];
    if (missed !== undefined) fail('the manifest names this entry as context, and it is not here as an event or a stub', missed);
    for (const k of m.keys) {
      const got = this.enrolled.get(keyID(k.key));
      if (!got || got.enrolled !== k.enrolled || got.revoked !== k.revoked) fail(`what the manifest says of the enrolment and revocation of ${k.key} is not what the entries say`, k.enrolled);
    }
    const listed = new Set(m.keys.map((k) => keyID(k.key)));
    for (const [id, k] of this.enrolled) {
      if (k.sealed && !listed.has(id)) fail('the manifest does not list the key that this entry enrols, of which a seal is here', k.enrolled);
    }
    const w = m.whole;
    if (w) {
      if (this.covered !== w.last + 1) fail(`the entries from here to ${w.last} are said to be accounted for, and no seal or loss that is here says what they are`, this.covered);
      if (w.first > m.searched.first && (m.searched.from === '' || this.firstAt >= m.searched.from)) fail('what is accounted for begins here, and nothing shows that no entry before it was asked for', w.first);
      if (w.last < Math.min(m.searched.last, cp.size - 1) && (m.searched.till === '' || this.wholeAt < m.searched.till)) fail('what is accounted for ends here, and nothing shows that no entry behind it was asked for', w.last);
    }
    chain.forEach((h, i) => {
      if (this.told[i]?.message !== h.message) fail('logkeys has a handover of which the log does not tell');
    });
    if (this.told.length > chain.length + 1) fail('the log tells of more handovers than logkeys has', this.told[chain.length].seq);
    if (this.told.length > chain.length) this.remarks.push(`At seq ${this.told[chain.length].seq} the log begins to change its key, which was not finished when this file was made.`);
    if (this.foreign > 0) this.remarks.push(`${this.foreign} events claim what only the store itself may say; they count for nothing.`);
    this.report.handovers = chain.map((h) => ({ old: h.old, next: h.next, time: h.time }));
  }
}
