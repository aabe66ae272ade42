"""MLflow's client finds the recorded measures in a local store."""

import json

import mlflow
import pytest


@pytest.fixture(autouse=True)
def local(tmp_path, monkeypatch):
    """A store of files, of which newer versions say that a database is better."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "store").as_uri())
    yield
    assert mlflow.active_run() is None
    mlflow.set_tracking_uri(None)


def the_run():
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return run


def check(run, expected):
    client = mlflow.MlflowClient()
    assert set(run.data.metrics) - {"loss"} == set(expected[0].scalars)
    for name in expected[0].scalars:
        history = [
            (one.step, one.value) for one in client.get_metric_history(run.info.run_id, name)
        ]
        assert history == [(one.step, one.scalars[name]) for one in expected]
    files = client.list_artifacts(run.info.run_id, "cntgraph/histograms")
    assert len(files) == len(expected)
    for file, one in zip(sorted(file.path for file in files), expected, strict=True):
        assert file == f"cntgraph/histograms/{one.step:09}.json"
        found = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{file}"))
        assert set(found) == set(one.values)
        for name, own in found.items():
            one.check_histogram(name, own["edges"], own["counts"])


def test_by_its_name(trained):
    expected = trained(["mlflow"])
    run = the_run()
    assert run.info.status == "FINISHED"
    check(run, expected)


def test_a_training_that_fails(path):
    import torch

    import cntgraph as cg

    def fail():
        with cg.Recorder(path, torch.nn.Linear(3, 2), input_shape=(3,), sinks=["mlflow"]) as record:
            record()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert the_run().info.status == "FAILED"


@pytest.mark.parametrize("how", ["name", "run", "client"])
def test_a_run_that_is_open(how, trained):
    with mlflow.start_run() as run:
        mlflow.log_metric("loss", 0.5)
        client = mlflow.MlflowClient()
        sink = {"name": "mlflow", "run": run, "client": (client, run.info.run_id)}[how]
        expected = trained([sink])
        assert mlflow.active_run().info.run_id == run.info.run_id
        assert the_run().info.status == "RUNNING"
    check(the_run(), expected)
    assert the_run().data.metrics["loss"] == 0.5


def test_more_metrics_than_mlflow_takes_at_once(path, monkeypatch):
    from cntgraph.training.sinks import mlflow as module
    from cntgraph.training.sinks.logged_measures import LoggedMeasures

    monkeypatch.setattr(module, "_BATCH", 3)
    sink = module.MLflowSink.begin(path, resume=False)
    sink.log_measures(LoggedMeasures(5, None, {f"cntgraph/a/{k}": 0.5 * k for k in range(8)}, {}))
    sink.close(failed=False)
    assert the_run().data.metrics == {f"cntgraph/a/{k}": 0.5 * k for k in range(8)}
