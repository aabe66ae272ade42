"""Folders of transformers: the graph and the numbers of the live model, nothing of its size."""

import json
import sys
import tracemalloc
import warnings
from math import prod

import huggingface_hub
import numpy as np
import pytest
import torch
import transformers as hf
from oracles import mutate
from oracles.hf_folders import (
    HEADS,
    MODELS,
    NOT_PADDING,
    SMALL,
    TOKEN,
    bert,
    configured,
    gpt2,
    llama,
    mixtral,
    randomized,
    same_weights,
    saved,
    vit,
)
from oracles.packed_files import cases, split
from oracles.reading import outcome
from oracles.torch_checks import same_networks
from safetensors.torch import load_file, save_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

import cntgraph as cg
from cntgraph.adapters.huggingface import of_transformers
from cntgraph.adapters.huggingface.building import offline
from cntgraph.adapters.torch import hollow
from cntgraph.core.errors import CoverageError, CoverageWarning, FormatError, InputShapeError

EIGHT = {"num_attention_heads": 8, "num_hidden_layers": 1}
PACKED = {name: case for name, case in cases().items() if name != "mxfp4"}


@pytest.mark.parametrize("n_read", [hollow._SMALL, 0], ids=["small weights read", "none read"])
@pytest.mark.parametrize("name", MODELS)
def test_a_folder_is_its_live_model(tmp_path, monkeypatch, name, n_read):
    monkeypatch.setattr(hollow, "_SMALL", n_read)
    make, example = MODELS[name]
    model = randomized(make())
    net = cg.load(saved(model, tmp_path), strict=True)
    # Which experts an example chooses is no part of a graph, but in which order they are put back.
    how = {"input_shape": (1,)} if name == "mixtral" else {"example_input": example}
    live = cg.load(model, strict=True, **how)
    same_weights(net, live)
    same_networks(net, live)
    assert not net.is_weights_alone


def test_shards_and_a_longer_text(tmp_path):
    model = randomized(mixtral())
    saved(model, tmp_path, max_shard_size="4KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 3
    live = cg.load(model, input_shape=(5,))
    for options in ({"input_shape": (5,)}, {"example_input": torch.arange(5)[None]}):
        net = cg.load(tmp_path, **options)
        same_weights(net, live)
        same_networks(net, live)
    # An expert is stored in tensors of its own, which the model has stacked.
    row = net.coverage.loc["model.layers.0.block_sparse_moe.experts.1.w1.weight"]
    assert row["status"] == "folded"
    assert row["reason"] == "a part of model.layers.0.mlp.experts.gate_up_proj"


def test_a_checkpoint_of_pytorch(tmp_path):
    model = randomized(llama())
    saved(model, tmp_path)
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    same_weights(cg.load(tmp_path), cg.load(model, example_input=TOKEN))


def test_weights_of_the_model_without_its_head(tmp_path):
    """As the repository of GPT-2 has them: the names lack what the class puts before them."""
    model = randomized(gpt2())
    saved(model, tmp_path)
    saved(model.transformer, tmp_path / "inner")
    net = cg.load(configured(tmp_path / "inner", architectures=["GPT2LMHeadModel"]))
    same_weights(net, cg.load(model, example_input=TOKEN))


def test_weights_that_the_model_has_no_place_for(tmp_path):
    """As most repositories of BERT have them: heads of their training."""
    model = randomized(bert(hf.BertForPreTraining))
    configured(saved(model, tmp_path), architectures=["BertModel"])
    with pytest.warns(CoverageWarning, match="BertModel has no place for cls.predictions.bias"):
        net = cg.load(tmp_path)
    same_weights(net, cg.load(model.bert, example_input=NOT_PADDING))
    assert net.coverage.loc["cls.predictions.bias", "status"] == "skipped"
    with pytest.raises(CoverageError, match=r"cls\.predictions"):
        cg.load(tmp_path, strict=True)


def test_no_architecture_named_is_the_one_of_its_type(tmp_path):
    model = randomized(llama().model)
    path = saved(model, tmp_path) / "config.json"
    config = json.loads(path.read_text())
    del config["architectures"]
    path.write_text(json.dumps(config))
    same_weights(cg.load(tmp_path), cg.load(model, example_input=TOKEN))


def test_an_image_of_the_size_that_is_said_or_prepared_or_asked_for(tmp_path):
    model = hf.ResNetForImageClassification(hf.ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], num_labels=3, layer_type="basic"
    ))  # fmt: skip
    saved(randomized(model), tmp_path)
    with pytest.raises(InputShapeError, match=r"size of its input 'pixel_values'.*input_shape="):
        cg.load(tmp_path)
    asked = cg.load(tmp_path, input_shape=(3, 32, 32))
    settings = {"size": {"height": 32, "width": 32}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    same_weights(asked, cg.load(tmp_path))
    assert cg.load(tmp_path).layers[0].shape == (3, 32, 32)
    same_weights(asked, cg.load(model, input_shape=(3, 32, 32)))


def test_both_inputs_of_a_model_of_texts_and_images(tmp_path):
    parts = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 3,
             "intermediate_size": 16}  # fmt: skip
    model = hf.CLIPModel(hf.CLIPConfig(
        text_config={**parts, "vocab_size": 11, "max_position_embeddings": 8, "pad_token_id": 0,
                     "bos_token_id": 1, "eos_token_id": 2},
        vision_config={**parts, "image_size": 8, "patch_size": 4}, projection_dim=6,
    ))  # fmt: skip
    net = cg.load(saved(model, tmp_path))
    assert {layer.name: layer.shape for layer in net.layers if layer.is_input} == {
        "input_ids": (11, 1), "pixel_values": (3, 8, 8),
    }  # fmt: skip


# -- packed and quantized --------------------------------------------------------------------------


@pytest.mark.parametrize("name", PACKED)
def test_packed_weights_in_the_graph(tmp_path, name):
    data, settings, expected = PACKED[name]
    n_out, n_in = expected.shape
    model = llama(**EIGHT, hidden_size=n_in, intermediate_size=n_out)
    path, module = saved(model, tmp_path) / "model.safetensors", "model.layers.0.mlp.gate_proj"
    plain = {k: v for k, v in load_file(path).items() if k != f"{module}.weight"}
    (tmp_path / "packed.safetensors").write_bytes(data)
    packed = load_file(tmp_path / "packed.safetensors")
    (tmp_path / "packed.safetensors").unlink()
    save_file(plain | {k.replace("fc", module, 1): v for k, v in packed.items()}, path)
    configured(tmp_path, **(json.loads(settings) if settings else
                            {"quantization_config": {"quant_method": name}}))  # fmt: skip
    net = cg.load(tmp_path, norm="keep")
    block = next(block for block in net.blocks if block.name == module)
    tolerance = 2**-7 if name == "ct_nvfp4" else 1e-6
    assert block.weight.read().reshape(expected.shape) == pytest.approx(
        expected, rel=tolerance, abs=1e-9
    )
    parts = {part.replace("fc", module, 1) for part in split(data)[0]} - {f"{module}.weight"}
    assert set(net.coverage.loc[sorted(parts), "status"]) == {"folded"}


def test_eight_bit_floats_with_a_scale_a_block(tmp_path):
    model = llama(**EIGHT, hidden_size=256, intermediate_size=384)
    path, name = saved(model, tmp_path) / "model.safetensors", "model.layers.0.mlp.gate_proj.weight"
    tensors = load_file(path)
    scale = torch.rand(3, 2) + 0.5
    narrow = tensors[name].to(torch.float8_e4m3fn)
    save_file(tensors | {name: narrow, f"{name}_scale_inv": scale}, path)
    configured(tmp_path, quantization_config={"quant_method": "fp8"})
    block = next(b for b in cg.load(tmp_path, norm="keep").blocks if f"{b.name}.weight" == name)
    wide = scale.repeat_interleave(128, 0).repeat_interleave(128, 1)
    assert np.allclose(block.weight.read().reshape(384, 256), narrow.float() * wide, rtol=1e-6)


def test_experts_in_four_bits_as_gpt_oss_has_them(tmp_path):
    """A matrix is as wide as it is high: only the values tell that it is turned."""
    kind = {"num_local_experts": 3, "num_experts_per_tok": 2, "head_dim": 16}
    model = hf.GptOssForCausalLM(hf.GptOssConfig(
        **SMALL | HEADS | EIGHT | kind | {"hidden_size": 64, "intermediate_size": 32},
        layer_types=["full_attention"],
    ))  # fmt: skip
    path, name = saved(model, tmp_path) / "model.safetensors", "model.layers.0.mlp.experts"
    generator, tensors = torch.Generator().manual_seed(0), load_file(path)
    expected = {}
    for part, groups in (("gate_up_proj", 2), ("down_proj", 1)):
        shape = (3, 64, groups)
        blocks = torch.randint(0, 256, (*shape, 16), generator=generator).to(torch.uint8)
        scales = torch.randint(120, 130, shape, generator=generator).to(torch.uint8)
        del tensors[f"{name}.{part}"]
        tensors |= {f"{name}.{part}_blocks": blocks, f"{name}.{part}_scales": scales}
        expected[part] = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)
    save_file(tensors, path)
    configured(tmp_path, quantization_config={"quant_method": "mxfp4"})
    net = cg.load(tmp_path)
    for part, values in expected.items():
        parameter = net.parameters[f"{name}.{part}"]
        assert np.array_equal(parameter.read(), values.numpy())
        assert np.array_equal(parameter.read(0, 1, 2), values[1:2].numpy())
    with torch.no_grad():
        for part, values in expected.items():
            model.get_parameter(f"{name}.{part}").copy_(values)
    same_weights(net, cg.load(model, input_shape=(1,)))


def test_a_way_of_packing_that_is_not_known(tmp_path):
    saved(llama(), tmp_path)
    path, name = tmp_path / "model.safetensors", "model.layers.0.mlp.gate_proj"
    tensors = load_file(path)
    save_file(tensors | {f"{name}.codebook": torch.zeros(3)}, path)
    configured(tmp_path, quantization_config={"quant_method": "aqlm"})
    with pytest.raises(FormatError, match=rf"{name}\.codebook.*'aqlm'.*description='separate'"):
        cg.load(tmp_path)


# -- nothing of the model's size, and nothing run --------------------------------------------------


def sparse_file(path, tensors):
    """A file of safetensors that is one hole: no disk is used."""
    header, at = {}, 0
    for name, shape in tensors.items():
        end = at + 2 * prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)


def test_a_model_of_gigabytes_takes_none(tmp_path):
    sizes = {"hidden_size": 8192, "intermediate_size": 28672, "vocab_size": 128256,
             "num_attention_heads": 64, "num_key_value_heads": 8,
             "num_hidden_layers": 1}  # fmt: skip
    config = hf.LlamaConfig(**SMALL | sizes, dtype="bfloat16", architectures=["LlamaForCausalLM"])
    config.save_pretrained(tmp_path)
    with torch.device("meta"):
        state = hf.LlamaForCausalLM(config).state_dict()
    sparse_file(tmp_path / "model.safetensors", {k: tuple(v.shape) for k, v in state.items()})
    cg.load(saved(llama(), tmp_path / "small"))  # imports all that is needed
    before = torch.random.get_rng_state()
    tracemalloc.start()
    net = cg.load(tmp_path, strict=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(p.nbytes for p in net.parameters.values()) > 5e9
    assert peak < 1e8
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    "change",
    [
        {"num_hidden_layers": 10**6},
        {"intermediate_size": 10**9},
        {"vocab_size": 10**15},
        {"num_hidden_layers": "two"},
    ],
)
def test_a_configuration_of_another_size_than_the_weights(tmp_path, change):
    configured(saved(llama(), tmp_path), **change)
    with pytest.raises(FormatError, match=r"many times as large|cannot build"):
        cg.load(tmp_path)


def test_damaged_configurations(tmp_path):
    """Whatever a configuration says, there is a network or an error of cntgraph."""
    saved(llama(num_hidden_layers=1), tmp_path)
    path = tmp_path / "config.json"
    found = []
    for damaged in mutate.mutations(path.read_bytes(), 40, structured=mutate.json_text):
        path.write_bytes(damaged)
        found.append(outcome(tmp_path))
    assert found.count("loaded") > 5
    assert found.count("FormatError") > 5


def test_weights_of_another_model(tmp_path):
    configured(saved(llama(), tmp_path), num_hidden_layers=3)
    with pytest.raises(FormatError, match=r"missing model\.layers\.2\.\S+.* and 5 more"):
        cg.load(tmp_path)
    configured(tmp_path, num_hidden_layers=2, intermediate_size=18)
    with pytest.raises(FormatError, match=r"the model has shape \(18, 12\), the file \(16, 12\)"):
        cg.load(tmp_path)


def test_code_of_a_folder_is_not_run(tmp_path):
    configured(saved(llama(), tmp_path), model_type="mine", architectures=["MineForCausalLM"],
               auto_map={"AutoConfig": "mine.Config", "AutoModel": "mine.Mine"})  # fmt: skip
    (tmp_path / "mine.py").write_text("raise SystemExit('run')")
    with pytest.warns(CoverageWarning, match="'MineForCausalLM'.*code in the folder.*not run"):
        net = cg.load(tmp_path)
    assert net.is_weights_alone
    with pytest.raises(FormatError, match="an input needs a graph"):
        cg.load(tmp_path, input_shape=(3,))
    configured(tmp_path, model_type="llama", architectures=["AutoConfig"])
    with pytest.warns(CoverageWarning, match="has no 'AutoConfig'"):
        assert cg.load(tmp_path).is_weights_alone
    # Code beside an architecture that the library has is not asked for either.
    configured(tmp_path, architectures=["LlamaForCausalLM"])
    assert not cg.load(tmp_path).is_weights_alone


def test_how_a_model_is_carried_out_is_no_part_of_it(tmp_path):
    """Kernels of the name of a repository would be fetched and run."""
    live = cg.load(saved(randomized(llama()), tmp_path))
    for named in ("flash_attention_2", "org/kernels"):
        configured(tmp_path, attn_implementation=named, _attn_implementation=named)
        same_weights(cg.load(tmp_path), live)


def test_weights_of_a_part_are_not_fetched(tmp_path):
    settings = {"text_config": {"backbone": "x", "use_pretrained_backbone": True},
                "layers": [{"_attn_implementation": "org/kernels", "n": 1}]}  # fmt: skip
    assert of_transformers._of_architecture(settings) == {
        "text_config": {"backbone": "x", "use_pretrained_backbone": False}, "layers": [{"n": 1}],
    }  # fmt: skip
    with offline(), pytest.raises(Exception, match=r"(?i)offline"):
        huggingface_hub.HfApi().model_info("org/tiny")


# -- weights alone ---------------------------------------------------------------------------------


def test_weights_alone_are_asked_for(tmp_path):
    saved(randomized(llama()), tmp_path)
    alone = cg.load(tmp_path, description="separate", strict=True)
    assert alone.is_weights_alone
    file = cg.load(tmp_path / "model.safetensors")
    assert [b.name for b in alone.blocks] == [b.name for b in file.blocks]
    with pytest.raises(FormatError, match="expected description='separate'"):
        cg.load(tmp_path, description="graph")
    (tmp_path / "config.json").unlink()
    assert cg.load(tmp_path, description="separate").is_weights_alone
    assert cg.load(tmp_path / "model.safetensors", description="separate").is_weights_alone


def test_the_module_that_is_given_comes_first(tmp_path):
    model = randomized(vit())
    saved(model, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = cg.load(tmp_path, model=vit(), input_shape=(3, 8, 8))
    same_weights(net, cg.load(tmp_path))


def test_without_the_library_they_are_weights_alone(tmp_path, monkeypatch):
    saved(llama(), tmp_path)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.warns(CoverageWarning, match=r"transformers: pip install 'cntgraph\[hf\]'"):
        net = cg.load(tmp_path)
    assert net.is_weights_alone
    with pytest.raises(cg.MissingExtraError, match=r"cntgraph\[hf\]"):
        cg.load(tmp_path, strict=True)


def test_a_damaged_configuration(tmp_path):
    (saved(llama(), tmp_path) / "config.json").write_text("{")
    with pytest.warns(CoverageWarning, match="expected a JSON object, found a damaged file"):
        assert cg.load(tmp_path).is_weights_alone


def test_a_folder_of_a_configuration_alone(tmp_path):
    hf.LlamaConfig(**SMALL, **HEADS).save_pretrained(tmp_path)
    with pytest.raises(FormatError, match="found one without any"):
        cg.load(tmp_path)
