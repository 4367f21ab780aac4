"""Trains models/resnet18-fashion.onnx: ResNet-18 (arXiv 1512.03385) with widths 16/32/64/128 on Fashion-MNIST.

    apt-get install dataset-fashion-mnist && python3 models/train/resnet18_fashion.py /usr/share/datasets/fashion-mnist

The stem is a 3x3 convolution of stride 1 (the images are 28x28) followed by the paper's 3x3 max pooling of stride 2. The
last 2,048 training images are never trained on: they are the calibration set. BatchNormalization stays in the export.
"""
import sys

import numpy as np
import torch
from torch import nn

from common import Clock, accuracy, export, images, save_npz, to_float

CALIBRATION = 2048
EPOCHS = int(sys.argv[2]) if len(sys.argv) > 2 else 24


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.downsample = None
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    def __init__(self, widths=(16, 32, 64, 128), classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        cin = widths[0]
        for i, w in enumerate(widths):
            setattr(self, f"layer{i + 1}", nn.Sequential(Block(cin, w, 1 if i == 0 else 2), Block(w, w, 1)))
            cin = w
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(cin, classes)

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def augment(x, rng):
    """A random horizontal flip and a shift of up to two pixels, the same for a whole batch but the flip."""
    flip = torch.rand(len(x), generator=rng) < 0.5
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    dy, dx = torch.randint(-2, 3, (2,), generator=rng).tolist()
    padded = nn.functional.pad(x, (2, 2, 2, 2))
    return padded[:, :, 2 + dy : 30 + dy, 2 + dx : 30 + dx]


def main(folder):
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    pixels, labels = images(folder, "train")
    test_pixels, test_labels = images(folder, "t10k")
    x = torch.from_numpy(to_float(pixels)[:, None])
    y = torch.from_numpy(labels.astype(np.int64))
    tx = torch.from_numpy(to_float(test_pixels)[:, None])
    ty = torch.from_numpy(test_labels.astype(np.int64))
    cx, cy, x, y = x[-CALIBRATION:], y[-CALIBRATION:], x[:-CALIBRATION], y[:-CALIBRATION]
    save_npz("fashion-calib.npz", image=cx.numpy(), labels=cy.numpy())
    save_npz("fashion-eval.npz", image=tx.numpy(), labels=ty.numpy())
    model, batch = ResNet18(), 128
    steps = EPOCHS * (len(x) // batch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=steps)
    clock = Clock()
    for epoch in range(EPOCHS):
        model.train()
        total = 0.0
        for idx in torch.randperm(len(x), generator=rng).split(batch):
            if len(idx) < batch:
                continue
            loss = nn.functional.cross_entropy(model(augment(x[idx], rng)), y[idx], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        clock.say(epoch=epoch, loss=total / (len(x) // batch), accuracy=accuracy(model, tx, ty))
        export(model, torch.zeros(1, 1, 28, 28), "resnet18-fashion.onnx", ["image"], ["logits"],
               {"image": {0: "N"}, "logits": {0: "N"}}, keep_batchnorm=True)


if __name__ == "__main__":
    main(sys.argv[1])
