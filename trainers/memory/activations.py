"""What a training step holds besides the model: activations, and the room that the loss takes.

The count follows Korthikanti et al. 2022 (arXiv 2205.05198, section 4): for every operation of a
layer, what its gradient needs is kept. Theirs is full training of GPT in 16 bits; here adapters on
a frozen base are counted too, other widths and formats, kernels that keep no attention scores, and
gated MLPs. Every term is a tensor that autograd keeps; `BACKWARD` alone is measured.

The room of the loss is that of TRL's chunked one (trl/kernels/chunked_logprob.py, 1.16).
"""

from __future__ import annotations

from trainers.memory.parameters import Block, Layer, Matrix, Shape
from trainers.memory.plan import Plan

__all__ = ["layer_bytes", "loss_bytes", "moment_bytes", "stored_bytes"]

# The tile of TRL's chunked loss: tokens times words of the vocabulary.
TILE_TOKENS = 4096
TILE_WORDS = 32_768
# Off a GPU the tile's gradient is computed with so many fp32 copies of it (`_backward_tile`): y, z,
# the logarithm, the probability, the gradient and two intermediates, and one copy of a byte.
TILE_COPIES = 4 * 7 + 1
# Of all logits at once, in fp32: themselves, their logarithms, the gradient. Measured 12.1 to 12.3
# bytes for each, with transformers' own loss.
FULL_COPIES = 4 * 3
# In the backward pass of a linear layer: the gradients of its input through base and adapter, and
# the latter's copy in fp32. Bytes for each element of that input; measured 7.1 to 8.1.
BACKWARD = 8
# Names that closing layers of a block have: they read what the block computed, not its input.
CLOSING = ("o_proj", "out_proj", "c_proj", "down_proj", "fc2", "w2", "wo", "dense_4h_to_h", "dense")


def stored_bytes(shape: Shape, plan: Plan) -> int:
    """Returns what is kept between the forward and the backward pass.

    With checkpointing this is the input of each layer, else all that the gradients need.
    """
    stream = shape.hidden * plan.stream_bytes
    # The last norm's input in fp32, and its output, which the loss reads.
    end = plan.tokens * (shape.hidden * 4 + stream)
    if plan.checkpointing:
        return end + len(shape.layers) * plan.tokens * stream
    return end + sum(layer_bytes(layer, shape, plan) for layer in shape.layers)


def layer_bytes(layer: Layer, shape: Shape, plan: Plan) -> int:
    """Returns what the gradients of one layer need."""
    each = sum(_norm(width, shape, plan) for width in layer.norms)
    for block in layer.blocks:
        each += sum(_linear(matrix, plan) for matrix in block.matrices)
        each += _inputs(block, plan)
        each += _attention(block, shape, plan) if block.attention else _mlp(block, plan)
    return each * plan.tokens + _copies(layer, plan)


def moment_bytes(shape: Shape, plan: Plan) -> int:
    """Returns what the backward pass of one layer needs for a moment, of the hungriest layer.

    With checkpointing that includes all that its gradients need, as it is recomputed then.
    """
    return max((_moment(layer, shape, plan) for layer in shape.layers), default=0)


def _moment(layer: Layer, shape: Shape, plan: Plan) -> int:
    # The last block goes first, and what it kept is free before the attention's turn.
    kept = layer_bytes(layer, shape, plan) if plan.checkpointing else 0
    later = 0
    # Two gradients of the scores in fp32, when their 16-bit copy is gone already.
    scores = 6 * plan.rows * shape.heads * plan.max_length**2 if plan.attention == "eager" else 0
    for block in (each for each in layer.blocks if each.attention):
        freed = sum(_mlp(each, plan) for each in layer.blocks if not each.attention) * plan.tokens
        later = _gradients(block, plan) + scores - freed
    return kept + max(later, *(_gradients(block, plan) for block in layer.blocks))


def _gradients(block: Block, plan: Plan) -> int:
    """What the backward pass of a block's hungriest linear layer needs for a moment."""
    widest = max(matrix.inputs for matrix in block.matrices)
    each = BACKWARD * widest * plan.tokens
    if plan.lora == "dora":
        # The norm of base and adapter together: an identity goes through the adapter, in fp32 and
        # 16 bits. And the magnitudes have gradients over the outputs.
        each = BACKWARD * max(m.inputs + m.outputs for m in block.matrices) * plan.tokens
        each += 6 * widest**2
    if plan.quantize == "nf4":
        # One matrix at a time is restored to 16 bits.
        each += 2 * max(matrix.size for matrix in block.matrices)
    return each


def _closing(block: Block) -> Matrix:
    for matrix in block.matrices:
        if matrix.name.rpartition(".")[2] in CLOSING:
            return matrix
    return block.matrices[-1]


def _linear(matrix: Matrix, plan: Plan) -> int:
    """What one linear layer keeps for each token besides its input."""
    kept = 0
    if not plan.full:
        adapter = 2 if plan.autocast else plan.trained_bytes
        kept += plan.lora_r * adapter
        if plan.lora_dropout:
            # The mask: on a GPU a byte, on a CPU a number.
            kept += matrix.inputs * (1 if plan.device == "cuda" else plan.trained_bytes)
        if plan.lora == "dora":
            kept += matrix.outputs * (plan.output_bytes + adapter)
    return kept


def _inputs(block: Block, plan: Plan) -> int:
    """The inputs that the weights' gradients need: one for all, or one each where they are cast."""
    if plan.full:
        each, cast = plan.compute_bytes, plan.compute_bytes != plan.stream_bytes
    elif plan.autocast:
        # Only bitsandbytes' adapters take the input as it is; PEFT's others lift it to fp32 first.
        each, cast = 2, plan.quantize != "nf4" or plan.stream_bytes == 4
    else:
        each, cast = plan.trained_bytes, plan.trained_bytes != plan.stream_bytes
    if cast or (plan.lora_dropout and not plan.full):
        return each * sum(matrix.inputs for matrix in block.matrices)
    closing = _closing(block)
    # What attention gives is kept by attention itself.
    shared = 0 if block.attention else closing.inputs
    opening = [matrix.inputs for matrix in block.matrices if matrix is not closing]
    return each * (shared + max(opening, default=0))


def _norm(width: int, shape: Shape, plan: Plan) -> int:
    # Norms compute in fp32 whatever comes in. That of a head (width 0) sees all heads.
    width = width or shape.hidden
    return width * (4 + (plan.stream_bytes if plan.full else 0))


def _attention(block: Block, shape: Shape, plan: Plan) -> int:
    closing = _closing(block)
    queries = closing.inputs
    keys = sum(matrix.outputs for matrix in block.matrices if matrix is not closing) - queries
    masked = plan.padded and plan.rows > 1
    if masked or plan.attention == "eager":
        # With a mask, keys and values are repeated for the queries that share them.
        keys = max(keys, 2 * queries)
    if plan.attention == "eager":
        # Scores after the softmax in fp32, and their copy for the product.
        scores = 4 + (2 if plan.compute_bytes == 2 else 0)
        return plan.compute_bytes * (queries + keys) + scores * shape.heads * plan.max_length
    mask = plan.compute_bytes * plan.max_length if masked and plan.attention == "sdpa" else 0
    # Queries, keys, values, the output, and one fp32 number per head.
    return plan.compute_bytes * (2 * queries + keys) + 4 * shape.heads + mask


def _mlp(block: Block, plan: Plan) -> int:
    closing = _closing(block)
    opened = sum(matrix.outputs for matrix in block.matrices if matrix is not closing)
    # A gated MLP multiplies two branches, and keeps both factors and the activation's input.
    gate = closing.inputs if opened >= 2 * closing.inputs else 0
    return plan.output_bytes * (opened + gate)


def _copies(layer: Layer, plan: Plan) -> int:
    """Autocast keeps what it casts: the frozen weights and those of the adapter."""
    if not plan.autocast:
        return 0
    base = layer.size if plan.weights == "fp32" and plan.quantize == "none" else 0
    adapter = 0
    if not plan.full and plan.trained_bytes == 4:
        matrices = [matrix for block in layer.blocks for matrix in block.matrices]
        adapter = sum(plan.lora_r * (matrix.inputs + matrix.outputs) for matrix in matrices)
    return 2 * (base + adapter)


def loss_bytes(shape: Shape, plan: Plan) -> int:
    """Returns the room that the loss and its gradient take for a moment."""
    if plan.loss == "none":
        return 0
    compute, vocabulary = plan.compute_bytes, shape.vocabulary
    if plan.loss == "full":
        return plan.tokens * vocabulary * (FULL_COPIES + (2 if compute == 2 else 0))
    # The buffer has the tile's full width, however small the vocabulary is.
    tokens, words = min(plan.tokens, TILE_TOKENS), min(vocabulary, TILE_WORDS)
    room = tokens * TILE_WORDS * compute + plan.tokens * shape.hidden * 4
    head = words * shape.hidden
    if plan.weights == "fp32" and compute == 2:
        room += 2 * head
    if plan.full and plan.weights == "bf16":
        # The head's gradient is summed up in fp32.
        room += 4 * vocabulary * shape.hidden
    if plan.device == "cpu":
        lifted = 4 * (head + tokens * words) if compute == 2 else 0
        room += max(tokens * words * TILE_COPIES, lifted)
    return room
