"""What the three training scripts share: data readers, npz writing, the training loop's odds and ends."""
import gzip
import json
import os
import struct
import sys
import time

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.dirname(HERE)


def read_idx(path):
    """An IDX file (http://yann.lecun.com/exdb/mnist, "file format"), gzipped or not, as a numpy array."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as f:
        data = f.read()
    zero, kind, rank = struct.unpack(">HBB", data[:4])
    if zero != 0 or kind != 8:
        sys.exit(f"{path}: expected an IDX file of unsigned bytes")
    shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def find(folder, stem):
    """The file in `folder` whose name starts with `stem`."""
    for name in sorted(os.listdir(folder)):
        if name.startswith(stem):
            return os.path.join(folder, name)
    sys.exit(f"no file {stem}* in {folder}")


def images(folder, split):
    """(pixels [N,28,28] uint8, labels [N] uint8) of split "train" or "t10k"."""
    return read_idx(find(folder, f"{split}-images")), read_idx(find(folder, f"{split}-labels"))


def to_float(pixels):
    """uint8 pixels -> float32 in 0..1, as torchvision's ToTensor does."""
    return pixels.astype(np.float32) / np.float32(255)


def save_npz(name, **arrays):
    path = os.path.join(MODELS, name)
    np.savez_compressed(path, **arrays)
    print(f"wrote {name}: {os.path.getsize(path)} bytes")


def export(model, example, name, inputs, outputs, axes, keep_batchnorm=False):
    """torch.onnx.export at opset 17, with BatchNormalization kept as its own node on request."""
    model.eval()
    torch.onnx.export(
        model,
        example,
        os.path.join(MODELS, name),
        opset_version=17,
        input_names=inputs,
        output_names=outputs,
        dynamic_axes=axes,
        do_constant_folding=True,
        training=torch.onnx.TrainingMode.PRESERVE if keep_batchnorm else torch.onnx.TrainingMode.EVAL,
    )
    print(f"wrote {name}: {os.path.getsize(os.path.join(MODELS, name))} bytes")


def accuracy(model, x, y, batch=500):
    model.eval()
    right = 0
    with torch.no_grad():
        for i in range(0, len(x), batch):
            right += int((model(x[i : i + batch]).argmax(-1) == y[i : i + batch]).sum())
    return right / len(x)


class Clock:
    def __init__(self):
        self.start = time.time()

    def say(self, **what):
        print(json.dumps({"seconds": round(time.time() - self.start, 1), **what}), flush=True)
