"""Files that are still open when Python ends."""

import subprocess
import sys

import cntgraph as cg

#: A network that is never freed, whose file is open: a reference that a C library kept.
KEPT = """
import ctypes, cntgraph as cg
net = cg.open({path!r})[-1]
for parameter in net.parameters.values():
    parameter.read()
ctypes.pythonapi.Py_IncRef(ctypes.py_object(net))
"""


def test_a_file_that_is_open_at_the_end_does_not_bring_the_process_down():
    code = KEPT.format(path=str(cg.demo_file("training")))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
