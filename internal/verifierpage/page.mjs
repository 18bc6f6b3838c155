// The page around the verifier. It stands behind verify.mjs in one script.

const $ = (id) => document.getElementById(id);
const make = (tag, props = {}, ...inside) => {
  const e = Object.assign(document.createElement(tag), props);
  e.append(...inside);
  return e;
};
const count = (n, one, many) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

let file, turn = 0;

async function run() {
  const mine = ++turn, key = $('key').value.trim();
  $('key-bad').textContent = key && badKey(key);
  $('answer').replaceChildren();
  $('answer').className = '';
  $('more').hidden = true;
  $('run').hidden = true;
  if (!file || $('key-bad').textContent) return;
  $('run').hidden = false;
  $('doing').textContent = `Verifying ${file.name}`;
  $('bar').removeAttribute('value');
  let shown = performance.now();
  try {
    const answer = await verify(file, {
      key,
      progress: async (done, total) => {
        if (mine !== turn) throw new Error('another file was chosen');
        if (performance.now() - shown < 60) return;
        $('bar').max = Math.max(total, done, 1);
        $('bar').value = done;
        $('doing').textContent = `Verifying ${file.name}: ${done.toLocaleString('en')} of ${count(total, 'entry', 'entries')}`;
        await new Promise((resume) => { setTimeout(resume); });
        shown = performance.now();
      },
    });
    if (mine === turn) show(answer);
  } catch (e) {
    if (mine === turn) show({ state: NOT_CHECKED, word: NOT_CHECKED, why: `this page broke: ${e.message}`, remarks: [] });
  } finally {
    if (mine === turn) $('run').hidden = true;
  }
}

function show({ state, word, why, seq, remarks, manifest, report }) {
  const kind = { [VERIFIED]: 'verified', [FAILED]: 'failed' }[state] ?? 'unsure';
  const sign = { verified: '✔', failed: '✖', unsure: '?' }[kind];
  const said = word === NOT_CHECKED ? `not checked, because ${why}` : word;
  const lines = [make('p', { className: 'word', id: 'word' }, make('span', { ariaHidden: 'true' }, `${sign} `), said), make('p', {}, make('bdi', {}, file.name))];
  if (kind === 'verified') lines.push(make('p', {}, 'These entries are, byte for byte, what the holder of the log’s key signed as being in it, and each event is what the holder of an enrolled key sealed.'));
  if (kind === 'failed') lines.push(make('p', {}, seq === undefined ? 'The file is not what its maker says: ' : `At entry ${seq}: `, make('bdi', {}, why), '.'));
  if (word === AUTHOR_UNKNOWN) lines.push(make('p', {}, 'The file agrees with itself, and nobody outside it vouches for its key: anybody could have made it. Give the log’s verifier key above.'));
  $('answer').className = kind;
  $('answer').replaceChildren(...lines);
  $('answer').focus({ preventScroll: true });
  if (kind === 'failed' || !manifest || !report.key) return; // nothing it says is worth showing
  const facts = [];
  const fact = (name, ...what) => facts.push(make('dt', {}, name), make('dd', {}, ...what.map((w) => make('bdi', {}, w))));
  const { asked, searched, whole, log, context } = manifest;
  fact('asked for', asked.query === '' ? 'everything' : asked.query);
  fact('by', `${asked.by}, at ${asked.at}, with ${asked.tool} (the word of whoever made the file)`);
  fact('searched', `entries ${searched.first} to ${searched.last}${searched.from && `, received from ${searched.from}`}${searched.till && `, received before ${searched.till}`}`);
  fact('found', `${count(report.found, 'entry', 'entries')} in exact bytes, under ${count(report.seals, 'seal', 'seals')}; ${context.length} more only to check these`);
  if (report.from) fact('received', `from ${report.from} to ${report.till}`);
  fact('whole', whole ? `entries ${whole.first} to ${whole.last} are accounted for, ${report.hidden} of them by their hash alone` : 'no: what the query finds may have been left out');
  fact('log', log.origin);
  fact('checkpoint', `over ${count(log.size, 'entry', 'entries')}, root ${log.root}`);
  fact('key', report.key);
  for (const h of report.handovers) fact('since', `${h.time} in the place of ${h.old}`);
  $('facts').replaceChildren(...facts);
  $('remarks').replaceChildren(...remarks.map((r) => make('p', {}, r)));
  $('unchecked').replaceChildren(...NOT_LOOKED_AT.map((n) => make('li', {}, n)), ...(word === AUTHOR_UNKNOWN ? [make('li', {}, 'Whose the log’s key is.')] : []));
  $('more').hidden = false;
}

const take = (files) => {
  if (files.length === 0) return;
  [file] = files;
  run();
};
$('form').addEventListener('submit', (e) => {
  e.preventDefault();
  run();
});
$('key').addEventListener('change', run);
$('file').addEventListener('click', (e) => { e.target.value = ''; }); // so that the same file can be chosen again
$('file').addEventListener('change', (e) => take(e.target.files));
for (const type of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  document.addEventListener(type, (e) => {
    e.preventDefault();
    $('drop').classList.toggle('over', type === 'dragenter' || type === 'dragover');
    if (type === 'drop') take(e.dataTransfer.files);
  });
}
if (missing()) {
  $('answer').className = 'unsure';
  $('answer').replaceChildren(make('p', { className: 'word', id: 'word' }, `? not checked, because ${missing()}`));
}
