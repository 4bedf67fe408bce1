// Compare a cell with the baseline's: the rules of harness/results/compare.py, on the overview's data.

const CHANGES = {
  regressed: ["▼", "regressed"],
  flaky: ["≈", "flaky"],
  otherwise: ["≠", "fails differently"],
  known: ["○", "known to fail"],
  fixed: ["▲", "fixed"],
  new: ["+", "new"],
  gone: ["−", "gone"],
  changed: ["◆", "changed but still allowed"],
  unrun: ["·", "not run"],
};
const KNOWN = 1;
const FLAKY = 4;

function isSameMachine(before, after) {
  return kernels[before].same >= 0 && kernels[before].same === kernels[after].same;
}

// Return the name of the change of a case, "" for the same. A cell is [outcome, like, flags, digest, reason, word], or null.
function caseChange(before, after, same) {
  if (!before || !after) return before ? "gone" : after ? "new" : "";
  const [was, is] = [data.outcomes[before[0]], data.outcomes[after[0]]];
  if (!is.asked) return was.asked ? "gone" : "";
  if (!was.asked) return after[2] & KNOWN ? "known" : "new";
  const alike = before[1] === after[1];
  if (is.failed && after[2] & KNOWN && !(was.failed && before[2] & KNOWN && alike)) return "known";
  if ((before[2] | after[2]) & FLAKY) return "flaky";
  if (was.failed !== is.failed) {
    const edited = before[3] && after[3] && before[3] !== after[3];
    if (same && !edited) return "flaky";
    return is.failed ? "regressed" : "fixed";
  }
  if (alike) return "";
  return is.failed ? "otherwise" : "changed";
}

// Return the change of a trait. A cell is [value, expected, confirmed, known, where], or null; texts by index, 0 for none.
function traitChange(before, after, same) {
  const [was, is] = [before ? before[0] : 0, after ? after[0] : 0];
  if (was === is) return "";
  if (!was || !is) return is ? "new" : "gone";
  if (same) return "flaky";
  const expected = after[2] ? after[1] : 0;
  if (!expected) return "changed";
  const wasWrong = before[2] && before[1] && before[1] !== was;
  const isWrong = expected !== is;
  if (isWrong && after[3]) return "known";
  if (wasWrong) return isWrong ? "otherwise" : "fixed";
  return isWrong ? "regressed" : "changed";
}

// Return the change of a splat, from the cases that met it on each kernel.
function splatChange(splat, before, after) {
  // A title that names no function is that of many bugs.
  const alike = data.splats.filter((one) => one === splat || (splat.function && one.function && one.kind === splat.kind && one.title === splat.title));
  const there = (kernel) => alike.some((one) => one.cells[kernel].length > 0);
  const asked = (kernel, cases) => cases.some((at) => {
    const cell = data.cases[at].cells[kernel];
    return cell && data.outcomes[cell[0]].asked;
  });
  const [was, is] = [splat.cells[before], splat.cells[after]];
  if (is.length) {
    if (there(before)) return "";
    if (!asked(before, is)) return "new";
    if (is.every((at) => data.cases[at].cells[after][2] & KNOWN)) return "known";
    return isSameMachine(before, after) ? "flaky" : "regressed";
  }
  if (was.length && !there(after)) return asked(after, was) ? "fixed" : "gone";
  return "";
}

function mark(change, withWord = false) {
  if (!change) return null;
  const [sign, word] = CHANGES[change];
  const text = withWord ? `${sign} ${word}` : sign;
  return h("span", { class: `mark m-${change}`, title: word }, text, withWord ? null : h("span", { class: "hidden-text" }, ` ${word}`));
}
