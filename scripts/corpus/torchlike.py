"""Writes checkpoints as torch.save does, without torch: CPython's own pickler makes the opcodes,
classes of torch's names stand in for the real ones."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

STORAGES = {"f": "FloatStorage", "e": "HalfStorage", "b": "BFloat16Storage", "q": "LongStorage", "?": "BoolStorage"}
WIDTH = {"f": 4, "e": 2, "b": 2, "q": 8, "?": 1}


def module(name):
    made = sys.modules.setdefault(name, types.ModuleType(name))
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(module(parent), child, made)
    return made


def stand_in(path, name, of=None):
    """A class or function that pickles by the given name."""
    if of is None:
        of = type(name, (), {})
    of.__module__, of.__qualname__, of.__name__ = path, name, name
    setattr(module(path), name, of)
    return of


for kind in list(STORAGES.values()) + ["UntypedStorage"]:
    stand_in("torch" if kind != "UntypedStorage" else "torch.storage", kind)


def function(path, name):
    def call(*_):
        raise NotImplementedError

    return stand_in(path, name, call)


REBUILD = function("torch._utils", "_rebuild_tensor_v2")
REBUILD_V3 = function("torch._utils", "_rebuild_tensor_v3")
PARAMETER = function("torch._utils", "_rebuild_parameter")
DEVICE = stand_in("torch", "device")
SIZE = stand_in("torch", "Size", type("Size", (tuple,), {"__reduce__": lambda self: (SIZE, (tuple(self),))}))
CALLBACK = stand_in("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")


class Storage:
    def __init__(self, kind, count, key=None):
        self.kind, self.count, self.key = kind, count, key

    def bytes(self):
        return bytes(i * 7 % 251 for i in range(self.count * WIDTH[self.kind]))


class Tensor:
    def __init__(self, shape, kind="f", storage=None, offset=0, parameter=False):
        self.shape, self.offset, self.parameter = shape, offset, parameter
        count = 1
        for n in shape:
            count *= n
        self.storage = storage or Storage(kind, count)
        stride, step = [], 1
        for n in reversed(shape):
            stride.insert(0, step)
            step *= n
        self.stride = tuple(stride)

    def __reduce__(self):
        plain = (REBUILD, (self.storage, self.offset, self.shape, self.stride, False, OrderedDict()))
        if not self.parameter:
            return plain
        inner = Tensor(self.shape, storage=self.storage)
        return (PARAMETER, (inner, True, OrderedDict()))


class Device:
    def __reduce__(self):
        return (DEVICE, ("cpu",))


class Dtype:
    """torch.uint16 and its like pickle as a plain name."""

    def __reduce__(self):
        return "uint16"


UINT16 = Dtype()
UINT16.__module__ = "torch"
module("torch").uint16 = UINT16


class Untyped(Tensor):
    def __reduce__(self):
        return (REBUILD_V3, (self.storage, 0, self.shape, self.stride, False, OrderedDict(), UINT16))


def pickler(file, protocol, storages, legacy):
    class Torch(pickle.Pickler):
        def persistent_id(self, held):
            if not isinstance(held, Storage):
                return None
            if held.key is None:
                held.key = str(len(storages))
            storages[held.key] = held
            kind = getattr(held, "untyped", False)
            name = module("torch.storage").UntypedStorage if kind else getattr(module("torch"), STORAGES[held.kind])
            count = held.count * (WIDTH[held.kind] if kind else 1)
            return ("storage", name, held.key, "cpu", count) + ((None,) if legacy else ())

    return Torch(file, protocol)


def save(path, value, protocol=2):
    """The zip format: entries kept as they are, data aligned to 64 bytes."""
    storages, out = {}, io.BytesIO()
    pickler(out, protocol, storages, False).dump(value)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        def put(name, data):
            info = zipfile.ZipInfo("archive/" + name, (1980, 1, 1, 0, 0, 0))
            start = archive.fp.tell() + 30 + len(info.filename)
            padding = -(start + 4) % 64
            info.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
            archive.writestr(info, data)

        put("data.pkl", out.getvalue())
        put("byteorder", b"little")
        for key, held in storages.items():
            put("data/" + key, held.bytes())
        put("version", b"3\n")
        put(".data/serialization_id", b"0" * 40)


def save_legacy(path, value, protocol=2):
    """The format of before 1.6: five pickles, then the storages."""
    storages, out = {}, io.BytesIO()
    pickle.dump(0x1950A86A20F9469CFC6C, out, protocol=protocol)
    pickle.dump(1001, out, protocol=protocol)
    sizes = {"short": 2, "int": 4, "long": 4}
    pickle.dump({"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}, out, protocol=protocol)
    pickler(out, protocol, storages, True).dump(value)
    pickle.dump(sorted(storages), out, protocol=protocol)
    for key in sorted(storages):
        out.write(struct.pack("<Q", storages[key].count))
        out.write(storages[key].bytes())
    with open(path, "wb") as file:
        file.write(out.getvalue())
