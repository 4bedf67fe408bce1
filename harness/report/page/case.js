// The page of a case: verdict, commands to rerun it, differences, splats, transcript, timeline, history.

const LANES = ["kernel", "admin", "inside", "observer"];
const MACHINES = { clone: ", on a clone of the booted kernel", boot: ", on a machine that was booted for it" };
const PAUSE_MILLISECONDS = 150;

function heading(id, lead) {
  return [h("h1", { class: "id", tabindex: "-1", id: "title" }, id), lead ? h("p", { class: "lead" }, lead) : null];
}

// The navigation above every page: back to the table, and to the previous and next row of the table.
function crumbs(row) {
  const at = row ? visible.indexOf(row) : -1;
  const link = (to, word, key) => (to ? h("a", { href: rowAddress(to, chosenKernel()), "aria-keyshortcuts": key, title: `${to.name} (key: ${key})` }, word) : h("small", {}, word));
  return h("nav", { class: "crumbs", "aria-label": "Where you are" },
    h("a", { href: address({ kernel: null }), "aria-keyshortcuts": "Escape", title: "Key: Esc" }, "← All"),
    h("small", {}, row ? row.group : ""), h("span", { class: "spring" }),
    at >= 0 ? [link(visible[at - 1], "previous", "p"), h("small", {}, `${at + 1} of ${visible.length}`), link(visible[at + 1], "next", "n")] : null);
}

// The kernel of a page: the chosen one, else the first that differs or fails.
function chosenKernel(row) {
  const chosen = letters.indexOf(readAddress().get("kernel"));
  if (chosen >= 0 || !row) return chosen >= 0 ? chosen : undefined;
  const differing = row.changes.findIndex(Boolean);
  if (differing >= 0) return differing;
  const failed = row.failed.findIndex(Boolean);
  return failed >= 0 ? failed : Math.max(0, row.words.findIndex(Boolean));
}

function tabs(row, chosen) {
  if (kernels.length < 2) return null;
  return h("ul", { class: "tabs", "aria-label": "Kernels" }, kernels.map((kernel, at) => h("li", {},
    h("a", { href: rowAddress(row, at), "aria-current": at === chosen ? "true" : null, title: kernel.spec },
      h("b", {}, kernel.letter), row.words[at] || "-", " ", mark(row.changes[at]), h("small", {}, at === baseline() ? `baseline · ${kernel.spec}` : kernel.spec)))));
}

async function showCase(row) {
  const [detail, stories] = await Promise.all([packed(`detail-${row.at}`), packed("stories")]);
  const at = chosenKernel(row);
  const one = detail.kernels[at];
  const cell = row.of.cells[at];
  const parts = [crumbs(row), heading(row.name, row.of.title), tabs(row, at)];
  if (!one) return [...parts, h("p", { class: "verdict" }, `${letters[at]} (${kernels[at].spec}) did not run this case.`)];
  const text = (index) => detail.texts[index];
  return [
    ...parts, verdict(row, one, cell, at), reproduce(one), againstBaseline(row, detail, at),
    one.diff ? section("Difference from what is expected", diffView(text(one.diff), "expected", "seen")) : null,
    ...(one.splats || []).map(([kind, title, fingerprint, index]) => section(`Splat: ${kind}`, h("p", {}, title, " ", h("small", {}, `fingerprint ${fingerprint}`)), h("pre", {}, text(index)))),
    timeline(one, detail),
    text(one.transcript) ? section("Transcript", transcript(text(one.transcript))) : null,
    traitsSeen(one), history(stories.case_history[row.name], stories.history_note, false), logs(one, at),
  ];
}

function section(title, ...content) {
  return h("section", { "aria-label": title }, h("h2", {}, title), ...content);
}

function verdict(row, one, cell, at) {
  const outcome = data.outcomes[cell[0]];
  const tone = one.why ? "so" : outcome.failed ? "bad" : outcome.name === "match" ? "good" : "so";
  const reason = outcome.name === "match" && !one.reason ? "the output is as expected, and the kernel log is clean" : one.reason;
  const base = baseline();
  const change = row.changes[at];
  const facts = [
    ["compared with the baseline", at === base ? null : h("span", {}, change ? mark(change, true) : "the same", ` (${letters[base]}: ${row.words[base] || "not in that run"})`)],
    ["does not fail the run", one.why],
    ["tries", one.tries ? one.tries.map(([name, times]) => `${times} × ${name}`).join(", ") : null],
    ["took", `${one.seconds.toFixed(2)} s${MACHINES[one.machine] || ""}`],
    ["kernel", h("span", {}, h("a", { href: address({ info: letters[at] }) }, letters[at]), ` ${kernels[at].spec}, ${kernels[at].release}`)],
  ];
  return [h("p", { class: `verdict ${tone}` }, h("b", {}, outcome.name), reason ? `: ${reason}` : ""), factList(facts)];
}

function factList(facts) {
  return h("dl", { class: "facts" }, facts.filter(([, fact]) => fact).map(([name, fact]) => [h("dt", {}, name), h("dd", {}, fact)]));
}

function command(words) {
  const button = h("button", { type: "button", "aria-label": `Copy: ${words}` }, "Copy");
  button.addEventListener("click", () => navigator.clipboard.writeText(words).then(
    () => { button.textContent = "Copied"; },
    () => { getSelection().selectAllChildren(button.previousElementSibling); button.textContent = "Selected"; }));
  return h("div", { class: "command" }, h("pre", {}, words), button);
}

function reproduce(one) {
  return section("Rerun it", command(one.rerun), one.shell ? [h("p", {}, h("small", {}, "or use its consoles:")), command(one.shell)] : null);
}

function againstBaseline(row, detail, at) {
  const base = baseline();
  const [before, after] = [row.of.cells[base], row.of.cells[at]];
  if (base === at || !before || !after || before[1] === after[1]) return null;
  const [low, high] = [Math.min(before[1], after[1]), Math.max(before[1], after[1])];
  const index = detail.diffs[`${low} ${high}`];
  const title = `Transcript compared with the baseline, ${letters[base]}`;
  if (index === undefined) return section(title, h("p", {}, "The transcripts differ by noise only; outcome, reason, traits or splats differ."));
  return section(title, diffView(detail.texts[index], letters[base], letters[at], before[1] > after[1]));
}

// Show a unified diff as two columns; backwards swaps its sides.
function diffView(text, left, right, isBackwards = false) {
  const cells = [h("div", { class: "head" }, `− ${left}`), h("div", { class: "head" }, `+ ${right}`)];
  let [out, inn] = [[], []];
  const flush = () => {
    for (let at = 0; at < Math.max(out.length, inn.length); at += 1) {
      cells.push(at < out.length ? h("div", { class: "out" }, out[at] || " ") : h("div", { class: "blank" }));
      cells.push(at < inn.length ? h("div", { class: "in" }, inn[at] || " ") : h("div", { class: "blank" }));
    }
    [out, inn] = [[], []];
  };
  for (const line of text.replace(/\n$/, "").split("\n")) {
    if (/^(--- |\+\+\+ )/.test(line)) continue;
    const first = line[0];
    if (first === "-" || first === "+") ((first === "-") === isBackwards ? inn : out).push(line.slice(1));
    else flush();
    if (line.startsWith("@@")) cells.push(h("div", { class: "hunk" }, line));
    else if (first !== "-" && first !== "+") cells.push(h("div", {}, line.slice(1) || " "), h("div", { class: "twin" }, line.slice(1) || " "));
  }
  flush();
  return h("div", { class: "diff" }, cells);
}

function transcript(text) {
  const lines = text.replace(/\n$/, "").split("\n");
  return h("pre", { class: "transcript" }, lines.map((line) => {
    const isTyped = /^\s+(\([a-z_0-9]+ = \S+\) )?\S*[#$%] /.test(line);
    return h("span", { class: isTyped ? "typed" : /^\S/.test(line) ? "prose" : null }, `${line}\n`);
  }));
}

// Consoles and kernel log side by side: a column for each, a row for each line, with the pauses between.
function timeline(one, detail) {
  const lines = [];
  for (let at = 0; at < one.lanes.length; at += 3) {
    const [moment, lane, index] = one.lanes.slice(at, at + 3);
    lines.push({ moment, lane: lane >> 1, isTyped: Boolean(lane & 1), text: detail.texts[index] });
  }
  if (!lines.length) return null;
  const used = LANES.map((_, lane) => lane).filter((lane) => lines.some((line) => line.lane === lane));
  const hasTimes = lines.some((line) => line.moment >= 0);
  const body = h("tbody");
  let last = lines[0].moment;
  lines.forEach((line, at) => {
    if (one.cut && at === one.cut[1]) body.append(pauseRow(used, `${one.cut[0]} lines left out; see the logs of the case`));
    else if (line.moment - last >= PAUSE_MILLISECONDS) body.append(pauseRow(used, `${((line.moment - last) / 1000).toFixed(2)} s`));
    const isNew = at === 0 || line.moment !== last;
    body.append(h("tr", {}, h("td", { class: "time" }, hasTimes && isNew ? (line.moment / 1000).toFixed(3) : ""),
      used.map((lane) => h("td", lane === line.lane ? { class: `${LANES[lane]}${line.isTyped ? " typed" : ""}`, "data-lane": LANES[lane] } : {}, lane === line.lane ? line.text : ""))));
    last = line.moment;
  });
  const head = h("tr", {}, h("th", { scope: "col", class: "time" }, "s"), used.map((lane) => h("th", { scope: "col" }, lane ? LANES[lane] : "kernel log")));
  const note = hasTimes ? null : h("p", { class: "notice" }, "This run was recorded without times: consoles and kernel log follow each other.");
  return section("Timeline: consoles and kernel log", note, h("table", { class: "lanes" }, h("thead", {}, head), body));
}

function pauseRow(used, words) {
  return h("tr", { class: "pause" }, h("td", { colspan: used.length + 1 }, `· ${words} ·`));
}

function traitsSeen(one) {
  if (!one.traits.length) return null;
  return section("Traits that it showed", h("table", { class: "values" }, h("tbody", {}, one.traits.map(([trait, value, where]) =>
    h("tr", {}, h("th", { scope: "row" }, h("a", { href: address({ trait, kernel: null }), class: "mono" }, trait)), h("td", {}, value), h("td", {}, h("small", {}, where)))))));
}

function logs(one, at) {
  return one.folder ? h("p", {}, h("small", {}, `Logs: ${one.folder}/ in the run folder ${kernels[at].name}`)) : null;
}

// The builds of each kernel line: for a case a high bar is bad, for a trait each height is a value.
function history(lines, note, isTrait) {
  if (note && !lines) return section("History", h("p", {}, h("small", {}, note)));
  if (!lines || !lines.length) return null;
  const states = ["good", "bad", "flaky", "not run"];
  return section("History", lines.map((line) => h("div", {},
    h("h3", { class: "mono" }, line.line),
    h("div", { class: `bars${isTrait ? " trait" : ""}`, role: "img", "aria-label": line.builds.map(([state, , result]) => (isTrait ? result : `${states[state]}: ${result}`)).join("; ") },
      line.builds.map(([state, height, result, name, started]) => {
        const bar = h("span", { class: isTrait ? null : `s${state}`, title: `${new Date(1000 * started).toISOString().slice(0, 16).replace("T", " ")} · ${isTrait ? "" : `${states[state]}: `}${result}\n${name}` });
        bar.style.height = `${8 + 0.92 * height}%`;
        return bar;
      })),
    line.left ? h("small", {}, `${plural(line.left, "older build")} not shown`) : null, factList(line.facts))),
    h("p", {}, h("small", {}, isTrait ? "One bar per build, oldest first; each height is a value, the lowest is the expected one." : "One bar per build, oldest first: low is good, high is bad, hatched is flaky, gray was not run.")));
}
