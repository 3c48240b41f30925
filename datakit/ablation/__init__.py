"""Ablation: a finished run, rebuilt without one of its steps, or with one alone, asking nobody.

with open_ablation("sql.yaml") as lab:      # refused unless lab.all() is the version, exactly
lab.ref, lab.steps                      # "sql@v3", ("generate.self_instruct", ...)
lab.candidates()                        # all that came to the first step, in order
lab.all(), lab.bare()                   # Variants: every step; none but the generators
lab.without(step), lab.only(step)       # Variants: .records, .notes, .changed, .funnel
lab.control(step, seed=1)               # as many records, dropped at random
lab.costs()                             # StepCosts: asked for, and thrown away
lab.rerun(step)                         # a Rerun from the start: estimated, never sent
lab.carry(lab.rerun(step))              # its log beforehand, once the user has agreed
control_of(large, small, seed)              # as many of large's records as small has
size_matched(records, size, seed)           # the draw that controls are made by
"""

from datakit.ablation.costs import StepCost
from datakit.ablation.lab import Ablation
from datakit.ablation.opening import open_ablation
from datakit.ablation.rerun import Rerun
from datakit.ablation.variants import Candidate, Variant, control_of, size_matched

__all__ = [
    "Ablation",
    "Candidate",
    "Rerun",
    "StepCost",
    "Variant",
    "control_of",
    "open_ablation",
    "size_matched",
]
