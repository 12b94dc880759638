"""Which engine takes a method's steps, and where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from alloymtl.errors import UserError
from alloymtl.run import Part

if TYPE_CHECKING:
    from alloymtl.method import Method

AUTO, REFERENCE, COMPILED = "auto", "reference", "compiled"
CPU, CUDA = "cpu", "cuda"
FORMS = {
    "architecture": ("shared", "soft", "structured"),
    "loss": ("squared", "contrast", "mixture"),
    "optimiser": ("adam", "automatic", "flat"),
}
"""Forms of parts that the compiled engine knows how to compute. The reference engine has a module for each form."""


def chosen(training: Mapping[str, Any], parts: Mapping[str, Part], key: str) -> str:
    """The engine of a method: the one that its settings name; with ``auto`` the compiled one where it can.

    It can on the processor, where it knows the parts.

    Args:
        training: its settings.
        parts: its parts by kind.
        key: config key of the method, to name in an error.

    Raises:
        UserError: the compiled engine is named, and a GPU is asked for or it does not know a part.
    """
    named = training["engine"]
    if asks_for_gpu(training):
        if named == COMPILED:
            what = "training.device is 'cuda', and the compiled engine computes on the processor alone."
            raise UserError(key, what, "set training.engine to auto or reference, or training.device to cpu.")
        return REFERENCE
    unknown = [part for kind, part in parts.items() if kind in FORMS and part.form not in FORMS[kind]]
    if named == AUTO:
        return REFERENCE if unknown else COMPILED
    if named == COMPILED and unknown:
        what = f"the compiled engine does not know {unknown[0].kind} {unknown[0].name!r} (form {unknown[0].form!r})."
        raise UserError(key, what, "set training.engine to auto or reference.")
    return named


def asks_for_gpu(training: Mapping[str, Any]) -> bool:
    """Whether settings of a method's training ask for a GPU; those that name no device ask for none."""
    return training.get("device", CPU) == CUDA


def without_default_device(training: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of training that name a device only where it is not the processor.

    What trains on the processor is then specified as it was before there was a choice, and no run is trained anew.
    """
    return {key: value for key, value in training.items() if (key, value) != ("device", CPU)}


def check_devices(methods: Iterable[Method], remote: bool, where: str) -> None:
    """Make sure that methods that ask for a GPU can be trained on one; torch is loaded only if some method does.

    Args:
        methods: those that are to be trained.
        remote: whether other hosts train them, so that this one need not have a GPU.
        where: name of the config, to name in an error.

    Raises:
        UserError: torch is missing or was built without CUDA; or this host is to train and torch finds no GPU here.
    """
    name = next((method.name for method in methods if asks_for_gpu(method.training)), None)
    if name is None:
        return
    try:
        from alloymtl.training.reference import device
    except ModuleNotFoundError as missing:
        found = f"{missing.name} is not installed", f"install {missing.name}"
    else:
        found = device.fault(here=not remote)
    if found is not None:
        what, mend = found
        where = f"{where}: methods.{name}"
        raise UserError(where, f"training.device is 'cuda', and {what}.", f"{mend}, or set training.device: cpu.")
