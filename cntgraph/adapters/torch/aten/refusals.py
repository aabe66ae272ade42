"""Operations that are known to have no edges: why the graph is cut there."""

from __future__ import annotations

from cntgraph.adapters.torch.aten.operations import HANDLERS

_REASONS = {
    "bilinear trilinear": "a product of two inputs is not an edge",  # x₁ᵀ W x₂ has one for pairs
    "pdist_forward": "a distance is not linear in both of its ends",
    "grid_sampler_2d grid_sampler_3d": "the data say where it reads",
    "linalg_solve_triangular linalg_solve_ex": "it solves equations that the data write",
    "as_strided": "it shows more of the memory than the neurons that lie there",
    "nms roi_align roi_pool ps_roi_align ps_roi_pool": "the data say which boxes it looks at",
}  # fmt: skip

for _names, _reason in _REASONS.items():
    HANDLERS.refuses(_reason, *_names.split())
