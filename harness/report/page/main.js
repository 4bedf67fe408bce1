// The address determines what is shown; buttons and keys change the address.

const KEYS = [
  ["/", "search"], ["j  k", "next and previous row"], ["Enter", "open the row"], ["Esc", "back to the table"],
  ["d  f  a", "differences, not as expected, all"], ["b", "use the next kernel as baseline"],
  ["h  l  ← →", "in an open case: previous and next kernel"], ["n  p", "next and previous shown row"], ["t", "theme"], ["?", "this help"],
];
const MANY_KERNELS = 6;
const THEMES = ["auto", "light", "dark"];
const KINDS = { case: showCase, trait: showTrait, splat: showSplat };
let tableScroll = 0;
let focused = "";
let drawn = "";
let summarized = "";

function go(changes, { replace = false } = {}) {
  const now = readAddress();
  const to = address({ case: now.get("case"), trait: now.get("trait"), splat: now.get("splat"), info: now.get("info"), ...changes });
  if (replace) {
    replaceAddress(to);
    route();
  } else location.hash = to;
}

function replaceAddress(to) {
  window.history.replaceState(null, "", to);
}

function drawSummary() {
  const base = baseline();
  document.body.classList.toggle("one", kernels.length === 1);
  [...document.querySelectorAll("#kernels tbody tr")].forEach((row, at) => {
    const counts = {};
    for (const one of rows) if (one.changes[at]) counts[one.changes[at]] = (counts[one.changes[at]] || 0) + 1;
    const marks = Object.keys(CHANGES).filter((name) => counts[name]).map((name) => h("span", { class: `mark m-${name}` }, `${CHANGES[name][0]} ${counts[name]} ${CHANGES[name][1]}`));
    row.querySelector(".against").replaceChildren(...(at === base ? ["the baseline"] : marks.length ? marks : ["no difference"]));
    row.querySelector(".letter").replaceChildren(h("a", { href: address({ info: letters[at] }) }, letters[at]));
  });
  $("headline").replaceChildren(...headlineWords(base));
  $("changes").replaceChildren(...changeBoxes());
  $("baseline").value = letters[base];
}

function headlineWords(base) {
  const cut = kernels.filter((one) => !one.complete).map((one) => one.letter);
  const warning = cut.length ? [h("span", { class: "mark m-flaky" }, `${kernels.length === 1 ? "This run" : cut.join(", ")} did not finish: interrupted or killed.`), " "] : [];
  return [...warning, ...verdictWords(base)];
}

function verdictWords(base) {
  if (kernels.length === 1) {
    const bad = rows.filter((row) => row.isBad && row.kind === "case").length;
    return [bad ? h("span", { class: "mark m-bad" }, `✗ ${bad} of ${plural(data.cases.length, "case")} not as expected`) : h("span", { class: "mark m-fixed" }, `✓ ${plural(data.cases.length, "case")}, all as expected`), ` on ${kernels[0].spec}`];
  }
  const regressed = rows.filter((row) => row.changes.includes("regressed"));
  const kinds = ["trait", "case", "splat"].map((kind) => [kind, regressed.filter((row) => row.kind === kind).length]).filter(([, number]) => number);
  const rest = rows.filter((row) => row.differs).length - regressed.length;
  const compared = ` compared with ${letters[base]}, ${kernels[base].spec}`;
  if (!regressed.length && !rest) return [h("span", { class: "mark m-fixed" }, "✓ No difference"), compared];
  const first = regressed.length ? h("span", { class: "mark m-regressed" }, `▼ ${kinds.map(([kind, number]) => plural(number, kind)).join(", ")} regressed`) : h("span", { class: "mark m-fixed" }, "✓ Nothing regressed");
  return [first, rest ? `, ${rest} more differ` : "", compared];
}

// The first changed rows by kind of change, worst first; for one kernel the rows that are not as expected.
function changeBoxes() {
  const most = 6;
  const box = (sign, title, found, to) => h("section", { class: "change" }, h("h2", {}, sign, ` ${title}: ${found.length}`),
    h("ul", {}, found.slice(0, most).map((row) => h("li", {}, h("a", { href: rowAddress(row, to(row)) }, row.name), " ", h("span", { class: "to" }, wordsOf(row, to(row)))))),
    found.length > most ? h("small", {}, `and ${found.length - most} more below`) : null);
  if (kernels.length === 1) {
    const failed = rows.filter((row) => row.isBad);
    return failed.length ? [box(h("span", { class: "mark m-bad" }, "✗"), "not as expected", failed, () => 0)] : [];
  }
  return Object.entries(CHANGES).map(([change, [, word]]) => [change, word, rows.filter((row) => row.changes.includes(change))])
    .filter(([, , found]) => found.length)
    .map(([change, word, found]) => box(mark(change), word, found, (row) => row.changes.indexOf(change)));
}

function wordsOf(row, at) {
  if (kernels.length === 1) return row.words[0];
  const more = row.changes.filter((change) => change === row.changes[at]).length - 1;
  return `${row.words[baseline()] || "-"} → ${row.words[at] || "-"} on ${letters[at]}${more ? ` and ${more} more` : ""}`;
}

async function route() {
  const now = readAddress();
  const base = letters[baseline()];
  if (drawn !== base) {
    compareAll();
    drawn = base;
  }
  visible = findVisible();
  const kind = Object.keys(KINDS).find((name) => now.has(name));
  const info = letters.indexOf(now.get("info"));
  const row = kind && rows.find((one) => one.kind === kind && one.key === now.get(kind));
  if (row || info >= 0) await showPage(row ? KINDS[kind](row) : showKernel(info), location.hash);
  else showTable();
}

async function showPage(making, address_) {
  const isNew = $("page-view").hidden || focused !== address_.replace(/&?kernel=[A-Z]+/, "");
  if (!$("table-view").hidden) tableScroll = scrollY;
  let parts;
  try {
    parts = await making;
  } catch (error) {
    parts = [crumbs(null), h("p", { class: "notice" }, `This part of the page cannot be read: ${error.message}. The file may be truncated, or the browser is older than 2023.`)];
  }
  if (address_ !== location.hash) return;
  $("page-view").replaceChildren(...parts.flat(3).filter(Boolean));
  $("table-view").hidden = true;
  $("page-view").hidden = false;
  if (isNew) {
    scrollTo(0, 0);
    if ($("title")) $("title").focus({ preventScroll: true });
  }
  focused = address_.replace(/&?kernel=[A-Z]+/, "");
}

function showTable() {
  const wasAway = $("table-view").hidden;
  $("page-view").hidden = true;
  $("table-view").hidden = false;
  $("query").value = document.activeElement === $("query") ? $("query").value : readAddress().get("q") || "";
  if (summarized !== drawn) drawSummary();
  summarized = drawn;
  drawTable();
  if (wasAway) {
    scrollTo(0, tableScroll);
    const name = new URLSearchParams(focused.slice(1));
    const row = rows.find((one) => one.element && name.get(one.kind) === one.key);
    if (row && row.element.isConnected) row.element.querySelector("a").focus({ preventScroll: true });
  }
}

function moveRow(step) {
  const links = [...$("table").querySelectorAll("tbody th a")];
  const at = links.indexOf(document.activeElement);
  const to = links[Math.min(links.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  if (to) {
    to.focus({ preventScroll: true });
    to.scrollIntoView({ block: "nearest" });
  }
}

function moveKernel(step) {
  const tab = document.querySelector(".tabs a[aria-current]");
  const to = tab && (step > 0 ? tab.parentElement.nextElementSibling : tab.parentElement.previousElementSibling);
  if (to) location.hash = to.firstElementChild.getAttribute("href");
}

function follow(key) {
  const link = document.querySelector(`.crumbs a[aria-keyshortcuts="${key}"]`);
  if (link) location.hash = link.getAttribute("href");
}

function setTheme(theme) {
  if (theme === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", theme);
  $("theme").textContent = `Theme: ${theme}`;
  try { localStorage.setItem("harness-theme", theme); } catch { /* a page from disk may have no storage */ }
}

function nextTheme() {
  const now = document.documentElement.getAttribute("data-theme") || "auto";
  setTheme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const isPage = $("table-view").hidden;
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (isTyping) {
    if (event.key === "Escape" && event.target.id === "query") { $("query").value = ""; go({ q: null }, { replace: true }); event.target.blur(); }
    if (event.key === "Enter" && event.target.id === "query") moveRow(0);
    return;
  }
  const keys = {
    "?": () => $("help").showModal(), "t": nextTheme,
    "/": () => {
      // At once, or the next typed characters would be taken for keys.
      if (isPage) { follow("Escape"); showTable(); }
      $("query").focus();
      $("query").select();
    },
    ...(isPage
      ? { "Escape": () => follow("Escape"), "n": () => follow("n"), "p": () => follow("p"), "h": () => moveKernel(-1), "l": () => moveKernel(1), "ArrowLeft": () => moveKernel(-1), "ArrowRight": () => moveKernel(1) }
      : { "j": () => moveRow(1), "k": () => moveRow(-1), "ArrowDown": () => moveRow(1), "ArrowUp": () => moveRow(-1), "a": () => go({ show: "all" }), "f": () => go({ show: "failures" }), "d": () => go({ show: "changes" }),
        "b": () => go({ base: letters[(baseline() + 1) % letters.length] }), "Escape": () => go({ q: null }) }),
  };
  // Arrows scroll a page; they move between rows only if a row has the focus.
  if (event.key.startsWith("Arrow") && !isPage && !(document.activeElement && document.activeElement.closest("#table tbody"))) return;
  if (Object.hasOwn(keys, event.key)) {
    event.preventDefault();
    keys[event.key]();
  }
}

function start() {
  makeRows();
  listenToCells();
  $("toolbar").hidden = false;
  $("kernels-fold").open = kernels.length <= MANY_KERNELS;
  $("baseline").append(...kernels.map((kernel) => h("option", { value: kernel.letter }, `${kernel.letter}  ${kernel.spec}`)));
  document.querySelector(".base").hidden = kernels.length === 1;
  $("baseline").addEventListener("change", () => go({ base: $("baseline").value }));
  $("query").addEventListener("input", () => go({ q: $("query").value }, { replace: true }));
  $("theme").addEventListener("click", nextTheme);
  $("help-button").addEventListener("click", () => $("help").showModal());
  $("skip").addEventListener("click", (event) => { event.preventDefault(); $("table").focus(); $("table").scrollIntoView(); });
  $("help").append(h("h2", { id: "help-title" }, "Keys"), h("dl", { class: "facts" }, KEYS.map(([key, action]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, action)])),
    h("button", { type: "button", onclick: () => $("help").close() }, "Close"));
  $("legend").append(...Object.entries(CHANGES).filter(() => kernels.length > 1).map(([name, [sign, word]]) => h("span", {}, h("b", { class: `mark m-${name}` }, sign), ` ${word}`)),
    h("span", {}, "* differs from its profile"), ...data.outcomes.map(({ word, name }) => h("span", {}, h("code", {}, word), ` ${name}`)), h("span", {}, h("code", {}, "know"), " known to fail, or not a regression"), h("span", {}, h("code", {}, "FLAK"), " failed sometimes"));
  let theme = "auto";
  try { theme = localStorage.getItem("harness-theme") || "auto"; } catch { /* as above */ }
  setTheme(THEMES.includes(theme) ? theme : "auto");
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", route);
  addEventListener("resize", () => { if (!$("table-view").hidden) fitTable(); });
  addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });
  route();
}

start();
