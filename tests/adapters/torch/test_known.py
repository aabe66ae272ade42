"""What tensors stand for is found by their memory, and forgotten with them."""

import torch

from cntgraph.adapters.torch import known as known_module
from cntgraph.adapters.torch.known import Known, NamedValues


def ids(tensors):
    return [id(tensor) for tensor in tensors]


def test_what_shares_memory_is_found_and_nothing_else():
    whole, other = torch.zeros(6), torch.zeros(6)
    first, last, of_other = whole[:2], whole[4:], other[:2]
    known = Known()
    for value, tensor in enumerate((first, of_other, last, whole)):
        known[tensor] = value
    assert ids(known.beside(first)) == ids([last, whole])
    assert ids(known.beside(whole[1:3])) == ids([first, last, whole])
    assert ids(known.beside(other)) == ids([of_other])
    assert known.beside(torch.zeros(6)) == []


def test_what_was_told_twice_or_popped_is_there_once_or_not():
    whole = torch.zeros(4)
    part, known = whole[1:], Known()
    known[part] = "one"
    known[part] = "two"
    assert known[part] == "two"
    assert ids(known.beside(whole)) == ids([part])
    assert known.pop(part) == "two"
    assert known.pop(part, "none") == "none"
    assert part not in known
    assert known.beside(whole) == []
    known[part] = "three"
    assert ids(known.beside(whole)) == ids([part])


def test_tensors_that_are_gone_are_forgotten():
    whole, known = torch.zeros(4), Known()
    known[whole[:1]] = "gone"
    assert known.beside(whole) == []


def test_tensors_without_values_share_memory_only_with_their_views():
    one, other = torch.empty(4, device="meta"), torch.empty(4, device="meta")
    part, known = one[1:], Known()
    known[part] = known[other] = "something"
    assert ids(known.beside(one)) == ids([part])


def test_names_are_found_by_the_memory_of_their_tensors():
    whole, other, values = torch.zeros(6), torch.zeros(6), NamedValues()
    for name, value in {"a": whole[:2], "b": other, "c": "text", "d": whole}.items():
        values[name] = value
    assert list(values.beside(whole[4:])) == ["a", "d"]
    assert values["c"] == "text"
    values["a"] = other[1:]
    assert (list(values.beside(whole)), list(values.beside(other))) == (["d"], ["b", "a"])
    values["d"] = "no tensor any more"
    values.pop("b")
    values.pop("never there")
    assert (list(values.beside(whole)), list(values.beside(other))) == ([], ["a"])


def test_no_value_is_looked_at_that_lies_elsewhere(monkeypatch):
    """Of a program with thousands of values, each write would look at all of them."""
    values = NamedValues()
    for k in range(100):
        values[str(k)] = torch.zeros(2)
    looked_at = []
    monkeypatch.setattr(known_module, "memory_of", lambda x: looked_at.append(x) or 0)
    values.beside(torch.zeros(2))
    assert len(looked_at) == 1
