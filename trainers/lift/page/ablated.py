"""The page of an ablation: what each step was worth."""

from __future__ import annotations

from collections.abc import Iterator

from datakit.amounts import money
from datakit.report.charts import table
from datakit.report.document import document
from datakit.report.markup import Child, Markup, el, quote
from trainers.lift.estimate import Difference
from trainers.lift.page.angle import Angle, Chapter
from trainers.lift.page.axes import Measure
from trainers.lift.page.charts import Stage, waterfall
from trainers.lift.page.facts import Told, cell
from trainers.lift.page.forest import Row, forest
from trainers.lift.page.page import STYLES
from trainers.lift.page.page import render as render_study
from trainers.lift.result import Lift
from trainers.lift.worth import Ablated, Worth
from trainers.page.parts import chapter

__all__ = ["render"]


def render(ablated: Ablated) -> str:
    """Returns the page of an ablation as one HTML file; of one without trials, all it can say."""
    if ablated.lift is None:
        return _untrained(ablated)
    angle = Angle(
        kind=f"Ablation of {ablated.ref}"[:80],
        verdicts=_verdicts(ablated),
        heading="What each step was worth",
        picture=_forest(ablated, ablated.lift),
        chapters=[
            Chapter("steps", "Steps", _steps(ablated, Told(ablated.lift))),
            Chapter("records", "Records", _records(ablated)),
        ],
        notes=ablated.notes,
        more="steps",
    )
    return render_study(ablated.lift, angle)


def _untrained(ablated: Ablated) -> str:
    """Returns the page where no step changed anything, so that nothing was trained."""
    text = "Nothing was trained: what was left out changes no record, or leaves none."
    rows: list[list[Child]] = [
        [quote(each.step, 60), f"{each.cost.thrown:,}", quote(each.verdict, 300)]
        for each in ablated.steps
    ]
    steps = table(("step", "dropped", "verdict"), rows, "Steps")
    body = el(
        "body",
        el(
            "header",
            el("h1", quote(ablated.ref, 80), el("span", " Ablation", class_="version")),
            el("p", quote(text, 300), class_="verdict"),
            class_="overview study",
        ),
        el("main", chapter("steps", "Steps", steps), _records(ablated)),
    )
    return document(f"{ablated.ref}: ablation"[:120], body, styles=STYLES)


def _verdicts(ablated: Ablated) -> list[str]:
    """Returns what was found, in one sentence and for each step that changed anything."""
    live = [each for each in ablated.steps if each.worth is not None]
    live.sort(key=lambda each: not (each.worth and each.worth.clear))
    return [ablated.verdict, *(f"{each.name}: {each.verdict}" for each in live)]


def _forest(ablated: Ablated, lift: Lift) -> Markup:
    told = Told(lift)
    rows = [
        Row(each.name, it.value, it.low, it.high, it.by_replicate)
        for each in ablated.steps
        if (it := each.worth) is not None
    ]
    measure = told.measure("its control")
    note = (
        "What a step chose, over as many records drawn at random; of a step that makes records, "
        "its own over as many others. Worths do not add up: two steps may do the same work."
    )
    return forest("Worth of each step", rows, measure, without=told.without, note=note)


def _steps(ablated: Ablated, told: Told) -> Markup:
    rows = [_step(each, told) for each in ablated.steps]
    head = ("step", "records", "of", "over its control", "raw", "dropped", "cost", "verdict")
    note = (
        "Records: what comes out without the step (of one alone: with it and the generators only), "
        "of how many. Raw: all steps over all but this one, of whatever sizes. Both columns are "
        f"families of their own, each with {told.confidence} for all its intervals together."
    )
    body = el("div", table(head, rows, "Steps"), class_="said-last")
    return chapter("steps", "Steps", el("p", note, class_="note"), body)


def _step(it: Worth, told: Told) -> list[Child]:
    usd = it.cost.usd
    return [
        quote(it.name, 60),
        f"{it.records:,}",
        f"{it.whole:,}",
        _cell(it.worth, told),
        _cell(it.raw, told),
        f"{it.cost.thrown:,}",
        "\u2013" if usd is None else money(usd),
        el("span", quote(it.verdict, 300)),
    ]


def _cell(it: Difference | None, told: Told) -> Child:
    return "\u2013" if it is None else cell(it, told.unit, sure=not told.without)


def _records(ablated: Ablated) -> Markup:
    measure = Measure("records", lambda value: f"{value:+,.0f}")
    note = "Drops of a step that changes no training set are still drops: another step makes them."
    picture = waterfall("Records, step by step", list(_stages(ablated)), measure, note=note)
    return chapter("records", "Records", el("div", picture, class_="half"))


def _stages(ablated: Ablated) -> Iterator[Stage]:
    whole = 0
    for step, change in ablated.funnel:
        whole += change
        if change:
            yield Stage(step, change)
    yield Stage("all steps", whole, total=True)
