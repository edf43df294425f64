"""Brings the dataset in step, then trains on it: an application of the team's own that uses lakebox's config groups.

python train.py                         # sync, then one epoch on the newest labels
python train.py tag=before-summer       # sync, name the version, train on it
python train.py epochs=0                # sync only
"""

from __future__ import annotations

import logging

import deeplake
import hydra
import numpy as np
from omegaconf import DictConfig

import lakebox

log = logging.getLogger(__name__)


def frames_with_animals(path: str, tag: str | None) -> tuple[deeplake.Dataset, deeplake.DatasetView]:
    """The dataset, which has to be kept, and its rows of labelled data rows with the columns to train on."""
    dataset = deeplake.open_read_only(f"{path}@{tag}" if tag else path)
    view = dataset.query("""SELECT frames, "animals/animals" WHERE "lb_meta/label_id" != ''""")
    return dataset, view


def train(view: deeplake.DatasetView, epochs: int, batch_size: int) -> list[float]:
    """How many animals are there? A linear model on the mean colour; the loss of each epoch."""
    import torch
    from torch.utils.data import DataLoader

    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(epochs):
        total = 0.0
        for batch in DataLoader(view.pytorch(), batch_size=batch_size, collate_fn=list):
            colours = np.stack([np.asarray(sample["frames"]).mean(axis=(0, 1)) / 255 for sample in batch])
            counts = [[len(sample["animals/animals"])] for sample in batch]
            loss = (model(torch.tensor(colours, dtype=torch.float32)) - torch.tensor(counts)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(total / len(view))
        log.info("epoch %d: loss %.4f", len(losses), losses[-1])
    return losses


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> None:
    """Sync and train; data rows that failed are no reason not to train on the others."""
    report = lakebox.run(cfg)
    log.info("%s; version %s", report.plan, report.dataset.version)
    for failure in report.failures:
        log.error("%s (%s): %s", failure.data_row_id, failure.name, failure.error)
    dataset, view = frames_with_animals(cfg.path, report.dataset.tag or None)
    log.info("%d of %d frames to train on", len(view), len(dataset))
    if cfg.epochs:
        train(view, cfg.epochs, cfg.batch_size)


if __name__ == "__main__":
    main()
