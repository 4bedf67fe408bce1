// The pages of a trait (values, decisions, cases that show it) and of a splat.

async function showTrait(row) {
  const stories = await packed("stories");
  const story = stories.traits[row.name] || {};
  const known = new Set(data.cases.map((one) => one.id.replace(/::.*/, "")));
  return [
    crumbs(row), heading(row.name, row.of.meaning),
    section("Behavior of each kernel", valueTable(row, story.values || {})),
    story.story && story.story.length ? section("Story", story.story.map((part) => h("p", {}, part))) : null,
    story.decisions && story.decisions.length ? section("Changes over time", past(story.decisions)) : null,
    history(stories.trait_history[row.name], stories.history_note, true),
    story.cases && story.cases.length ? section("Cases that observe it", h("ul", {}, story.cases.map(([path, line]) =>
      h("li", {}, known.has(path) ? h("a", { class: "mono", href: caseAddress(path) }, path) : h("code", {}, path), h("small", {}, ` line ${line}`))))) : null,
  ];
}

function caseAddress(path) {
  const found = data.cases.find((one) => one.id === path || one.id.startsWith(`${path}::`));
  return address({ case: found.id, kernel: null });
}

function valueTable(row, values) {
  const base = baseline();
  return h("div", { class: "scroll" }, h("table", { class: "values" },
    h("thead", {}, h("tr", {}, ["", "Kernel", "Value", "Behavior", "Expected by its profile", "Where"].map((word) => h("th", { scope: "col" }, word)))),
    h("tbody", {}, kernels.map((kernel, at) => {
      const cell = row.of.cells[at] || [0, 0, 0, 0, 0];
      const [value, expected] = [texts[cell[0]], texts[cell[1]]];
      return h("tr", {}, h("td", { class: "letter" }, h("a", { href: address({ info: kernel.letter }) }, kernel.letter)),
        h("th", { scope: "row", class: "mono" }, kernel.spec, at === base && kernels.length > 1 ? h("small", {}, " baseline") : null),
        h("td", {}, h("b", {}, value || "-"), " ", mark(row.changes[at], true)), h("td", {}, values[value] || (value ? "" : "no case shows it")),
        h("td", {}, expected ? `${expected}${cell[2] ? "" : " (?)"}` : "nothing", value && expected && value !== expected ? h("b", {}, texts[cell[3]] ? " · known to differ" : " · differs") : null),
        h("td", {}, h("small", {}, texts[cell[4]])));
    }))), h("p", {}, h("small", {}, "(?) no primary source confirms it, so a difference does not fail the run")));
}

// Versions and releases in the order of time; the dot is filled where the value changes.
function past(decisions) {
  let before = null;
  return h("ol", { class: "past" }, decisions.map((one) => {
    const isTurn = before !== null && before !== one.value;
    before = one.value;
    const also = one.also.length ? `; in stable series from ${one.also.join(", ")}` : "";
    return h("li", { class: isTurn ? "turn" : null }, h("span", { class: "mono" }, one.date || "no date"), " · ", h("b", {}, one.version), ` · ${one.value}${one.confirmed ? "" : " (?)"}`,
      isTurn ? [" ", h("span", { class: "mark m-changed" }, "◆ changed")] : null, h("small", {}, `${one.source}${also}`));
  }));
}

async function showSplat(row) {
  return [
    crumbs(row), heading(row.name, row.title),
    section("Cases that met it", kernels.map((kernel, at) => (row.of.cells[at].length ? h("div", {},
      h("h3", {}, `${kernel.letter} `, h("span", { class: "mono" }, kernel.spec), " ", mark(row.changes[at], true)),
      h("ul", {}, row.of.cells[at].map((one) => h("li", {}, h("a", { class: "mono", href: address({ case: data.cases[one].id, kernel: kernel.letter }) }, data.cases[one].id))))) : null))),
  ];
}
