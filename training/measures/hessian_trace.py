"""Trace of the Hessian of the loss, by Hutchinson's estimator.

With z_i of independent signs (Rademacher), each z_i^T H z_i has mean tr(H); the estimate is their
mean, and its standard error that of a mean (Hutchinson 1990).
"""

from __future__ import annotations

import torch

from training.measures.curvature import HessianOfLoss

PROBES = 16


def hessian_trace(
    hessian: HessianOfLoss, generator: torch.Generator, probes: int = PROBES
) -> tuple[float, float]:
    """(trace, its standard error) from `probes` products, at least two."""
    if probes < 2:
        raise ValueError(f"probes is {probes}; a standard error needs two")
    device = hessian.parameters[0].device
    found = []
    for _ in range(probes):
        bits = torch.randint(0, 2, (hessian.size,), generator=generator, device=generator.device)
        z = bits.to(device, torch.float32).mul_(2).sub_(1)
        found.append(float(z @ (hessian @ z)))
    samples = torch.tensor(found, dtype=torch.float64)
    return float(samples.mean()), float(samples.std() / probes**0.5)
