"""What a bisection tells: each step as it ends, the answer, and the decisions again. Pure: lines out.

Titles, messages and transcripts come from strangers and are made safe to show (``report/text.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby

from harness.bisect.state import BisectState, Role, StepRecord, StepStatus, TargetRecord
from harness.bisect.strategy import hoped_builds, most_builds
from harness.report.lines import Line, Tone, fold_line
from harness.report.text import bound_lines, elide, one_line, plain_text

JSON_VERSION = 1
_DIFF_LINES = 40
_BODY_LINES = 60
_WORDS = ("as good", "as bad", "otherwise", "now so, now so")


@dataclass(frozen=True, slots=True)
class Named:
    """A commit, for people.

    :param called: its short hash, or the number of a patch.
    """

    hash: str
    called: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class TargetChange:
    """A target that changed.

    :param before: the values right below.
    :param confidence: 1.0 when nothing was weak.
    """

    target: str
    before: tuple[str, ...]
    after: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Culprit:
    """A commit that changed something, or those among which it is.

    :param author: with address.
    :param date: as 2026-11-22.
    :param body: the author's words below the subject.
    :param below: the commits right below that were asked.
    :param hidden: those that could not be judged and may have done it as well.
    :param diffs: the transcripts before against after, by case.
    :param traits: every trait that was seen on both sides of it: name, before, after.
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
        """The line for a commit message that mends it; empty when it is not found to the commit."""
        return "" if self.hidden else f'Fixes: {self.commit.hash[:12]} ("{one_line(self.commit.subject)}")'

    @property
    def regzbot(self) -> str:
        """The line for the report of a regression; a range when it is not found to the commit."""
        if not self.hidden:
            return f'#regzbot introduced: {self.commit.hash[:12]} ("{one_line(self.commit.subject)}")'
        return f"#regzbot introduced: {self.below[0].hash[:12]}..{self.commit.hash[:12]}"


@dataclass(frozen=True, slots=True)
class BisectResult:
    """All that a bisection has found.

    :param names: what to call each commit that was asked.
    :param is_series: whether the commits are patches of a series.
    :param nodes: how many commits may differ in what is built.
    :param left: targets that could not be traced, and why.
    """

    state: BisectState
    culprits: tuple[Culprit, ...]
    names: Mapping[str, Named]
    nodes: int
    left: tuple[tuple[str, str], ...] = ()
    is_series: bool = False

    @property
    def builds(self) -> int:
        """How many commits were built besides the ends."""
        return len(builds(self.state))

    @property
    def hoped(self) -> float:
        """log2(N) + k."""
        return hoped_builds(self.state.commits, len(self.state.targets))

    @property
    def most(self) -> int:
        """What is never exceeded in a row of commits, those that cannot be judged on top."""
        skipped = sum(step.judged is StepStatus.SKIPPED for step in builds(self.state))
        return most_builds(self.nodes, len(self.culprits)) + skipped

    @property
    def is_whole(self) -> bool:
        """Whether each target is traced to a commit."""
        return not self.left and not any(culprit.hidden for culprit in self.culprits)


def builds(state: BisectState) -> list[StepRecord]:
    """The steps that a commit was built for; those of the ends do not count."""
    return [step for step in state.steps if step.role in (Role.STEP, Role.PARTING)]


def step_lines(state: BisectState, names: Mapping[str, Named], width: int) -> list[Line]:
    """What the last step came to."""
    steps = [state.steps[-1]]
    for one in reversed(state.steps[:-1]):
        if (one.commit, one.role) != (steps[0].commit, steps[0].role):
            break
        steps.insert(0, one)
    step = _joined(steps)
    commit = names.get(step.commit, Named(step.commit, step.commit[:12]))
    number = f"step {len(builds(state))}" if step.role is Role.STEP else _role(steps)
    head = elide(f"{number}: {commit.called} {one_line(commit.subject)}".rstrip(), max(40, width))
    tone = Tone.WARNING if step.judged is StepStatus.SKIPPED else Tone.PLAIN
    told = fold_line(Line(_outcome(state, step, names), tone), width, indent=2)
    return [Line(head, Tone.STRONG, lead=len(number)), *told]


def answer_lines(answer: BisectResult, width: int) -> list[Line]:
    """The whole answer; how many builds it took comes last."""
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
    """Steps on one commit as one."""
    seen = tuple(seen for step in steps for seen in step.seen)
    return replace(steps[0], seen=seen, seconds=sum(step.seconds for step in steps))


def _role(steps: Sequence[StepRecord]) -> str:
    """Why a commit was asked, and how often."""
    return f"{steps[0].role} {len(steps)} times" if len(steps) > 1 else str(steps[0].role)


def log_lines(answer: BisectResult, width: int) -> list[Line]:
    """The log of the steps, a line each."""
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
    """Each decision: what was open, why that commit, and what came of it.

    :param again: for each step, the commit that the strategy chooses from what was known then; empty where the step
        was no choice.
    """
    targets = f"{_counted(len(state.targets), 'target')}: " + ", ".join(one.target.key for one in state.targets)
    ends = [names[one].called if one in names else one[:12] for one in (state.good_commit, state.bad_commit)]
    lines = fold_line(Line(f"{' .. '.join(ends)}: {_counted(state.commits, 'commit')}; {targets}"), width)
    for at, (step, chosen) in enumerate(zip(state.steps, again, strict=True)):
        if (step.commit, step.role) in [(one.commit, one.role) for one in state.steps[at + 1 : at + 2]]:
            continue  # told with the last of them
        before = replace(state, steps=state.steps[: at + 1])
        lines += [Line(""), *step_lines(before, names, width)]
        if step.role is not Role.STEP:
            continue
        for size, below, keys in _grouped(step):
            text = f"of {size} commits {below} on its older side: {', '.join(keys)}"
            lines += fold_line(Line(text), width, indent=4)
        same = "the strategy chooses the same again" if chosen == step.commit else f"NOW IT WOULD CHOOSE {chosen[:12]}"
        lines.append(Line(f"    {step.bits:.2f} bits; {same}", Tone.FAINT if chosen == step.commit else Tone.WARNING))
    return lines


def answer_json(answer: BisectResult) -> dict[str, object]:
    """All of it for a program."""
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
    }


def _culprit_lines(culprit: Culprit, width: int, *, is_series: bool) -> list[Line]:
    commit = culprit.commit
    what = "changed by"
    if culprit.hidden:
        what = f"changed by one of {len(culprit.hidden) + 1} commits, the last of them"
    title = f"{what} {commit.called} {one_line(commit.subject)}"
    lines = [Line(part.text, Tone.STRONG) for part in fold_line(Line(title), width)]
    lines.append(Line(f"  {one_line(culprit.author)}, {culprit.date}", Tone.FAINT))
    for change in culprit.changes:
        sure = f" (confidence {100 * change.confidence:.1f}%)" if change.confidence < 1 else ""
        before = " / ".join(map(one_line, change.before))
        lines += fold_line(Line(f"{change.target}: {before} -> {one_line(change.after)}{sure}"), width, indent=2)
    if culprit.hidden:
        lines.append(Line("  hidden by commits that could not be judged:", Tone.WARNING))
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
    """What a step came to, in a phrase."""
    if step.judged is StepStatus.SKIPPED:
        return f"skipped: {one_line(step.reason)}"
    values: dict[str, set[str]] = {}
    for seen in step.seen:
        values.setdefault(seen.target, set()).add(seen.value)
    counts = Counter(_as_which(one, values[one.target.key]) for one in state.targets if one.target.key in values)
    told = ", ".join(f"{counts[word]} {word}" for word in _WORDS if counts[word])
    same = ""
    if step.judged is StepStatus.SAME_IMAGE:
        same = f"the image of {names[step.reason].called if step.reason in names else step.reason[:12]}, not asked: "
    bits = f"; {step.bits:.1f} bits of {len(step.splits)} targets" if step.bits and not brief else ""
    return f"{same}{told or 'nothing of the targets'}{bits}; {step.seconds:.0f} s"


def _as_which(target: TargetRecord, values: set[str]) -> str:
    """As which end a target was, in words of a step's line."""
    if len(values) > 1:
        return "now so, now so"
    (value,) = values
    return "as good" if value == target.good else "as bad" if value == target.bad else "otherwise"


def _count_lines(answer: BisectResult, width: int) -> list[Line]:
    made = builds(answer.state)
    skipped = sum(step.judged is StepStatus.SKIPPED for step in made)
    same = sum(step.judged is StepStatus.SAME_IMAGE for step in made)
    more = [f"{skipped} could not be judged"] if skipped else []
    more += [f"{same} had an image that was asked before"] if same else []
    inert = answer.state.commits - answer.nodes
    commits = _counted(answer.state.commits, "commit") + (f" ({inert} change nothing that is built)" if inert else "")
    targets, places = len(answer.state.targets), len(answer.culprits)
    said = f" ({', '.join(more)})" if more else ""
    text = f"{_counted(answer.builds, 'build')}{said} and 2 of the ends, for {_counted(targets, 'target')} "
    text += f"over {commits}: log2({answer.state.commits}) + {targets} = {answer.hoped:.1f}; "
    verb = "takes" if places == 1 else "take"
    text += f"{_counted(places, 'place')} in a row of commits never {verb} more than {answer.most}"
    tone = Tone.GOOD if answer.builds <= answer.hoped else Tone.WARNING
    return [Line(part.text, tone) for part in fold_line(Line(text), width)]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _grouped(step: StepRecord) -> Iterable[tuple[int, int, list[str]]]:
    groups: dict[tuple[int, int], list[str]] = {}
    for split in step.splits:
        groups.setdefault((split.candidates, split.below), []).append(split.target)
    return [(size, below, keys) for (size, below), keys in groups.items()]
