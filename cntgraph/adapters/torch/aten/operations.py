"""Which ATen operations there are for node ids: those that move, those that hand on, handlers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from cntgraph.adapters.torch.aten.values import Arguments, name_of_operation
from cntgraph.adapters.tracing.operations import OperationTable

#: Takes the tracer, the arguments and a name for the operation; returns None where the operation
#: may be taken apart into smaller ones, and raises `NotFollowed` where it never has edges.
Handler = Callable[[Any, Arguments, str], Any]

#: Operations that are followed of buffers alone, too; otherwise the values of those are taken.
_OF_BUFFERS = frozenset(
    "neg abs sqrt square rsqrt reciprocal mul div mm bmm matmul mv dot vdot add sub rsub pow sum "
    "mean var std var_mean std_mean linalg_vector_norm norm linear addmm baddbmm "
    "constant_pad_nd".split()
)
#: What each operation does to node ids, by its name without underscores around it.
HANDLERS: OperationTable[Handler] = OperationTable("ATen operation", _OF_BUFFERS)
handles = HANDLERS.handles

#: Operations that move or copy values, computing nothing: carried out on the ids themselves.
MOVEMENT = frozenset(
    "alias broadcast_to cat chunk channel_shuffle clone concat concatenate contiguous "
    "detach detach_ diagonal expand expand_as flatten flip gather index index_select lift "
    "lift_fresh lift_fresh_copy movedim narrow narrow_copy numpy_T matrix_H mT mH permute "
    "permute_copy pixel_shuffle pixel_unshuffle repeat repeat_interleave reshape reshape_as roll "
    "rot90 select select_copy slice slice_copy split split_copy split_with_sizes squeeze squeeze_ "
    "squeeze_copy stack swapaxes swapdims t t_ take_along_dim tensor_split tile transpose "
    "transpose_ transpose_copy unbind unflatten unfold unsqueeze unsqueeze_ unsqueeze_copy "
    "unsafe_chunk unsafe_split unsafe_split_with_sizes _unsafe_index _unsafe_view view view_as "
    "view_copy".split()
)

#: Movements that are only defined for floating point, and that fill up with zeros.
COPYING = frozenset(
    "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d "
    "_upsample_nearest_exact2d _upsample_nearest_exact3d reflection_pad1d reflection_pad2d "
    "reflection_pad3d replication_pad1d replication_pad2d replication_pad3d im2col".split()
)

#: Operations that make a constant of the shape of what they are given, and of which value.
OF_A_SHAPE = {
    "new_empty": None, "new_empty_strided": None, "empty_like": None, "new_zeros": 0,
    "zeros_like": 0, "new_ones": 1, "ones_like": 1, "new_full": 1, "full_like": 1,
}  # fmt: skip

#: What they are applied to is nodes, even if it is a parameter or a constant.
RECURRENT = frozenset("lstm gru rnn_tanh rnn_relu".split())
#: Layers, of which only the shape of the result matters, not its values.
LAYERS = RECURRENT | frozenset(
    "addmm mm bmm linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d "
    "convolution layer_norm native_layer_norm rms_norm group_norm avg_pool1d avg_pool2d avg_pool3d "
    "max_pool1d max_pool2d_with_indices max_pool3d_with_indices".split()
)

#: Operations whose result is their first argument, value by value.
IDENTITY = frozenset(
    "to _to_copy type_as dropout dropout_ native_dropout feature_dropout alpha_dropout "
    "dequantize feature_alpha_dropout native_alpha_dropout _assert_tensor_metadata nan_to_num "
    "positive quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic resolve_conj "
    "resolve_neg".split()
)


def handler_of(name: str) -> Handler | None:
    """Return the handler of an operation by its ATen name, such as ``_softmax`` or ``relu_``."""
    return HANDLERS.get(name.strip("_"))


@cache
def writes_over(operation: Any) -> bool:
    """Whether an operation puts other values in the place of those of its first argument."""
    name = name_of_operation(operation)
    return name.endswith("_") and not name.endswith("__") and name not in MOVEMENT
