"""Windows of any size, stride, dilation and padding, for hypothesis."""

from hypothesis import strategies as st

from cntgraph.network.blocks import Window

windows = st.builds(
    Window,
    fine=st.integers(0, 9),
    coarse=st.integers(0, 9),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    before=st.integers(-3, 6),
)
