"""Folders as the libraries of Hugging Face save them, of small models with random weights."""

import json
import os
import warnings

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
import torch
import transformers as hf

#: Sizes that most configurations of language models have.
SMALL = {
    "vocab_size": 11, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 6,
    "intermediate_size": 16, "max_position_embeddings": 8,
}  # fmt: skip
HEADS = {"num_key_value_heads": 2}
TOKEN = {"input_ids": torch.zeros((1, 1), dtype=torch.int64)}
AFTER = {"decoder_input_ids": TOKEN["input_ids"]}
NOT_PADDING = {"input_ids": torch.ones((1, 1), dtype=torch.int64)}


def llama(**options):
    return hf.LlamaForCausalLM(hf.LlamaConfig(**SMALL | HEADS | options))


def gpt2():
    return hf.GPT2LMHeadModel(hf.GPT2Config(
        vocab_size=11, n_positions=8, n_embd=12, n_layer=2, n_head=3
    ))  # fmt: skip


def bert(kind=hf.BertForMaskedLM):
    return kind(hf.BertConfig(**SMALL))


def vit():
    return hf.ViTForImageClassification(hf.ViTConfig(
        image_size=8, patch_size=4, hidden_size=12, num_hidden_layers=2, num_attention_heads=3,
        intermediate_size=16, num_labels=4,
    ))  # fmt: skip


def mixtral():
    return hf.MixtralForCausalLM(hf.MixtralConfig(
        **SMALL, **HEADS, num_local_experts=3, num_experts_per_tok=2
    ))  # fmt: skip


def t5():
    return hf.T5ForConditionalGeneration(hf.T5Config(
        vocab_size=11, d_model=12, d_kv=4, d_ff=16, num_layers=1, num_heads=3, pad_token_id=10,
        decoder_start_token_id=10,
    ))  # fmt: skip


def marian():
    """Its tables of positions are computed, and not stored."""
    return hf.MarianMTModel(hf.MarianConfig(
        vocab_size=11, decoder_vocab_size=11, d_model=12, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=3, decoder_attention_heads=3, encoder_ffn_dim=16,
        decoder_ffn_dim=16, max_position_embeddings=8, pad_token_id=10, decoder_start_token_id=10,
        eos_token_id=0, forced_eos_token_id=0,
    ))  # fmt: skip


#: How each model is made, and what its folder is run on where nothing else is said.
MODELS = {
    "llama": (llama, TOKEN),
    "llama, tied, bfloat16": (
        lambda: llama(tie_word_embeddings=True).to(torch.bfloat16), TOKEN
    ),
    "gpt2": (gpt2, TOKEN),
    "bert": (bert, NOT_PADDING),
    "vit": (vit, {"pixel_values": torch.zeros(1, 3, 8, 8)}),
    "mixtral": (mixtral, TOKEN),
    "t5": (t5, TOKEN | AFTER),
    "marian": (marian, TOKEN | AFTER),
}  # fmt: skip


def randomized(model):
    """Give gains, shifts and statistics values that are not those of a start."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def saved(model, folder, **options):
    """Save a model as its library does; return the folder."""
    hf.utils.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder, **options)
    return folder


def configured(folder, **changes):
    """Change what a configuration says."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def same_weights(one, other):
    """Each block reads the same numbers."""
    assert [block.name for block in one.blocks] == [block.name for block in other.blocks]
    for a, b in zip(one.blocks, other.blocks, strict=True):
        for ours, theirs in ((a.weight, b.weight), (a.bias, b.bias)):
            assert (ours is None) == (theirs is None), a.name
            assert ours is None or np.array_equal(ours.read(), theirs.read()), a.name
