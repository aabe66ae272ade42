"""What kernels import of numba, in a fresh interpreter, and that numba is none the worse for it."""

import subprocess
import sys


def said(code):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys\nimport cntgraph as cg\n{code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


def test_kernels_do_without_linear_algebra():
    measured = "cg.node_strength(cg.toy('mlp'))"
    asked = "print('numba' in sys.modules, 'scipy.linalg' in sys.modules)"
    assert said(f"{measured}\n{asked}") == ["True", "False"]


def test_compiled_code_of_others_multiplies_matrices():
    code = """
import numba, numpy as np
from numba.np import arraymath, linalg
cg.node_strength(cg.toy('mlp'))
print(arraymath._HAVE_BLAS, arraymath.ensure_blas is linalg.ensure_blas)
product = numba.njit(lambda a, b: a @ b)
print(product(np.full((2, 2), 3.0), np.eye(2))[0, 0], 'scipy.linalg' in sys.modules)
"""
    assert said(code) == ["True", "True", "3.0", "True"]
