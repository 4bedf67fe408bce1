// The page of a kernel and its run, with its differences from the baseline.

async function showKernel(at) {
  const kernel = kernels[at];
  const stories = await packed("stories");
  const base = baseline();
  const list = (title, lines) => (lines.length ? section(title, h("ul", {}, lines.map((line) => h("li", {}, line)))) : null);
  return [
    crumbs(null), heading(`${kernel.letter}  ${kernel.spec}`, `${kernel.release} · ${kernel.counts}`),
    kernel.complete ? null : h("p", { class: "notice" }, "This run did not finish: it was interrupted or killed."),
    ...kernel.problems.map((problem) => h("p", { class: "notice" }, problem)),
    at === base ? null : section(`Differences from the baseline, ${letters[base]}, that may explain a change`, differences(base, at)),
    list("New compiler warnings", kernel.warnings), list("Nearest profiles", kernel.nearest), list("Notes", kernel.notes), list("Patches", kernel.patches),
    history(stories.line_history[kernel.line], stories.history_note, false),
    section("Kernel, build and host", factList([["run", kernel.name], ["started", new Date(1000 * kernel.started).toISOString().replace("T", " ").slice(0, 16) + " UTC"], ...kernel.facts])),
    kernel.command ? section("The command that ran it", command(kernel.command)) : null,
  ];
}

function differences(base, at) {
  const [was, is] = [new Map(kernels[base].facts), new Map(kernels[at].facts)];
  const facts = [...new Set([...was.keys(), ...is.keys()])].filter((fact) => was.get(fact) !== is.get(fact)).map((fact) => [fact, was.get(fact), is.get(fact)]);
  const patches = (from, to) => kernels[from].patches.filter((one) => !kernels[to].patches.includes(one));
  const options = Object.entries(data.options).filter(([, values]) => values[base] !== null && values[at] !== null && values[base] !== values[at]);
  const lines = [
    ...facts, ...patches(base, at).map((one) => ["patch", one, ""]), ...patches(at, base).map((one) => ["patch", "", one]),
    ...options.map(([name, values]) => [data.needed.includes(name) ? `${name} (cases name it)` : name, values[base], values[at]]),
  ];
  if (!lines.length) return h("p", {}, "None: kernels, builds and hosts are the same.");
  return h("div", { class: "scroll" }, h("table", { class: "values" },
    h("thead", {}, h("tr", {}, ["", letters[base], letters[at]].map((word) => h("th", { scope: "col" }, word)))),
    h("tbody", {}, lines.map(([name, before, after]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, before || "-"), h("td", {}, after || "-"))))));
}
