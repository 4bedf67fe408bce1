// The table: rows of traits, cases and splats, columns of kernels; differences from the baseline are marked.

const SHOWN_AT_ONCE = 150;
let rows = [];
let visible = [];

function makeRows() {
  const themes = [...new Set(data.traits.map((trait) => trait.theme))];
  const traits = themes.flatMap((theme) => data.traits.filter((trait) => trait.theme === theme));
  rows = [
    ...traits.map((trait) => ({
      kind: "trait", name: trait.name, key: trait.name, title: trait.meaning, of: trait,
      group: `Traits${trait.theme ? `: ${trait.theme}` : ""}`,
      words: trait.cells.map((cell) => (cell ? texts[cell[0]] || "-" : "")),
      failed: trait.cells.map((cell) => Boolean(cell && cell[0] && cell[1] && cell[2] && cell[0] !== cell[1])),
      why: trait.cells.map((cell) => traitWhy(cell)),
    })),
    ...data.cases.map((one, at) => ({
      kind: "case", name: one.id, key: one.id, title: one.title, of: one, at, group: `Cases: ${one.id.replace(/(\/|::)[^/]*$/, "")}`,
      words: one.cells.map((cell) => (cell ? texts[cell[5]] : "")),
      failed: one.cells.map((cell) => Boolean(cell && (data.outcomes[cell[0]].failed || data.outcomes[cell[0]].name === "error"))),
      why: one.cells.map((cell) => (cell ? texts[cell[4]] : "not in this run")),
    })),
    ...data.splats.map((splat) => ({
      kind: "splat", name: splat.title, key: splat.fingerprint, title: `${splat.kind}, fingerprint ${splat.fingerprint}`, of: splat,
      group: "Splats of the kernel log",
      words: splat.cells.map((cases) => (cases.length ? plural(cases.length, "case") : "")),
      failed: splat.cells.map((cases) => cases.length > 0),
      why: splat.cells.map((cases) => cases.map((at) => data.cases[at].id).join(", ")),
    })),
  ];
  for (const row of rows) {
    row.hay = [row.name, row.title, row.kind, ...new Set(row.why), ...new Set(row.words)].join(" ").toLowerCase();
  }
}

function traitWhy(cell) {
  if (!cell) return "";
  const [value, expected, confirmed, known, where] = cell.map((index, at) => (at === 2 ? index : texts[index]));
  const profile = expected ? `its profile expects ${expected}${confirmed ? "" : " (unconfirmed)"}` : "";
  return [value ? "" : "no case shows it", profile, known, where ? `seen at ${where}` : ""].filter(Boolean).join("; ");
}

function changeOf(row, kernel, base) {
  if (kernel === base) return "";
  if (row.kind === "splat") {
    const change = splatChange(row.of, base, kernel);
    return change === "gone" && row.of.cells[base].every((at) => !data.cases[at].cells[kernel]) ? "unrun" : change;
  }
  const [before, after] = [row.of.cells[base], row.of.cells[kernel]];
  const same = isSameMachine(base, kernel);
  const change = row.kind === "trait" ? traitChange(before, after, same) : caseChange(before, after, same);
  return change === "gone" && kernels[kernel].part && (row.kind === "trait" || !after) ? "unrun" : change;
}

// Compute everything that depends on the baseline.
function compareAll() {
  const base = baseline();
  for (const row of rows) {
    row.changes = kernels.map((_, kernel) => changeOf(row, kernel, base));
    row.differs = row.changes.some((change) => change && change !== "unrun");
    row.isBad = row.failed.some(Boolean);
    row.element = null;
  }
}

const FILTERS = {
  changes: ["Differences", "d", (row) => row.differs],
  failures: ["Not as expected", "f", (row) => row.isBad],
  all: ["All", "a", () => true],
};

function defaultFilter() {
  if (kernels.length > 1 && rows.some((row) => row.differs)) return "changes";
  return rows.some((row) => row.isBad) ? "failures" : "all";
}

function chosenFilter() {
  const word = readAddress().get("show");
  return word in FILTERS ? word : defaultFilter();
}

function findVisible() {
  const words = (readAddress().get("q") || "").toLowerCase().split(/\s+/).filter(Boolean);
  const [, , isShown] = FILTERS[chosenFilter()];
  return rows.filter((row) => isShown(row) && words.every((word) => row.hay.includes(word)));
}

function rowAddress(row, kernel) {
  return address({ [row.kind]: row.key, kernel: kernel === undefined ? null : letters[kernel] });
}

function rowElement(row) {
  if (row.element) return row.element;
  const base = baseline();
  const cells = kernels.map((_, at) => {
    const [word, change] = [row.words[at], row.changes[at]];
    const names = [at === base ? "is-base" : "", row.failed[at] ? "failed" : "", change ? `differs c-${change}` : ""];
    const denied = row.kind === "trait" && row.failed[at] ? "*" : "";
    return h("td", { class: names.filter(Boolean).join(" ") }, mark(change), change ? " " : null, `${word}${denied}`);
  });
  row.element = h("tr", {}, h("th", { scope: "row" }, h("a", { href: rowAddress(row) }, row.name), h("small", {}, row.kind === "trait" ? "" : row.title)), cells);
  if (row.kind === "trait") row.element.title = row.title;
  drawnRows.set(row.element, row);
  return row.element;
}

const drawnRows = new WeakMap();

// Return row, kernel and cell of an event; an empty list outside of cells.
function cellAt(event) {
  const cell = event.target.closest("td");
  const row = cell && drawnRows.get(cell.parentElement);
  return row ? [row, cell.cellIndex - 1, cell] : [];
}

// One listener for all cells, and a title for a cell only when the pointer is on it: there are thousands.
function listenToCells() {
  $("table").addEventListener("click", (event) => {
    const [row, kernel] = cellAt(event);
    if (row) location.hash = rowAddress(row, kernel);
  });
  $("table").addEventListener("mouseover", (event) => {
    const [row, kernel, cell] = cellAt(event);
    if (!row || cell.title) return;
    const change = row.changes[kernel];
    cell.title = `${letters[kernel]}: ${[change && CHANGES[change][1], row.why[kernel]].filter(Boolean).join("; ") || row.words[kernel]}`;
  });
}

let drawing = 0;

function drawTable() {
  visible = findVisible();
  const base = baseline();
  const filter = chosenFilter();
  const head = h("tr", {}, h("th", { scope: "col" }, "Trait, case or splat"),
    kernels.map((kernel, at) => h("th", { scope: "col", class: at === base ? "is-base" : "", title: kernel.spec },
      h("a", { href: address({ info: kernel.letter }) }, h("b", {}, kernel.letter), kernels.length <= 8 ? h("small", {}, kernel.spec) : null))));
  const body = h("tbody");
  const table = h("table", {}, h("caption", { class: "hidden-text" }, "Rows of traits, cases and splats, columns of kernels"), h("thead", {}, head), body);
  const number = ++drawing;
  let group = "";
  const draw = (from) => {
    if (number !== drawing) return;
    const part = document.createDocumentFragment();
    for (const row of visible.slice(from, from + SHOWN_AT_ONCE)) {
      if (row.group !== group) {
        group = row.group;
        part.append(h("tr", { class: "group" }, h("th", { colspan: kernels.length + 1, scope: "colgroup" }, h("span", {}, group))));
      }
      part.append(rowElement(row));
    }
    body.append(part);
    if (from + SHOWN_AT_ONCE < visible.length) setTimeout(draw, 0, from + SHOWN_AT_ONCE);
    fitTable();
  };
  draw(0);
  if (!visible.length) body.append(h("tr", {}, h("td", { class: "empty", colspan: kernels.length + 1 }, emptyWords(filter))));
  $("table").replaceChildren(table);
  $("shown").textContent = `${visible.length} of ${plural(rows.length, "row")}`;
  drawChips(filter);
  fitTable();
}

function emptyWords(filter) {
  if (readAddress().get("q")) return "No shown row contains these words. Press a to search all rows.";
  if (filter === "changes") return "No difference from the baseline. Press a to see all rows.";
  return "Everything is as expected. Press a to see all rows.";
}

function drawChips(filter) {
  $("chips").replaceChildren(...Object.entries(FILTERS).filter(([name]) => name !== "changes" || kernels.length > 1).map(([name, [word, key, isShown]]) =>
    h("button", { type: "button", "aria-pressed": name === filter ? "true" : "false", "aria-keyshortcuts": key, title: `Key: ${key}`, onclick: () => go({ show: name }) },
      `${word} `, h("span", {}, String(rows.filter(isShown).length)))));
}

// A table wider than the window scrolls in its own frame; others scroll with the page.
function fitTable() {
  const frame = $("table");
  frame.classList.remove("wide");
  frame.classList.toggle("wide", frame.scrollWidth > frame.clientWidth + 1);
  document.documentElement.style.setProperty("--bar", `${$("toolbar").offsetHeight}px`);
}
