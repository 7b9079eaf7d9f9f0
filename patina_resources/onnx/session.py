"""ONNX files as onnxruntime sessions of one thread, whose int8 products are exact on every processor."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from patina_resources.devices import Device
from patina_resources.errors import PatinaError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions

# An ONNX model of one node, MatMulInteger of a (uint8) and b (int8) to c; the tests make it again.
PRODUCT_MODEL = (
    b'\x08\t:>\n\x18\n\x01a\n\x01b\x12\x01c"\rMatMulInteger\x12\x01p'
    b"Z\t\n\x01a\x12\x04\n\x02\x08\x02Z\t\n\x01b\x12\x04\n\x02\x08\x03b\t\n\x01c\x12\x04\n\x02\x08\x06B\x04\n\x00\x10\n"
)
# In the metadata of an int8 graph: activations have one scale per token.
SCALED_BY_ROW = "patina.scaled_by_row"
_CPU = "CPUExecutionProvider"
_PROVIDERS: dict[Device, str] = {"cpu": _CPU, "cuda": "CUDAExecutionProvider"}
NO_DEVICE = (
    'this onnxruntime finds no {device} device: set [embeddings] device = "cpu" in .patina/config.toml, or install '
    "patina-assets[gpu] on a machine with an NVIDIA GPU and its driver (docs/models.md)"
)


def load_session(path: Path, *, int8: bool, device: Device = "cpu") -> "InferenceSession":
    """Return a session that runs on the caller's thread.

    Args:
        path: A self-contained ONNX file.
        int8: Whether it may compute in int8.
        device: What runs it.

    Raises:
        PatinaError: It cannot be loaded, or the device is not there.
    """
    import onnxruntime  # here, so that importing this module costs nothing

    refuse_missing(device)
    options = _options()
    if int8 and not multiplies_int8_exactly():
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        # What a GPU has no code for runs on the processor.
        session = onnxruntime.InferenceSession(path, options, providers=list(dict.fromkeys((_PROVIDERS[device], _CPU))))
    except Exception as error:  # onnxruntime has no narrower base class
        raise PatinaError(f"{path}: not a usable ONNX model: {first_line(error)}") from error
    if session.get_providers()[0] != _PROVIDERS[device]:  # without a driver it goes on with the processor alone
        raise PatinaError(NO_DEVICE.format(device=device))
    return session


def refuse_missing(device: Device) -> None:
    """Refuse a device that this onnxruntime was not built for.

    Raises:
        PatinaError: It was not.
    """
    import onnxruntime

    if _PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise PatinaError(NO_DEVICE.format(device=device))


@cache
def multiplies_int8_exactly() -> bool:
    """Return whether onnxruntime's quickest product of uint8 and int8 is exact on this processor.

    Without the VNNI instructions, sums of two products are cut at 16 bits. onnxruntime can do without, at 0.4 times the
    speed, but then does so on every processor: it is to be asked for only where it is needed.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(PRODUCT_MODEL, _options(), providers=[_CPU])
    columns = np.full((64, 32), -127, np.int8)
    # One row and several are multiplied by different code.
    products = (session.run(None, {"a": np.full((rows, 64), 255, np.uint8), "b": columns})[0] for rows in (1, 8))
    return all(bool(np.all(product == -255 * 127 * 64)) for product in products)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _options() -> "SessionOptions":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised; the log on stderr would only repeat it
    return options
