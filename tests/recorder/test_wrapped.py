"""Models that are compiled, or spread over processes: layers are those of the model itself."""

from contextlib import nullcontext

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from emergence_stats.recorder import Recorder, RecorderWarning

X = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))
LAYERS = {"layers": "blocks.*", "final": "norm"}


class Net(nn.Module):
    """Two blocks and a norm that has buffers, which DDP sends around at each call."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList([nn.Linear(8, 8) for _ in range(2)])
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        for block in self.blocks:
            x = torch.relu(block(x))
        return self.norm(x)


def ranks(model, **options):
    mine = Recorder(model, {"copy": X}, **{**LAYERS, **options})
    mine.record(0)
    assert mine.missing == []
    return mine.table().column("value").to_pylist()


# --- compiled ---------------------------------------------------------------------------------


class Compilations:
    """A backend that counts, and compiles nothing."""

    def __init__(self):
        self.count = 0

    def __call__(self, graph, _examples):
        self.count += 1
        return graph.forward


def in_place(backend):
    model = Net()
    model.compile(backend=backend)
    return model


def wrapper(backend):
    return torch.compile(Net(), backend=backend)


def whole_graph(backend):
    return torch.compile(Net(), backend=backend, fullgraph=True)


def layer_by_layer(backend):
    model = Net()
    model.blocks[0] = torch.compile(model.blocks[0], backend=backend)
    model.blocks[1].compile(backend=backend)
    return model


@pytest.mark.parametrize("compiled", [in_place, wrapper, whole_graph, layer_by_layer])
def test_a_compiled_model_is_measured_as_it_was_written_and_stays_compiled(compiled):
    torch.compiler.reset()
    backend = Compilations()
    model = compiled(backend)
    model.eval()
    with torch.no_grad():
        model(X)  # a validation before the first record
    model.train()
    model(X).sum().backward()
    before = backend.count
    assert before > 0
    plain = Net()
    plain(X)  # the norm's statistics move, as those of the compiled one did
    assert ranks(model) == ranks(plain)
    model(X).sum().backward()
    model.eval()
    with torch.no_grad():
        model(X)
    assert backend.count == before


def test_a_forward_of_ones_own_may_be_compiled():
    torch.compiler.reset()
    model = Net()
    forward = torch.compile(lambda batch: model(batch), backend="eager")
    model.eval()
    with torch.no_grad():
        forward(X)
    model.train()
    assert ranks(model, forward=forward) == ranks(Net())


@pytest.mark.parametrize("names", ["blocks.*", "_orig_mod.blocks.*"])
def test_names_of_layers_are_those_of_the_model_with_or_without_the_wrappers(names):
    assert ranks(wrapper("eager"), layers=names) == ranks(Net())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.jit
def test_a_model_whose_layers_have_no_hooks_is_a_gap_and_its_metrics_are_kept():
    traced = torch.jit.trace(nn.Sequential(nn.Linear(8, 8), nn.ReLU()), X)
    mine = Recorder(traced, {"copy": X}, layers="0", metrics=lambda output, _: {"n": len(output)})
    with pytest.warns(RecorderWarning, match="did not call this layer"):
        mine.record(0)
    assert mine.table().column("measure").to_pylist() == ["n"]


# --- several processes ------------------------------------------------------------------------


@pytest.fixture
def one_process(tmp_path):
    """A group of one process."""
    dist.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1
    )
    yield
    dist.destroy_process_group()


def sharded(model, **options):
    from torch.distributed.fsdp import FullyShardedDataParallel
    from torch.distributed.fsdp.wrap import ModuleWrapPolicy

    policy = ModuleWrapPolicy({nn.Linear})
    cpu = torch.device("cpu")
    return FullyShardedDataParallel(model, device_id=cpu, auto_wrap_policy=policy, **options)


def sharded_in_place(model):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for module in (*model.blocks, model):
        fully_shard(module, mesh=mesh)
    return model


WRAPPED = {
    "DDP": nn.parallel.DistributedDataParallel,
    "compiled DDP": lambda m: torch.compile(
        nn.parallel.DistributedDataParallel(m), backend="eager"
    ),
    "DataParallel": nn.DataParallel,
    "FSDP": sharded,
    "FSDP with the original parameters": lambda m: sharded(m, use_orig_params=True),
    "fully_shard": sharded_in_place,
}


@pytest.mark.filterwarnings("ignore")  # torch's own about FSDP on one process
@pytest.mark.parametrize("kind", WRAPPED)
def test_a_wrapped_model_is_measured_as_the_model_within(kind, one_process, tmp_path):
    model = WRAPPED[kind](Net())
    mine = Recorder(model, {"copy": X}, **LAYERS)
    mine.record(0)
    model(X).sum().backward()  # training goes on
    mine.record(1)
    assert mine.missing == []
    rows = mine.table().to_pylist()
    assert [row["value"] for row in rows if row["step"] == 0] == ranks(Net())
    manifest = mine.save(tmp_path / "data", suite="s", scale="a", seed=0, config={})
    assert manifest.n_params == sum(p.numel() for p in Net().parameters())


@pytest.mark.filterwarnings("ignore::UserWarning:torch")
def test_the_inside_of_fsdp_is_refused_and_fsdp_still_trains(one_process):
    inside = Net()
    outside = sharded(inside)
    mine = Recorder(inside, {"copy": X}, **LAYERS)
    with pytest.warns(RecorderWarning, match="give the recorder the wrapped model"):
        mine.record(0)
    outside(X).sum().backward()


def _one_of_two(rank, folder):
    """What each of two processes does: all wait for one another in each update."""
    group = f"file://{folder}/group"
    dist.init_process_group("gloo", init_method=group, rank=rank, world_size=2)
    for name, wrap in (("ddp", nn.parallel.DistributedDataParallel), ("fsdp", sharded_in_place)):
        model = wrap(Net())
        mine = Recorder(model, {"copy": X}, **LAYERS)
        for step in range(2):
            assert mine.record(step) == (rank == 0)
            model(X).sum().backward()
        run = {"suite": "s", "scale": "a", "seed": 0, "config": {}}
        saved = mine.save(f"{folder}/{name}", **run)
        assert (saved is None) == (rank == 1)
        assert mine.table().num_rows == (6 if rank == 0 else 0)
        if rank == 0:
            assert saved.n_params == sum(p.numel() for p in Net().parameters())
    each = Recorder(Net(), {"copy": X}, **LAYERS, every_process=True)
    assert each.record(0)
    plain = Recorder(Net(), {"copy": X}, **LAYERS)
    with nullcontext() if rank == 0 else pytest.warns(RecorderWarning, match="every_process=True"):
        plain.record(0)
    dist.destroy_process_group()
    assert (plain.save(f"{folder}/after", **run) is None) == (rank == 1)


def test_of_two_processes_the_first_writes_and_neither_waits_for_ever(tmp_path):
    mp.spawn(_one_of_two, args=(str(tmp_path),), nprocs=2)
    for name in ("ddp", "fsdp"):
        assert (tmp_path / name / "s" / "s-a-s0.json").exists()
