"""The records in the file of a run of Weights & Biases, slowly: its package has no reader.

It is a log of LevelDB (https://github.com/google/leveldb/blob/main/doc/log_format.md) behind a
header of seven bytes: blocks of 32 KiB, of pieces with a checksum, a length and a type; a record is
one piece (type 1), or a first, some middle and a last one (2, 3, 4). What is in a record, wandb's
own protocol says.
"""

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, HEAD = 1 << 15, 7


def records(path):
    """Yield the records of a file."""
    data, whole = path.read_bytes(), b""
    assert data[:4] == b":W&B"
    place = HEAD
    while place + HEAD <= len(data):
        left = BLOCK - place % BLOCK
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        if left < HEAD or kind == 0:  # padding
            place += left
            continue
        assert kind in (1, 2, 3, 4)
        whole += data[place + HEAD : place + HEAD + length]
        place += HEAD + length
        if kind in (1, 4):
            yield Record.FromString(whole)
            whole = b""
