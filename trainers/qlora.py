"""QLoRA: supervised fine-tuning of an adapter on a base that is held in 4 bits."""

from __future__ import annotations

from typing import Literal

from datakit.step import validated
from trainers.sft import SFT

__all__ = ["QLoRA"]


@validated
class QLoRA(SFT):
    """SFT with the defaults of QLoRA (Dettmers et al. 2023, arXiv 2305.14314).

    The base's linear layers are NF4 with double quantisation, computed in bfloat16; the adapter
    (rank 16, alpha 32, on all linear layers) is trained with a paged 8-bit AdamW on a GPU.
    """

    quantize: Literal["none", "nf4"] = "nf4"

    def __post_init__(self) -> None:
        self.rules()
        if self.quantize != "nf4":
            raise ValueError("quantize: is nf4 in QLoRA; `train sft` trains a base that is not")
