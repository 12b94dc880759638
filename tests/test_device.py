"""Where a run is trained: what a config may ask for, what is said where it cannot be had, and tensors that stay there.

Few machines have a GPU. The tests that need one are skipped elsewhere, and a device that only pretends to be one takes
its place: its numbers are those of the processor, and a tensor that was left behind there is an error, as on a GPU.
"""

import contextlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from alloymtl import config as config_module
from alloymtl.engines import check_devices, chosen
from alloymtl.errors import UserError
from alloymtl.study import Study
from alloymtl.training.reference import device
from training_fixture import a_run, an_engine, an_epoch

REPOSITORY = Path(__file__).parents[1]
pytestmark = pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")  # torch: that does nothing

# ---------------------------------------------------------------- what a config asks for


def study(training=None, **of_methods):
    """The default study; ``training`` for all methods, and for some of them their own."""
    config = config_module.read(REPOSITORY / "config" / "config.yaml")
    config = config_module.merge(config, {"training": training or {}})
    return Study.from_config(
        config_module.merge(config, {"methods": {name: {"training": own} for name, own in of_methods.items()}}), "cfg"
    )


def specifications(of):
    return {name: of.run(name, "all", 42, 1).to_dict() for name in of.methods}


def test_what_trains_on_the_processor_is_specified_as_if_there_were_no_choice():
    plain = specifications(study())
    assert not any("device" in spec["training"] for spec in plain.values())
    assert specifications(study({"device": "cpu"})) == plain
    assert specifications(study(hard={"device": "cpu"})) == plain


def test_a_gpu_is_asked_for_by_one_method_or_by_all_but_some_and_the_reference_engine_trains_there():
    plain = specifications(study())
    assert {spec["training"]["engine"] for spec in plain.values()} == {"compiled"}
    on_gpu = {"engine": "reference", "device": "cuda"}
    wanted = {**plain["hard"], "training": {**plain["hard"]["training"], **on_gpu}}
    assert specifications(study(hard={"device": "cuda"})) == {**plain, "hard": wanted}
    rest = specifications(study({"device": "cuda"}, hard={"device": "cpu"}))
    assert rest.pop("hard") == plain["hard"]
    assert all(spec["training"].items() >= on_gpu.items() for spec in rest.values())
    assert chosen({"engine": "reference", "device": "cuda"}, {}, "methods.m") == "reference"


@pytest.mark.parametrize(
    ("training", "own", "message"),
    [
        ({"engine": "compiled"}, {"device": "cuda"}, "^cfg: methods.hard: training.device is 'cuda', and the comp"),
        ({"device": "gpu"}, {}, r"^cfg: training.device: 'gpu' is not one of \['cpu', 'cuda'\]"),
        ({}, {"device": "cuda:1"}, r"^cfg: methods.hard.training.device: 'cuda:1' is not one of"),
    ],
)
def test_a_device_that_cannot_be_is_refused_in_one_line(training, own, message):
    with pytest.raises(UserError, match=message) as refused:
        study(training, hard=own)
    assert "Mend: " in str(refused.value)
    assert "\n" not in str(refused.value)


# ---------------------------------------------------------------- what there must be


def pretend(monkeypatch, built="12.6", gpu=True):
    """A torch that was built with a version of CUDA, or without; a host that has a GPU, or has none."""
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)


@pytest.mark.parametrize("remote", [False, True])
def test_a_torch_without_cuda_is_said_before_anything_is_submitted(monkeypatch, remote):
    pretend(monkeypatch, built=None, gpu=False)
    monkeypatch.setattr(torch, "__version__", "2.13.0+cpu")
    with pytest.raises(UserError) as missing:
        check_devices(study(hard={"device": "cuda"}).methods.values(), remote, "cfg")
    said = str(missing.value)
    assert said.startswith(
        "cfg: methods.hard: training.device is 'cuda', and the installed torch 2.13.0+cpu has no CUDA."
    )
    assert "pip install torch==2.13.0+cuNNN --index-url https://download.pytorch.org/whl/cuNNN" in said
    assert said.endswith("or set training.device: cpu.")
    assert "\n" not in said


def test_a_host_that_trains_must_have_a_gpu_and_one_that_submits_need_not(monkeypatch):
    methods = study({"device": "cuda"}).methods.values()
    pretend(monkeypatch, gpu=False)
    check_devices(methods, remote=True, where="cfg")
    with pytest.raises(
        UserError, match=r"^cfg: methods\.\w+: training.device is 'cuda', and torch finds no GPU on host"
    ):
        check_devices(methods, remote=False, where="cfg")
    pretend(monkeypatch)
    check_devices(methods, remote=False, where="cfg")


def test_torch_is_loaded_for_a_gpu_alone_and_a_missing_one_is_said():
    program = """
import sys
sys.modules["torch"] = None  # as if it were not installed
from types import SimpleNamespace as Method
from alloymtl.engines import check_devices
from alloymtl.errors import UserError
check_devices([Method(name="a", training={}), Method(name="b", training={"device": "cpu"})], False, "cfg")
try:
    check_devices([Method(name="a", training={}), Method(name="b", training={"device": "cuda"})], True, "cfg")
except UserError as missing:
    print(missing)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    said = "cfg: methods.b: training.device is 'cuda', and torch is not installed. Mend: install torch, or set "
    assert found.stdout == f"{said}training.device: cpu.\n"


def test_a_job_that_was_given_no_gpu_says_so_and_which_resource_it_needs(monkeypatch):
    x, y = labelled_rows()
    pretend(monkeypatch, gpu=False)
    monkeypatch.setattr("platform.node", lambda: "node7")
    with pytest.raises(
        UserError, match=r"^training.device: it is 'cuda', and torch finds no GPU on host node7\."
    ) as no:
        an_engine(a_run(device="cuda"), x, y)
    assert "the resource gpu: 1" in str(no.value)


def test_products_on_a_gpu_repeat_and_keep_all_digits(monkeypatch):
    pretend(monkeypatch)
    name = "CUBLAS_WORKSPACE_CONFIG"
    monkeypatch.setenv(name, "as some shell has it")
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("medium")
        torch.backends.cudnn.allow_tf32 = True
        assert device.device_of({}) == device.device_of({"device": "cpu"}) == torch.device("cpu")
        assert torch.get_float32_matmul_precision() == "medium"  # the processor is left as it is
        assert device.device_of({"device": "cuda"}) == torch.device("cuda")
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cudnn.allow_tf32
        assert os.environ[name] == ":4096:8"
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


# ---------------------------------------------------------------- a device that pretends

aten = torch.ops.aten
MATRIX = 9
"""More numbers than this, tasks x tasks, are no bookkeeping: they belong on the device."""


class Pretended(TorchDispatchMode):
    """Gives tensors of torch's device ``meta``, which hold nothing, numbers of their own on the processor.

    Each operation on them is computed there, so that results are the processor's. One whose tensors lie on both devices
    is an error, as it is on a GPU, copies from one to the other apart; and so is, ``within`` a step, one with matrices
    that never came to the device.
    """

    CROSSING = (aten._to_copy, aten.copy_)
    ARRAYS = (aten.lift_fresh, aten.detach)  # what torch calls to make a tensor from an array, and back

    def __init__(self):
        super().__init__()
        self.memory = {}  # numbers by storage, which is kept too, lest another takes its address
        self.stepping = False

    @contextlib.contextmanager
    def within(self):
        self.stepping = True
        yield
        self.stepping = False

    def numbers(self, tensor):
        return self.seen(tensor, self.memory[tensor.untyped_storage()._cdata][1], "cpu")

    @staticmethod
    def seen(like, storage, where):
        """A storage seen as the shape that a tensor has."""
        empty = torch.empty(0, dtype=like.dtype, device=where)
        return empty.set_(storage, like.storage_offset(), like.size(), like.stride())

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)]
        there = [t for t in tensors if t.is_meta]
        target = kwargs.get("device")
        to_device = target is not None and torch.device(target).type == "meta"
        if not there and not to_device:
            at_work = self.stepping and func.overloadpacket not in self.ARRAYS
            assert not (at_work and any(t.numel() > MATRIX for t in tensors)), f"{func} on the processor"
            return func(*args, **kwargs)
        if func.overloadpacket not in self.CROSSING:
            assert len(there) == len(tensors), f"{func}: one of its tensors was left on the processor"
        real = {id(t): self.numbers(t) for t in there}
        pick = {**{id(t): t for t in tensors}, **real}
        here = kwargs if target is None else {**kwargs, "device": "cpu"}
        given = tree_map(lambda leaf: pick.get(id(leaf), leaf), (args, here))
        found = func(*given[0], **given[1])
        if func.overloadpacket is aten._to_copy and not (to_device or target is None):
            return found
        same = {id(real[id(t)]): t for t in there} | {id(t): t for t in tensors if not t.is_meta}
        return tree_map(lambda leaf: self.placed(leaf, same, there) if isinstance(leaf, torch.Tensor) else leaf, found)

    def placed(self, tensor, same, there):
        """What an operation gives, as a tensor of the device: an argument, a view of one, or a new one."""
        if id(tensor) in same:
            one = same[id(tensor)]
            if one.is_meta and one.shape != tensor.shape:  # reshaped in place
                one.set_(self.memory[one.untyped_storage()._cdata][0], 0, tensor.size(), tensor.stride())
            return one
        for one in there:
            storage, numbers = self.memory[one.untyped_storage()._cdata]
            if numbers._cdata == tensor.untyped_storage()._cdata:
                return self.seen(tensor, storage, "meta")
        storage = torch.UntypedStorage(tensor.untyped_storage().nbytes(), device="meta")
        self.memory[storage._cdata] = storage, tensor.untyped_storage()
        return self.seen(tensor, storage, "meta")


@pytest.fixture
def pretended(monkeypatch):
    optimizer = importlib.import_module("torch.optim.optimizer")  # asks for a device that it has fused kernels for
    monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: ["cpu", "meta"])
    with Pretended() as mode:
        yield mode


def labelled_rows(n=24, classes=(2,), seed=0):
    """Rows of three tasks, some with several labels; a batch may hold none of a task."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    y = x @ rng.normal(size=(4, 3)) + 0.1 * rng.normal(size=(n, 3))
    y[:, list(classes)] = y[:, list(classes)] > 0
    y[rng.random((n, 3)) < 0.5] = np.nan
    y[np.isnan(y).all(1), 0] = 1.0
    y[:8, 1] = np.nan
    return x, y


FORMS = {
    "hard": {},
    "pcgrad": {"parts": {"balancer": "pcgrad"}},
    "gradnorm": {"parts": {"balancer": "gradnorm"}},
    "structured": {"method": "structured"},
    "structured_pcgrad": {"method": "structured", "parts": {"balancer": "pcgrad"}},
    "soft": {"method": "soft"},
    "transfer": {"method": "transfer"},
    "lds_fds": {"parts": {"loss": "lds", "smoothing": "fds"}},
    "bmc_gradnorm": {"parts": {"loss": "bmc", "balancer": "gradnorm"}},
    "gai": {"parts": {"loss": "gai"}},
    "bni_fds": {"parts": {"loss": "bni", "smoothing": "fds"}},
    "label_mean": {"reduction": "label_mean"},
}


def course(where, then=None, within=contextlib.nullcontext, classes=(2,), start=None, **form):
    """All that an engine tells of three epochs, by name, and of one more from its checkpoint on the device ``then``."""
    x, y = labelled_rows(classes=classes)
    wide, batches = x.astype(np.float32), [np.arange(first, first + 8) for first in range(0, len(x), 8)]
    alone = form.get("method") in ("soft", "transfer")  # nothing is shared, or nothing that is trained
    more = {"start": start, "frozen": form.get("method") == "transfer", "measure_every": 0 if alone else 2}

    def made(place):
        regression = [task not in classes for task in range(3)]
        return an_engine(a_run(**form, device=place), x, y, [1.0, 4.0, 0.5], regression, **more)

    def epoch(engine, number):
        keep = np.random.default_rng(number).random((len(x), engine.units)) > 0.3
        return an_epoch(engine, batches, keep.astype(np.uint8), number)

    engine = made(where)
    with within():
        told = {f"epoch {number}": epoch(engine, number) for number in (1, 2, 3)}
        told |= {f"gram {step}": gram for step, gram in enumerate(engine.grams)}
        told |= {"losses": engine.losses(wide, y.astype(np.float32)), "outputs": engine.predict(wide)}
        told |= {"relations": engine.relations(), "backbones": engine.backbones(wide)}
        told["task gradients"] = None if alone else engine.task_gradients(np.arange(20))
    held = [*engine.network.state_dict().values(), *engine.network.buffers(), *engine.loss.parameters()]
    held += [*engine.loss.buffers(), *(v for part in engine.optimiser.state.values() for v in part.values())]
    held += [value for value in vars(engine).values() if isinstance(value, torch.Tensor)]
    assert {tensor.device.type for tensor in held} == {where}
    states = engine.parameters(), engine.moments()
    assert all(type(value) is np.ndarray for state in states for value in state.values())
    other = made(then or where)
    other.load_parameters(states[0])
    other.load_moments(states[1])
    told["epoch 4"] = epoch(other, 4)
    for values in (other.parameters(), other.moments(), {f"backbone {k}": v for k, v in _backbone(other).items()}):
        told |= values
    told["backbones"], told["similarity"] = told["backbones"] or (None, None)
    return {name: value for name, value in told.items() if value is not None}


def _backbone(engine):
    return engine.backbone() if hasattr(engine.network, "backbone") else {}


def a_backbone():
    """Parameters of a backbone that was trained."""
    engine = an_engine(a_run("transfer"), *labelled_rows(seed=1))
    return {name: np.array(value + 1) for name, value in engine.backbone().items()}


def same_course(one, other, compare):
    assert one.keys() == other.keys()
    for name, value in one.items():
        compare(other[name], value, err_msg=name)


@pytest.mark.parametrize("name", FORMS)
def test_every_tensor_of_a_step_lies_on_the_device_and_a_checkpoint_goes_on_elsewhere(name, pretended):
    here = course("cpu", **FORMS[name])
    for then in ("meta", "cpu"):
        there = course("meta", then, pretended.within, **FORMS[name])
        same_course(here, there, np.testing.assert_array_equal)


@pytest.mark.parametrize("classes", [(1,), (0,), (), (0, 1, 2)])
def test_tasks_of_either_kind_in_any_order_lie_on_the_device(classes, pretended):
    there = course("meta", within=pretended.within, classes=classes)
    same_course(course("cpu", classes=classes), there, np.testing.assert_array_equal)


def test_a_backbone_to_start_from_goes_to_the_device(pretended):
    start = a_backbone()
    there = course("meta", within=pretended.within, start=start, method="transfer")
    same_course(course("cpu", start=start, method="transfer"), there, np.testing.assert_array_equal)
    np.testing.assert_array_equal(there["backbone linear.0.weight"], start["linear.0.weight"])


def test_the_device_that_pretends_finds_a_tensor_that_was_left_on_the_processor(pretended):
    here, there = torch.ones(3), torch.ones(3, device="meta")
    assert (there + there).cpu().tolist() == [2, 2, 2]
    with pytest.raises(AssertionError, match=r"aten.add.Tensor: one of its tensors was left on the processor"):
        there + here
    with pytest.raises(AssertionError, match=r"aten.mul.Tensor on the processor"), pretended.within():
        torch.ones(4, 4) * torch.ones(4, 4)


# ---------------------------------------------------------------- a GPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU with CUDA on this machine")
@pytest.mark.parametrize("name", FORMS)
def test_steps_on_a_gpu_are_those_of_the_processor_and_the_same_each_time(name):
    there = course("cuda", then="cpu", **FORMS[name])
    same_course(there, course("cuda", then="cpu", **FORMS[name]), np.testing.assert_array_equal)

    def alike(one, other, err_msg):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=err_msg)

    same_course(course("cpu", **FORMS[name]), there, alike)
