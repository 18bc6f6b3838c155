// Keys, times in the browser's own zone, and the check of a proof. Every page works without this file.
"use strict";

// ---- times

function localTimes(root) {
  if (document.body.dataset.times !== "local") return;
  for (const t of root.querySelectorAll("time[datetime]")) {
    const at = new Date(t.dateTime);
    if (isNaN(at)) continue;
    const two = (n) => String(n).padStart(2, "0");
    t.textContent = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  }
}
localTimes(document);

// oneHeading takes away the heading of a day that stands above it already: each answer with rows begins with one.
function oneHeading() {
  let day = "";
  for (const li of document.querySelectorAll("#rows .day")) {
    if (li.textContent === day) li.remove();
    day = li.textContent;
  }
}

document.body.addEventListener("htmx:beforeSwap", (e) => {
  if (!new URL(e.detail.xhr.responseURL).pathname.endsWith("/login")) return;
  e.detail.shouldSwap = false; // the session has ended, and the form is a page of its own
  location.reload();
});

document.body.addEventListener("htmx:afterSwap", () => {
  localTimes(document);
  oneHeading();
});

// ---- live results

// The stream says that something came, and htmx then asks for the rows. The browser begins a stream that broke off again, behind
// the last thing that it said.
const maxLive = 1000; // rows of a page; a tab may stay open for weeks
const live = () => document.getElementById("live");
if (live()) {
  const stream = new EventSource(live().dataset.tail);
  let asking = false, news = false;
  const say = (words) => live()?.querySelector("span").replaceChildren(words);
  const end = (why) => {
    stream.close();
    say(`Live results have ended: ${why}. Load this page again to go on.`);
  };
  const ask = () => {
    news = true;
    if (asking) return;
    asking = true;
    news = false;
    htmx.trigger(live(), "news");
  };
  stream.addEventListener("entry", ask);
  stream.addEventListener("searched", (e) => {
    if (JSON.parse(e.data).below > Number(live()?.dataset.below)) ask();
  });
  stream.addEventListener("end", (e) => say(`The server ended this: ${JSON.parse(e.data)}. Trying again.`));
  stream.addEventListener("open", () => say("Live: what comes appears here."));
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) end("the server gives no more");
    else say("The connection broke off. Trying again.");
  });
  document.body.addEventListener("htmx:afterRequest", (e) => {
    if (!e.detail.requestConfig || !e.detail.requestConfig.path.includes("after=")) return;
    if (document.querySelector("#rows .row")) document.querySelector(".empty")?.remove();
    if (document.querySelectorAll("#rows .row").length > maxLive) return end(`${maxLive} are enough for one page`);
    setTimeout(() => {
      asking = false;
      if (news || !e.detail.successful) ask();
    }, e.detail.successful ? 500 : 5000);
  });
}

// ---- keys

function listed() {
  return [...document.querySelectorAll(".row .what, .list-item")];
}

function move(by) {
  const all = listed();
  if (all.length === 0) return;
  const at = all.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
  all[next].focus();
  all[next].scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
  const at = e.target;
  if (at instanceof Element && at.closest("input, textarea, select")) {
    if (e.key === "Escape") at.blur();
    return;
  }
  switch (e.key) {
    case "/": {
      const box = document.getElementById("q");
      if (!box) return;
      box.focus();
      box.select();
      break;
    }
    case "j": move(1); break;
    case "k": move(-1); break;
    case "?": location.href = "help"; break;
    case "v": {
      const button = document.getElementById("verify");
      if (!button) return;
      button.click();
      break;
    }
    default: return;
  }
  e.preventDefault();
});

// ---- a tree: what was opened is closed, and opened again without asking again

document.addEventListener("click", (e) => {
  const at = e.target instanceof Element && e.target.closest("tr[data-depth] a[aria-expanded]");
  if (!at || e.ctrlKey || e.metaKey || e.shiftKey) return;
  const open = at.getAttribute("aria-expanded") !== "true";
  at.setAttribute("aria-expanded", open);
  const row = at.closest("tr"), depth = Number(row.dataset.depth);
  let closed = Infinity; // what is deeper stays hidden
  for (let r = row.nextElementSibling; r && Number(r.dataset.depth) > depth; r = r.nextElementSibling) {
    const own = Number(r.dataset.depth);
    if (own <= closed) closed = Infinity;
    r.hidden = !open || own > closed;
    if (!r.hidden && r.querySelector('[aria-expanded="false"]')) closed = own;
  }
});

// ---- the proof

const utf8 = new TextEncoder();

function hex(b) {
  return [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
}

function base64(b) {
  return btoa(String.fromCharCode(...b));
}

function fromBase64(s) {
  const b = Uint8Array.from(atob(s), (c) => c.charCodeAt(0));
  if (base64(b) !== s) throw new Error("base64 that is not canonical");
  return b;
}

function same(a, b) {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

async function sha256(...parts) {
  const whole = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    whole.set(p, at);
    at += p.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

const leafHash = (b) => sha256(new Uint8Array([0]), b);
const nodeHash = (l, r) => sha256(new Uint8Array([1]), l, r);

// members cuts a JSON object into the exact texts of its members: parsing would lose the bytes that are hashed.
function members(text) {
  const out = {};
  let at = 0;
  const expect = (c) => {
    if (text[at] !== c) throw new Error(`${c} is expected at ${at}`);
    at++;
  };
  const string = () => {
    const from = at;
    expect('"');
    while (text[at] !== '"') {
      if (at >= text.length) throw new Error("a string does not end");
      at += text[at] === "\\" ? 2 : 1;
    }
    at++;
    return text.slice(from, at);
  };
  const value = () => {
    const from = at;
    let depth = 0;
    while (at < text.length) {
      const c = text[at];
      if (c === '"') {
        string();
        if (depth === 0) break;
        continue;
      }
      if (depth === 0 && (c === "," || c === "}")) break;
      if (c === "{" || c === "[") depth++;
      if (c === "}" || c === "]") depth--;
      at++;
      if (depth === 0 && (c === "}" || c === "]")) break;
    }
    return text.slice(from, at);
  };
  expect("{");
  while (text[at] !== "}") {
    const key = JSON.parse(string());
    expect(":");
    if (Object.hasOwn(out, key)) throw new Error(`${key} stands there twice`);
    out[key] = value();
    if (text[at] === ",") at++;
  }
  return out;
}

// rootFrom goes from a leaf to the root (RFC 9162, 2.1.3.2).
async function rootFrom(index, size, leaf, path) {
  if (index >= size) throw new Error("the number is beyond the tree");
  let n = BigInt(index), last = BigInt(size) - 1n, root = leaf;
  for (const p of path) {
    if (last === 0n) throw new Error("the path is too long");
    if (n & 1n || n === last) {
      root = await nodeHash(p, root);
      while (!(n & 1n) && n !== 0n) {
        n >>= 1n;
        last >>= 1n;
      }
    } else {
      root = await nodeHash(root, p);
    }
    n >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) throw new Error("the path is too short");
  return root;
}

async function rootOf(leaves) {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0];
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return nodeHash(await rootOf(leaves.slice(0, k)), await rootOf(leaves.slice(k)));
}

// signed says whether a note carries a good signature by a verifier key (C2SP signed-note).
async function signed(note, vkey) {
  const [, name, id, key] = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(vkey) || [];
  if (!name) throw new Error("a key that is none");
  const bytes = fromBase64(key);
  if (bytes.length !== 33 || bytes[0] !== 1) throw new Error("a key that is not Ed25519");
  const sum = hex((await sha256(utf8.encode(name + "\n"), bytes)).slice(0, 4));
  if (sum !== id) throw new Error("the key is not what its name says");
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0) throw new Error("a note without signatures");
  const text = note.slice(0, cut + 1);
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", bytes.slice(1), "Ed25519", false, ["verify"]);
  } catch (e) {
    return { state: "unknown", text, why: "this browser knows no Ed25519" };
  }
  for (const line of note.slice(cut + 2).split("\n")) {
    const [, who, sig] = /^\u2014 (\S+) (\S+)$/.exec(line) || [];
    if (who !== name) continue;
    const b = fromBase64(sig);
    if (hex(b.slice(0, 4)) !== id) continue;
    const good = await crypto.subtle.verify("Ed25519", imported, b.slice(4), utf8.encode(text));
    return { state: good ? "good" : "bad", text };
  }
  return { state: "bad", text };
}

// get is an entry as the log has it now, with its way to a checkpoint.
async function get(address) {
  const answer = await fetch(address, { cache: "no-store", redirect: "error" });
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await answer.arrayBuffer());
  const m = members(text.trimEnd());
  return {
    raw: utf8.encode(m.entry), text: m.entry, seq: JSON.parse(m.seq), size: JSON.parse(m.size),
    path: JSON.parse(m.proof).map(fromBase64), note: JSON.parse(m.checkpoint),
  };
}

class Refused extends Error {}

// included checks that an entry is under its checkpoint.
async function included(e) {
  const lines = e.note.split("\n");
  const root = await rootFrom(e.seq, e.size, await leafHash(e.raw), e.path);
  if (Number(lines[1]) !== e.size || !same(root, fromBase64(lines[2]))) {
    throw new Refused(`the hashes lead to root ${base64(root)}, and the checkpoint was signed over ${lines[2]}`);
  }
  return lines[2];
}

async function sealed(e, seal, step) {
  const note = JSON.parse(members(members(seal.text).seal).note);
  const say = (name) => (new RegExp(`^${name} (.*)$`, "m").exec(note) || [])[1];
  const count = Number(say("count"));
  const ok = await signed(note, say("key"));
  if (ok.state === "bad") throw new Refused("the seal's signature is not by the key that it names");
  if (count > 64) {
    return step("Seal", "unknown", `not checked here: ${count} events stand under it, which would all have to be fetched`);
  }
  const leaves = [];
  for (let seq = seal.seq - count; seq < seal.seq; seq++) {
    const one = seq === e.seq ? e : await get(`v1/entries/${seq}`);
    const event = members(one.text).event;
    if (!event) {
      return step("Seal", "unknown", "not checked here: one of its events was refused and is not in the log");
    }
    leaves.push(await leafHash(utf8.encode(event)));
  }
  const root = base64(await rootOf(leaves));
  if (root !== say("root")) throw new Refused(`the events under the seal have root ${root}, and it was signed over ${say("root")}`);
  step("Seal", ok.state === "good" ? "good" : "unknown",
    ok.state === "good" ? `${count} events are what ${say("key").split("+")[0]} signed` : `the hashes agree; its signature is not checked, because ${ok.why}`);
}

async function check(button, step) {
  const { source, seq, key, seal } = button.dataset;
  const e = await get(source);
  if (e.seq !== Number(seq)) throw new Refused("the log gave another entry");
  step("Entry", "good", `${e.raw.length} bytes fetched from the log`);
  const bytes = document.getElementById("bytes"), shown = bytes.textContent, cut = "left" in bytes.dataset;
  if (cut ? !shown || !e.text.startsWith(shown) : shown !== e.text) throw new Refused("this page does not show the bytes that the log gives");
  step("This page", "good", cut ? "shows the beginning of these bytes" : "shows these bytes");
  const leaf = hex(await leafHash(e.raw));
  step("Leaf hash", "good", `SHA-256 of 0x00 and the bytes: ${leaf}`);
  const root = await included(e);
  step("Path", "good", `${e.path.length} hashes lead from it to the root ${root} of ${e.size} entries`);
  const cp = await signed(e.note, key);
  if (cp.state === "bad") throw new Refused("the checkpoint is not signed by the log's key");
  step("Checkpoint", cp.state, cp.state === "good" ? `signed by ${key}: compare it with the key that you wrote down` : `not checked, because ${cp.why}`);
  if (!seal) {
    step("Seal", "unknown", "not checked: this entry stands under none");
  } else if (Number(seal) !== e.seq) {
    const over = await get(`v1/entries/${seal}`);
    await included(over);
    await sealed(e, over, step);
  }
}

const verify = document.getElementById("verify");
if (verify) {
  const list = document.getElementById("steps");
  const words = { good: "Verified", bad: "Refused", unknown: "Not checked" };
  const step = (name, state, text) => {
    const li = document.createElement("li");
    li.className = state;
    const b = document.createElement("strong");
    b.textContent = `${words[state]}: ${name}`;
    li.append(b, ` ${text}`);
    list.append(li);
    return state;
  };
  verify.hidden = false;
  verify.addEventListener("click", async () => {
    list.replaceChildren();
    list.dataset.result = "";
    verify.disabled = true;
    let worst = "good";
    try {
      if (!window.isSecureContext || !crypto.subtle) {
        worst = step("All of it", "unknown", "this browser does no cryptography on a page that came over plain http from another machine; use https, or stet verify");
      } else {
        await check(verify, (name, state, text) => {
          if (state !== "good" && worst === "good") worst = state;
          return step(name, state, text);
        });
      }
    } catch (e) {
      const refused = e instanceof Refused;
      worst = step(refused ? "What is stored" : "The check", "bad", refused ? e.message : `it could not be done: ${e.message}`);
    }
    step(worst === "good" ? "All steps" : "The result", worst, { good: "this entry is in the log, as its checkpoint and its seal were signed", bad: "this entry is not what was signed", unknown: "some steps could not be checked" }[worst]);
    list.dataset.result = worst;
    verify.disabled = false;
  });
}
