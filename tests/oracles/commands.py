"""Commands run in this process, and what they say when they fail."""

from typer.testing import CliRunner

from cntgraph.cli import app


def run(*args, code=0):
    """Run a command; its exit status must be `code`."""
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def fails(*args):
    """Run a command that fails as people should see it: one line, status 1."""
    result = run(*args, code=1)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr
