# SPDX-License-Identifier: GPL-2.0-only
"""Write the lines of a bisection: each step, the answer, and the replayed decisions. Pure: lines out.

Titles, messages and transcripts are untrusted and are made safe to show (``report/text.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby

from harness.bisect.several import hoped_rounds
from harness.bisect.state import BisectState, Role, StepRecord, StepStatus, TargetRecord
from harness.bisect.strategy import hoped_builds, most_builds
from harness.report.lines import Line, Tone, fold_line
from harness.report.text import bound_lines, elide, one_line, plain_text

JSON_VERSION = 1
_DIFF_LINES = 40
_BODY_LINES = 60
_WORDS = ("like good", "like bad", "like neither", "flaky")


@dataclass(frozen=True, slots=True)
class Named:
    """A commit and its short name.

    :param hash: the full hash.
    :param called: its short hash, or the number of a patch.
    :param subject: the first line of its message.
    """

    hash: str
    called: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class TargetChange:
    """A target that changed.

    :param target: its key.
    :param before: the values on the commits before the change.
    :param after: the value on the commit with the change.
    :param confidence: the probability that it changed there; 1.0 if no verdict was weak.
    """

    target: str
    before: tuple[str, ...]
    after: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Culprit:
    """A commit that changed something, or several of which one did.

    :param commit: the commit, or the last of several.
    :param author: name and address.
    :param date: the date of the commit, as 2026-11-22.
    :param body: the message below the subject.
    :param below: the nearest tested ancestors.
    :param changes: the targets that changed.
    :param hidden: the other commits that may have made the change but could not be tested.
    :param diffs: the diff of the transcripts before and after, by case.
    :param traits: every trait that was seen on both sides: name, before, after.
    """

    commit: Named
    author: str
    date: str
    body: str
    below: tuple[Named, ...]
    changes: tuple[TargetChange, ...]
    hidden: tuple[Named, ...] = ()
    diffs: tuple[tuple[str, str], ...] = ()
    traits: tuple[tuple[str, str, str], ...] = ()

    @property
    def trailer(self) -> str:
        """Return the trailer for the fixing commit; empty if the change was not traced to one commit."""
        return "" if self.hidden else f'Fixes: {self.commit.hash[:12]} ("{one_line(self.commit.subject)}")'

    @property
    def regzbot(self) -> str:
        """Return the line for a report to regzbot; a range if the change was not traced to one commit."""
        if not self.hidden:
            return f'#regzbot introduced: {self.commit.hash[:12]} ("{one_line(self.commit.subject)}")'
        return f"#regzbot introduced: {self.below[0].hash[:12]}..{self.commit.hash[:12]}"


@dataclass(frozen=True, slots=True)
class BisectResult:
    """The result of a bisection.

    :param state: the state after the last step.
    :param culprits: the changes that were found, oldest first.
    :param names: the commits of the history, by hash.
    :param nodes: the number of commits that may differ in their images.
    :param left: the targets that could not be traced, with the reasons.
    :param is_series: whether the commits are patches of a series.
    """

    state: BisectState
    culprits: tuple[Culprit, ...]
    names: Mapping[str, Named]
    nodes: int
    left: tuple[tuple[str, str], ...] = ()
    is_series: bool = False

    @property
    def builds(self) -> int:
        """Return the number of commits that were built, not counting the ends."""
        made = {step.commit for step in builds(self.state)}
        return len(made.union(*(one.commits for one in self.state.rounds)))

    @property
    def hoped(self) -> float:
        """Return the number of builds to expect for N commits and k targets: log2(N) + k."""
        return hoped_builds(self.state.commits, len(self.state.targets))

    @property
    def most(self) -> int:
        """Return the largest number of builds for a linear history, plus the commits that could not be tested."""
        skipped = sum(step.judged is StepStatus.SKIPPED for step in builds(self.state))
        return most_builds(self.nodes, len(self.culprits)) + skipped

    @property
    def is_whole(self) -> bool:
        """Return whether each target was traced to one commit."""
        return not self.left and not any(culprit.hidden for culprit in self.culprits)


def builds(state: BisectState) -> list[StepRecord]:
    """Return the steps that built a commit, without those of the ends."""
    return [step for step in state.steps if step.role in (Role.STEP, Role.PARTING)]


def step_lines(state: BisectState, names: Mapping[str, Named], width: int) -> list[Line]:
    """Return the lines of the last step: the commit and its result."""
    steps = [state.steps[-1]]
    for one in reversed(state.steps[:-1]):
        if (one.commit, one.role) != (steps[0].commit, steps[0].role):
            break
        steps.insert(0, one)
    step = _joined(steps)
    commit = names.get(step.commit, Named(step.commit, step.commit[:12]))
    number = f"step {len(builds(state))}" if step.role is Role.STEP else _role(steps)
    number += f" of round {step.round}" if step.round else ""
    head = elide(f"{number}: {commit.called} {one_line(commit.subject)}".rstrip(), max(40, width))
    tone = Tone.WARNING if step.judged is StepStatus.SKIPPED else Tone.PLAIN
    result = fold_line(Line(_outcome(state, step, names), tone), width, indent=2)
    return [Line(head, Tone.STRONG, lead=len(number)), *result]


def answer_lines(answer: BisectResult, width: int) -> list[Line]:
    """Return the lines of the whole answer; the number of builds comes last."""
    lines: list[Line] = []
    for culprit in answer.culprits:
        lines += [*_culprit_lines(culprit, width, is_series=answer.is_series), Line("")]
    if answer.left:
        lines.append(Line("Not traced", Tone.WARNING))
        for target, why in answer.left:
            lines += fold_line(Line(f"{target}: {why}"), width, indent=2)
        lines.append(Line(""))
    return [*lines, *log_lines(answer, width), Line(""), *_count_lines(answer, width)]


def _joined(steps: Sequence[StepRecord]) -> StepRecord:
    """Merge the steps on one commit."""
    seen = tuple(seen for step in steps for seen in step.seen)
    return replace(steps[0], seen=seen, seconds=sum(step.seconds for step in steps))


def _role(steps: Sequence[StepRecord]) -> str:
    """Return why cases ran on a commit, and how often."""
    label = steps[0].role.label
    return f"{label} {len(steps)} times" if len(steps) > 1 else label


def log_lines(answer: BisectResult, width: int) -> list[Line]:
    """Return the log of the steps, a line for each."""
    lines = [Line("Steps", Tone.STRONG)]
    number = 0
    for (_, role), group in groupby(answer.state.steps, key=lambda step: (step.commit, step.role)):
        steps = list(group)
        step = _joined(steps)
        number += role in (Role.STEP, Role.PARTING)
        commit = answer.names.get(step.commit, Named(step.commit, step.commit[:12]))
        what = str(number) if role is Role.STEP else ""
        why = f"{_role(steps)}, " if role is not Role.STEP else ""
        text = f"  {what:>2}  {commit.called:<12}  {why}{_outcome(answer.state, step, answer.names, brief=True)}"
        lines.append(Line(elide(text, max(60, width))))
    return lines


def replay_lines(state: BisectState, names: Mapping[str, Named], again: Sequence[str], width: int) -> list[Line]:
    """Return the lines of each decision: what was open, why that commit was chosen, and its result.

    :param names: the commits of the history, by hash.
    :param again: for each step, the commit that the strategy chooses now from the same evidence; empty if the step was
        not a choice.
    :param width: columns.
    """
    targets = f"{_counted(len(state.targets), 'target')}: " + ", ".join(one.target.key for one in state.targets)
    ends = [names[one].called if one in names else one[:12] for one in (state.good_commit, state.bad_commit)]
    lines = fold_line(Line(f"{' .. '.join(ends)}: {_counted(state.commits, 'commit')}; {targets}"), width)
    for at, (step, chosen) in enumerate(zip(state.steps, again, strict=True)):
        if (step.commit, step.role) in [(one.commit, one.role) for one in state.steps[at + 1 : at + 2]]:
            continue  # shown with the last of them
        before = replace(state, steps=state.steps[: at + 1])
        lines += [Line(""), *step_lines(before, names, width)]
        if step.role is not Role.STEP:
            continue
        for size, below, keys in _grouped(step):
            text = f"{below} of {size} commits are on its older side: {', '.join(keys)}"
            lines += fold_line(Line(text), width, indent=4)
        same = "the strategy chooses it again" if chosen == step.commit else f"THE STRATEGY NOW CHOOSES {chosen[:12]}"
        lines.append(Line(f"    {step.bits:.2f} bits; {same}", Tone.FAINT if chosen == step.commit else Tone.WARNING))
    return lines


def answer_json(answer: BisectResult) -> dict[str, object]:
    """Return the result as a JSON table."""
    return {
        "format_version": JSON_VERSION,
        "good": answer.state.good_commit,
        "bad": answer.state.bad_commit,
        "commits": answer.state.commits,
        "targets": [asdict(one) for one in answer.state.targets],
        "builds": answer.builds,
        "log2_n_plus_k": round(answer.hoped, 3),
        "at_most": answer.most,
        "culprits": [
            {**asdict(culprit), "fixes": "" if answer.is_series else culprit.trailer, "regzbot": culprit.regzbot}
            for culprit in answer.culprits
        ],
        "not_traced": [{"target": target, "why": why} for target, why in answer.left],
        "steps": [asdict(step) for step in answer.state.steps],
        "rounds": [{**asdict(one), "commits": list(one.commits)} for one in answer.state.rounds],
    }


def _culprit_lines(culprit: Culprit, width: int, *, is_series: bool) -> list[Line]:
    commit = culprit.commit
    what = "changed by"
    if culprit.hidden:
        what = f"changed by one of {len(culprit.hidden) + 1} commits, the last of which is"
    title = f"{what} {commit.called} {one_line(commit.subject)}"
    lines = [Line(part.text, Tone.STRONG) for part in fold_line(Line(title), width)]
    lines.append(Line(f"  {one_line(culprit.author)}, {culprit.date}", Tone.FAINT))
    for change in culprit.changes:
        sure = f" (confidence {100 * change.confidence:.1f}%)" if change.confidence < 1 else ""
        before = " / ".join(map(one_line, change.before))
        lines += fold_line(Line(f"{change.target}: {before} -> {one_line(change.after)}{sure}"), width, indent=2)
    if culprit.hidden:
        lines.append(Line("  these could not be tested and may have changed it:", Tone.WARNING))
        lines += [Line(elide(f"    {one.called} {one_line(one.subject)}", max(60, width))) for one in culprit.hidden]
    if culprit.body:
        body = bound_lines(plain_text(culprit.body), _BODY_LINES)
        lines += [Line(""), *(Line(f"    {text}".rstrip()) for text in body.split("\n"))]
    for case, diff in culprit.diffs:
        lines += [Line(""), Line(f"  {one_line(case)}", Tone.STRONG)]
        for text in bound_lines(plain_text(diff), _DIFF_LINES).split("\n"):
            lines += fold_line(Line(text, _diff_tone(text)), 0, indent=4)
    others = [one for one in culprit.traits if one[1] != one[2]]
    if culprit.traits:
        lines += [Line(""), *fold_line(Line(_traits_text(culprit.traits, others)), width, indent=2)]
    if not is_series:
        lines += [Line(""), *([Line(f"  {culprit.trailer}")] if culprit.trailer else []), Line(f"  {culprit.regzbot}")]
    return lines


def _traits_text(traits: Sequence[tuple[str, str, str]], others: Sequence[tuple[str, str, str]]) -> str:
    changed = ", ".join(f"{name}: {before} -> {after}" for name, before, after in others)
    same = [f"{name} = {before}" for name, before, after in traits if before == after]
    parts = [f"traits before and after: {changed or 'none changed'}"]
    return "; ".join([*parts, *([f"the same: {', '.join(same)}"] if same else [])])


def _diff_tone(text: str) -> Tone:
    if text.startswith(("--- ", "+++ ", "@@")):
        return Tone.FAINT
    return {"-": Tone.BAD, "+": Tone.GOOD}.get(text[:1], Tone.PLAIN)


def _outcome(state: BisectState, step: StepRecord, names: Mapping[str, Named], *, brief: bool = False) -> str:
    """Return the result of a step in a phrase."""
    if step.judged is StepStatus.SKIPPED:
        return f"skipped: {one_line(step.reason)}"
    values: dict[str, set[str]] = {}
    for seen in step.seen:
        values.setdefault(seen.target, set()).add(seen.value)
    counts = Counter(_as_which(one, values[one.target.key]) for one in state.targets if one.target.key in values)
    found = ", ".join(f"{counts[word]} {word}" for word in _WORDS if counts[word])
    if step.evidence:
        found += f" ({one_line(step.reason)})"
    same = ""
    if step.judged is StepStatus.SAME_IMAGE:
        name = names[step.reason].called if step.reason in names else step.reason[:12]
        same = f"same image as {name}, not run: "
    bits = f"; {step.bits:.1f} bits of {len(step.splits)} targets" if step.bits and not brief else ""
    return f"{same}{found or 'no target seen'}{bits}; {step.seconds:.0f} s"


def _as_which(target: TargetRecord, values: set[str]) -> str:
    """Return which end a target is like, as the line of a step shows it."""
    if len(values) > 1:
        return "flaky"
    (value,) = values
    return "like good" if value == target.good else "like bad" if value == target.bad else "like neither"


def _count_lines(answer: BisectResult, width: int) -> list[Line]:
    made = builds(answer.state)
    skipped = sum(step.judged is StepStatus.SKIPPED for step in made)
    same = sum(step.judged is StepStatus.SAME_IMAGE for step in made)
    more = [f"{skipped} could not be tested"] if skipped else []
    more += [f"{same} had an image that was tested before"] if same else []
    inert = answer.state.commits - answer.nodes
    commits = _counted(answer.state.commits, "commit") + (f" ({inert} change nothing that is built)" if inert else "")
    targets, places = len(answer.state.targets), len(answer.culprits)
    details = f" ({', '.join(more)})" if more else ""
    text = f"{_counted(answer.builds, 'build')}{details} and 2 of the ends"
    is_good = answer.builds <= answer.hoped
    if rounds := answer.state.rounds:
        builders = max(one.builders for one in rounds)
        hoped, is_good = hoped_rounds(answer.nodes, builders), len(rounds) <= hoped_rounds(answer.nodes, builders)
        text += f" in {_counted(len(rounds), 'round')} of up to {builders} at the same time, for "
        text += f"{_counted(targets, 'target')} over {commits}: log{builders + 1}({answer.nodes}) + 2 = {hoped:.1f} "
        text += "rounds for one target"
    else:
        text += f", for {_counted(targets, 'target')} "
        text += f"over {commits}: log2({answer.state.commits}) + {targets} = {answer.hoped:.1f}; "
        text += f"at most {answer.most} for {_counted(places, 'change')} in a linear history"
    tone = Tone.GOOD if is_good else Tone.WARNING
    return [Line(part.text, tone) for part in fold_line(Line(text), width)]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _grouped(step: StepRecord) -> Iterable[tuple[int, int, list[str]]]:
    groups: dict[tuple[int, int], list[str]] = {}
    for split in step.splits:
        groups.setdefault((split.candidates, split.below), []).append(split.target)
    return [(size, below, keys) for (size, below), keys in groups.items()]
