import pytest
from matplotlib.figure import Figure


@pytest.fixture(autouse=True)
def no_pyplot():
    """Nothing is registered with pyplot, so that nobody has to close it."""
    import matplotlib.pyplot as plt

    yield
    assert plt.get_fignums() == []


@pytest.fixture
def ax():
    return Figure().subplots()
