"""Small whole files of every format, written by the libraries that people write them with.

    good.py FOLDER
"""

import gzip
import json
import pickle
import sys
import tarfile
import wave
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path

import gguf
import numpy as np
import onnx
import safetensors.numpy
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import torchlike as torch

OUT = Path(sys.argv[1])
RANDOM = np.random.default_rng(7)


def floats(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def write_safetensors():
    def save(name, tensors, metadata=None):
        safetensors.numpy.save_file(tensors, OUT / name, metadata)

    save("plain.safetensors", {"a": floats(4, 4), "b": floats(3)})
    types = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]
    save("every-dtype.safetensors", {name: np.ones(5, dtype=name) for name in types})
    save("scalars-and-empty.safetensors", {"scalar": np.array(1.5, np.float32), "empty": np.zeros((0, 9), np.float16)})
    save("unicode-names.safetensors", {"größe/重み \"x\"": floats(2), "a\\b": floats(1)}, {"note": "tab\there \u202e"})
    kohya = {
        "ss_network_module": "networks.lora", "ss_network_dim": "8", "ss_network_alpha": "4.0",
        "ss_base_model_version": "sdxl_base_v1-0", "ss_output_name": "style",
        "ss_tag_frequency": json.dumps({f"tag {i}": i for i in range(2000)}),
        "modelspec.architecture": "stable-diffusion-xl-v1-base/lora", "modelspec.title": "Style",
    }
    lora = {}
    for block in range(3):
        lora[f"lora_unet_input_blocks_{block}.lora_down.weight"] = floats(8, 16).astype(np.float16)
        lora[f"lora_unet_input_blocks_{block}.lora_up.weight"] = floats(16, 8).astype(np.float16)
        lora[f"lora_unet_input_blocks_{block}.alpha"] = np.array(4, np.float16)
    save("kohya-lora.safetensors", lora, kohya)
    save("adapter_model.safetensors", {"base_model.model.layers.0.q_proj.lora_A.weight": floats(4, 8)}, {"format": "pt"})
    save("model-00001-of-00002.safetensors", {f"model.layers.{i}.weight": floats(8, 8) for i in range(20)}, {"format": "pt"})
    save("model-00002-of-00002.safetensors", {f"model.layers.{i}.bias": floats(8) for i in range(200)}, {"format": "pt"})


def write_gguf():
    def writer(name, **how):
        made = gguf.GGUFWriter(OUT / name, "llama", **how)
        made.add_name("Corpus")
        made.add_context_length(2048)
        return made

    def close(made):
        made.write_header_to_file()
        made.write_kv_data_to_file()
        made.write_tensors_to_file()
        made.close()

    plain = writer("plain.gguf")
    plain.add_tensor("token_embd.weight", floats(16, 32))
    plain.add_tensor("output_norm.weight", floats(32))
    close(plain)
    words = writer("vocabulary.gguf")
    words.add_tokenizer_model("llama")
    words.add_token_list([f"token{i}".encode() for i in range(3000)])
    words.add_token_scores([0.5] * 3000)
    words.add_token_types([1] * 3000)
    words.add_chat_template("{{ messages }}")
    words.add_tensor("token_embd.weight", floats(4, 32))
    close(words)
    small = writer("quantized.gguf")
    small.add_file_type(7)
    for kind in ("Q8_0", "Q4_0", "Q5_1", "BF16"):
        wanted = gguf.GGMLQuantizationType[kind]
        small.add_tensor(f"blk.0.{kind}.weight", gguf.quants.quantize(floats(4, 256), wanted), raw_dtype=wanted)
    close(small)
    big = writer("big-endian.gguf", endianess=gguf.GGUFEndian.BIG)
    big.add_tensor("token_embd.weight", floats(16, 32))
    close(big)
    aligned = writer("aligned.gguf")
    aligned.add_custom_alignment(128)
    aligned.add_tensor("a", floats(5))
    aligned.add_tensor("b", floats(7))
    close(aligned)
    bare = writer("no-tensors.gguf")
    bare.add_array("general.tags", ["a", "b"])
    bare.add_array("numbers", [1, 2, 3])
    bare.add_bool("flag", True)
    close(bare)


def write_numpy():
    np.save(OUT / "floats.npy", floats(3, 5))
    np.save(OUT / "fortran.npy", np.asfortranarray(floats(3, 5)))
    np.save(OUT / "scalar.npy", np.float64(2))
    np.save(OUT / "words.npy", np.array(["ab", "größe"]))
    np.save(OUT / "dates.npy", np.array(["2026-01-01", "NaT"], dtype="M8[us]"))
    structured = np.zeros(3, dtype=[("x", "<f4"), ("y", "u1", (2, 2)), ("name", "U4"), ("in", [("a", "i2")])])
    np.save(OUT / "structured.npy", structured)
    wide = np.zeros(1, dtype=[(f"field number {i} with a long name", "<f4") for i in range(2000)])
    np.save(OUT / "wide-header.npy", wide)
    np.savez(OUT / "stored.npz", a=floats(4), b=np.arange(3))
    np.savez_compressed(OUT / "packed.npz", a=np.zeros((400, 400)), b=np.arange(3))
    held = {"array": floats(3, 2), "scalar": np.float64(1), "flags": np.array([True]), "raw": b"\x00\xff", "word": np.array(["ab"])}
    for protocol in range(6):
        with open(OUT / f"arrays-protocol-{protocol}.pkl", "wb") as file:
            pickle.dump(held, file, protocol=protocol)


def write_pickles():
    values = {
        "text": "größe", "number": 1 << 70, "float": 0.1, "none": None, "flags": [True, False],
        "tuple": (1, (2, 3)), "set": {1, 2}, "frozen": frozenset("ab"), "bytes": b"\x00" * 300,
        "array": bytearray(b"abc"), "complex": 1 + 2j, "ordered": OrderedDict(a=1), "counter": Counter("aab"),
        "shared": [[1]] * 2, "long": "x" * 70000,
    }
    for protocol in range(6):
        with open(OUT / f"values-protocol-{protocol}.pickle", "wb") as file:
            pickle.dump(values, file, protocol=protocol)
    with open(OUT / "several-in-one.pkl", "wb") as file:
        for value in ("a", {"b": 1}, [2]):
            pickle.dump(value, file)


def state_dict():
    state = OrderedDict((f"model.layers.{i}.weight", torch.Tensor((4, 4))) for i in range(6))
    state["model.norm.weight"] = torch.Tensor((4,), "b")
    state["model.steps"] = torch.Tensor((1,), "q")
    state["model.mask"] = torch.Tensor((2, 2), "?")
    state._metadata = OrderedDict([("", {"version": 1})])
    return state


def write_torch():
    torch.save(OUT / "pytorch_model.bin", state_dict())
    torch.save(OUT / "parameters.pt", {"w": torch.Tensor((3, 3), parameter=True), "device": torch.Device()})
    shared = torch.Storage("f", 64)
    views = {f"view{i}": torch.Tensor((4, 4), storage=shared, offset=16 * i) for i in range(4)}
    torch.save(OUT / "views.pt", views)
    torch.save(OUT / "half.pth", {"a": torch.Tensor((8,), "e"), "size": torch.SIZE((1, 2))})
    optimizer = {
        "state": {i: {"step": torch.Tensor(()), "exp_avg": torch.Tensor((4,))} for i in range(5)},
        "param_groups": [{"lr": 0.001, "betas": (0.9, 0.999), "params": list(range(5)), "foreach": None}],
    }
    torch.save(OUT / "training.ckpt", {"epoch": 3, "state_dict": state_dict(), "optimizer_states": [optimizer], "numbers": {"loss": np.float64(0.5), "rng": np.arange(4)}})
    diffusion = {f"model.diffusion_model.input_blocks.{i}.0.weight": torch.Tensor((2, 2)) for i in range(3)}
    diffusion["cond_stage_model.transformer.x"] = torch.Tensor((2,))
    callbacks = {torch.CALLBACK: {"monitor": "val/loss", "best": None}}
    torch.save(OUT / "sd-v1.ckpt", {"state_dict": diffusion, "callbacks": callbacks, "global_step": 7})
    untyped = torch.Untyped((4,), "e")
    untyped.storage.untyped = True
    torch.save(OUT / "uint16.pt", {"a": untyped})
    torch.save(OUT / "protocol-4.pt", state_dict(), protocol=4)
    torch.save(OUT / "protocol-5.pt", state_dict(), protocol=5)
    torch.save_legacy(OUT / "legacy.pth", state_dict())
    torch.save_legacy(OUT / "legacy-views.pth.tar", {"epoch": 1, "state_dict": {"a": torch.Tensor((2,)), "b": torch.Tensor((3,), "q")}})


def write_onnx():
    def model(name, initializers, **how):
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])]
        nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Relu", ["m"], ["y"])]
        graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
        made = helper.make_model(graph, producer_name="corpus", opset_imports=[helper.make_opsetid("", 17)])
        onnx.save_model(made, str(OUT / name), **how)

    weight = numpy_helper.from_array(floats(4, 4), "w")
    model("plain.onnx", [weight])
    typed = [numpy_helper.from_array(np.ones(3, dtype=kind), kind) for kind in ("float16", "int8", "int64", "bool", "uint16", "float64")]
    packed = helper.make_tensor("four", TensorProto.INT4, [5], [1, 2, 3, 4, 5])
    model("many-types.onnx", [weight, packed, *typed])
    listed = helper.make_tensor("w", TensorProto.FLOAT, [2, 2], [1.0, 2.0, 3.0, 4.0])
    words = helper.make_tensor("words", TensorProto.STRING, [2], [b"a", b"bc"])
    model("listed.onnx", [listed, words])
    model("external.onnx", [weight], save_as_external_data=True, location="external.onnx_data", size_threshold=0)


def write_media():
    picture = Image.fromarray(RANDOM.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    clear = picture.convert("RGBA")
    second = picture.rotate(90)
    picture.save(OUT / "plain.png")
    clear.save(OUT / "clear.png", optimize=True)
    picture.save(OUT / "animated.png", save_all=True, append_images=[second])
    picture.save(OUT / "plain.jpg")
    picture.save(OUT / "progressive.jpeg", progressive=True, quality=40, comment=b"hello")
    picture.convert("L").save(OUT / "grey.jpg")
    picture.convert("CMYK").save(OUT / "cmyk.jpg")
    picture.save(OUT / "plain.gif")
    picture.save(OUT / "animated.gif", save_all=True, append_images=[second], loop=0)
    picture.save(OUT / "lossy.webp")
    picture.save(OUT / "lossless.webp", lossless=True)
    clear.save(OUT / "clear.webp")
    picture.save(OUT / "animated.webp", save_all=True, append_images=[second])
    picture.save(OUT / "plain.bmp")
    picture.save(OUT / "plain.tiff")
    picture.save(OUT / "packed.tif", compression="tiff_lzw")
    picture.save(OUT / "plain.avif")
    with wave.open(str(OUT / "plain.wav"), "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(400))


def write_others():
    with zipfile.ZipFile(OUT / "pictures.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("plain.png", "plain.jpg"):
            archive.writestr(zipfile.ZipInfo("pictures/" + name, (1980, 1, 1, 0, 0, 0)), (OUT / name).read_bytes())
        archive.writestr(zipfile.ZipInfo("pictures/empty/", (1980, 1, 1, 0, 0, 0)), b"")
    with tarfile.open(OUT / "pictures.tar", "w") as archive:
        for name in ("plain.png", "floats.npy"):
            info = tarfile.TarInfo("a folder/" + name)
            data = (OUT / name).read_bytes()
            info.size = len(data)
            archive.addfile(info, __import__("io").BytesIO(data))
    with open(OUT / "words.txt.gz", "wb") as file:
        file.write(gzip.compress(b"some words\n" * 50, mtime=0))
    (OUT / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 2048}))
    (OUT / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "base_model_name_or_path": "org/base"}))
    (OUT / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")


write_safetensors()
write_gguf()
write_numpy()
write_pickles()
write_torch()
write_onnx()
write_media()
write_others()
