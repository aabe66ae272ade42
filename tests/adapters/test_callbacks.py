"""Callbacks record what Lightning, Keras and transformers train, at the steps asked for."""

import sys
import warnings

import keras
import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import cntgraph as cg
from cntgraph.adapters.callbacks import callback_for, plain_numbers
from cntgraph.core.errors import CntGraphError, MissingExtraError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


class Steps(list):
    """A sink: of what it is shown, it keeps where that is on the axis."""

    def log_measures(self, measures):
        self.append(measures.step)
        assert any("/fluctuation/" in name for name in measures.scalars)

    def close(self, *, failed):
        """There is nothing to close."""


class Weights(list):
    """Copies of a layer's weights, taken at chosen moments."""

    def take(self, weight):
        self.append(np.asarray(weight).copy())

    def check(self, path, name):
        trajectory = cg.open(path)
        assert len(trajectory) == len(self) > 0
        for net, expected in zip(trajectory, self, strict=True):
            np.testing.assert_array_equal(net.parameters[name].raw(), expected)
        assert len({values.tobytes() for values in self}) == len(self), "it was trained"


# --- Lightning --------------------------------------------------------------------------------


class Regression(LightningModule):
    def __init__(self, taken, every=1):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))
        self.taken, self.every, self.n_steps = taken, every, 0

    def training_step(self, batch, _):
        loss = nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, _):
        self.log("val/loss", nn.functional.mse_loss(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def optimizer_step(self, *args, **options):
        super().optimizer_step(*args, **options)
        self.n_steps += 1
        if self.n_steps % self.every == 0:
            self.taken.take(self.net[0].weight.detach())


def batches(n=20, size=5):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 6, generator=generator)
    return DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=size)


def lightning_fit(model, callback, **options):
    with warnings.catch_warnings():
        # Of Lightning itself: workers, loggers, devices, and its own use of PyTorch.
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings("ignore", module="torch.*")
        warnings.filterwarnings("ignore", category=FutureWarning)
        trainer = Trainer(
            accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=2,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[callback], **options
        )  # fmt: skip
        trainer.fit(model, batches(), batches(10))


def test_lightning_by_steps(path):
    taken = Weights()
    model = Regression(taken, every=3)
    record = cg.Recorder(path, model.net, input_shape=(6,), every=3)
    lightning_fit(model, record.callback("lightning"))
    labels = cg.open(path).labels
    assert labels["step"].tolist() == [3, 6]
    assert labels["epoch"].tolist() == [0.75, 1.5]
    assert (labels["loss"] > 0).all()
    taken.check(path, "0.weight")


def test_lightning_by_epochs(path):
    model = Regression(Weights(), every=4)
    record = cg.Recorder(path, model.net, input_shape=(6,))
    lightning_fit(model, record.callback("lightning", per="epoch"))
    labels = cg.open(path).labels
    assert labels["step"].tolist() == [4, 8]
    assert labels["epoch"].tolist() == [1, 2]
    assert (labels["val/loss"] > 0).all()
    model.taken.check(path, "0.weight")


def test_lightning_counts_steps_of_the_optimizer(path):
    """Of two batches each, where gradients are accumulated."""
    model = Regression(Weights())
    record = cg.Recorder(
        path, model.net, input_shape=(6,), store="measures", every=2, sinks=[shown := Steps()]
    )
    lightning_fit(model, record.callback("lightning"), accumulate_grad_batches=2)
    assert cg.open(path).labels["step"].tolist() == shown == [2, 4]


# --- Keras ------------------------------------------------------------------------------------


def keras_model(**options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01, **options), "mse", metrics=["mae"])
    return model


def keras_fit(model, *callbacks, epochs=2, **options):
    x = np.random.default_rng(0).normal(size=(20, 6))
    y = x.sum(1, keepdims=True)
    data = {"validation_data": (x[:4], y[:4]), "batch_size": 5, "shuffle": False}
    model.fit(x, y, epochs=epochs, verbose=0, callbacks=list(callbacks), **data, **options)


def test_keras_by_steps(path):
    model, taken = keras_model(), Weights()

    class Take(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations) % 3 == 0:
                taken.take(self.model.layers[0].kernel)

    record = cg.Recorder(path, model, every=3)
    keras_fit(model, record.callback("keras"), Take())
    labels = cg.open(path).labels
    assert labels["step"].tolist() == [3, 6]
    assert labels["epoch"].tolist() == [0.75, 1.5]
    assert {"loss", "mae"} <= set(labels.columns)
    taken.check(path, next(n for n in cg.open(path)[0].parameters if n.endswith("kernel")))
    keras_fit(model, record.callback("keras"), epochs=1)
    assert cg.open(path).labels["step"].tolist() == [3, 6, 9, 12]


def test_keras_by_epochs(path):
    model = keras_model()
    record = cg.Recorder(path, model, store="both", every=2)
    keras_fit(model, record.callback("keras", per="epoch"), epochs=4)
    labels = cg.open(path).labels
    assert labels["step"].tolist() == [8, 16]
    assert labels["epoch"].tolist() == [2, 4]
    assert (labels["val_mae"] > 0).all()
    found = cg.analyze(cg.load(model))["fluctuation"].to_numpy()
    last = cg.open(path).analyze().query("snapshot == 1")["fluctuation"].to_numpy()
    np.testing.assert_array_equal(last, found)


def test_keras_counts_steps_of_the_optimizer(path):
    model = keras_model(gradient_accumulation_steps=2)
    record = cg.Recorder(path, model, sinks=[shown := Steps()])
    keras_fit(model, record.callback("keras"))
    assert cg.open(path).labels["step"].tolist() == shown == [1, 2, 3, 4]


# --- transformers -----------------------------------------------------------------------------


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))

    def forward(self, x, labels=None):
        logits = self.net(x)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def transformers_fit(tmp_path, model, callbacks, **options):
    import transformers

    generator = torch.Generator().manual_seed(0)
    data = [{"x": x, "labels": int(x.sum() > 0)} for x in torch.randn(20, 6, generator=generator)]
    with warnings.catch_warnings():
        # Of transformers and accelerate themselves.
        for module in ("transformers.*", "accelerate.*", "torch.*"):
            warnings.filterwarnings("ignore", module=module)
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path / "out"), use_cpu=True, report_to=[], save_strategy="no",
            per_device_train_batch_size=5, num_train_epochs=2, logging_steps=1, disable_tqdm=True,
            learning_rate=0.1, **options
        )  # fmt: skip
        trainer = transformers.Trainer(
            model, arguments, train_dataset=data, callbacks=list(callbacks)
        )
        trainer.train()


def test_transformers_by_steps(path, tmp_path, capsys):
    from transformers import TrainerCallback

    taken = Weights()

    class Take(TrainerCallback):
        def on_step_end(self, args, state, control, model=None, **_):
            if state.global_step % 3 == 0:
                taken.take(model.net[0].weight.detach())

    model = Classifier()
    record = cg.Recorder(path, model.net, input_shape=(6,), every=3)
    transformers_fit(tmp_path, model, [record.callback("transformers"), Take()])
    labels = cg.open(path).labels
    assert labels["step"].tolist() == [3, 6]
    assert labels["epoch"].tolist() == [0.75, 1.5]
    assert (labels["loss"] > 0).all()
    assert "learning_rate" in labels
    taken.check(path, "0.weight")


def test_transformers_by_epochs(path, tmp_path, capsys):
    model = Classifier()
    record = cg.Recorder(
        path, model.net, input_shape=(6,), store="measures", sinks=[shown := Steps()]
    )
    transformers_fit(tmp_path, model, [record.callback("transformers", per="epoch")])
    labels = cg.open(path).labels
    assert labels["step"].tolist() == shown == [4, 8]
    assert labels["epoch"].tolist() == [1, 2]


# --- What they share --------------------------------------------------------------------------


def test_unknown_frameworks_and_paces(path):
    record = cg.Recorder(path, nn.Linear(3, 2), input_shape=(3,))
    with pytest.raises(CntGraphError, match="lightning, keras, transformers, got 'fastai'"):
        record.callback("fastai")
    with pytest.raises(CntGraphError, match="expected per"):
        record.callback("keras", per="batch")


def test_a_framework_that_is_missing(monkeypatch):
    monkeypatch.delitem(sys.modules, "cntgraph.adapters.torch.transformers_callback", raising=False)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="needs transformers: pip install transformers"):
        callback_for("transformers", None)


def test_only_plain_numbers_are_labels():
    logs = {
        "loss": torch.tensor(0.5), "array": np.float32(2), "one": torch.ones(1, 1), "text": "a",
        "grid": torch.ones(2), "none": None, "step": 3, "epoch": 1, "flag": True, "": 1.0,
        "complex": 1j,
    }  # fmt: skip
    assert plain_numbers(logs) == {"loss": 0.5, "array": 2.0, "one": 1.0, "flag": True}
    assert plain_numbers(None) == {}
