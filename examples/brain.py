"""Store a real MRI volume in both Zarr formats with several codecs, read parts of it, and draw it.

    python examples/brain.py                    the MNI152 T1 template that nilearn's wheel ships
    python examples/brain.py my_scan.nii.gz     a volume of your own (NIfTI, 3-D)

Everything is written to a temporary folder, but for the picture: demo.png in the current one.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nibabel
import numpy as np

import zarrc
from zarrc import codecs

CHUNKS = (64, 64, 64)
TEMPLATE = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"

# name: the codec for format 2, and for format 3
CODECS = {
    "none": (None, None),
    "blosc-lz4": (
        codecs.Blosc(cname="lz4", clevel=5, shuffle=codecs.Blosc.BITSHUFFLE),
        codecs.BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
    ),
    "blosc-zstd": (
        codecs.Blosc(cname="zstd", clevel=3, shuffle=codecs.Blosc.SHUFFLE),
        codecs.BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
    ),
    "zstd": (codecs.Zstd(level=3), codecs.ZstdCodec(level=3)),
    "gzip": (codecs.GZip(level=5), codecs.GzipCodec(level=5)),
}


def load_volume(path: str | None) -> np.ndarray:
    """Return the voxels of a NIfTI file, as stored, C-contiguous."""
    if path is None:
        path = str(files("nilearn") / "datasets" / "data" / TEMPLATE)
    volume = np.ascontiguousarray(nibabel.load(path).dataobj)
    if volume.ndim != 3:
        sys.exit(f"{path} has {volume.ndim} dimensions, this example draws 3")
    return volume


def best_time(action: Callable[[], Any], repeats: int = 3) -> float:
    """Return the shortest of some runs of `action`, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def create(root: zarrc.Group, name: str, volume: np.ndarray, zarr_format: int) -> zarrc.Array:
    """Make an array like `volume` in `root`, with the codec called `name`."""
    how = {"shape": volume.shape, "chunks": CHUNKS, "dtype": volume.dtype}
    if zarr_format == 2:
        return root.create_dataset(name, compressor=CODECS[name][0], **how)
    return root.create_array(name, compressors=CODECS[name][1], dimension_names=["x", "y", "z"], **how)


def parts_of(shape: tuple[int, ...]) -> dict[str, tuple[Any, ...]]:
    """Return the three middle planes and a box around the centre."""
    x, y, z = (n // 2 for n in shape)
    box = tuple(slice(n // 2 - 10, n // 2 + 10) for n in shape)
    return {"axial": np.s_[:, :, z], "coronal": np.s_[:, y, :], "sagittal": np.s_[x, :, :], "box": box}


def check(array: zarrc.Array, volume: np.ndarray) -> None:
    """Compare parts of a reopened array, and the whole, with the source."""
    for name, selection in [*parts_of(volume.shape).items(), ("everything", np.s_[...])]:
        if not np.array_equal(array[selection], volume[selection]):
            sys.exit(f"{array.path} of {array.store}: {name} differs from the source")


def store_all(folder: Path, volume: np.ndarray) -> list[tuple[str, str, int, float, float]]:
    """Write, reopen and check every format and codec; return rows for the table."""
    rows = []
    for zarr_format in (2, 3):
        path = str(folder / f"brain-{zarr_format}.zarr")
        root = zarrc.open_group(path, mode="w", zarr_format=zarr_format)
        root.attrs["title"] = "a brain"
        for name in CODECS:
            array = create(root, name, volume, zarr_format)
            array.attrs["units"] = "mm"
            write_time = best_time(lambda array=array: array.__setitem__(..., volume))
            reopened = zarrc.open_group(path, mode="r")[name]
            check(reopened, volume)
            read_time = best_time(lambda array=reopened: array[...])
            rows.append((f"Zarr {zarr_format}", name, reopened.nbytes_stored, write_time, read_time))
        print(root.tree(), "\n")
        print(root["blosc-zstd"].info, "\n")
    return rows


def numpy_row(folder: Path, volume: np.ndarray) -> tuple[str, str, int, float, float]:
    """Return the table's row for np.save and np.load."""
    path = folder / "brain.npy"
    write_time = best_time(lambda: np.save(path, volume))
    return "NumPy", ".npy", path.stat().st_size, write_time, best_time(lambda: np.load(path))


def print_table(rows: list[tuple[str, str, int, float, float]], nbytes: int) -> None:
    print(f"{'format':8} {'codec':12} {'stored':>10} {'ratio':>6} {'write':>9} {'read':>9}")
    for kind, codec, stored, write_time, read_time in rows:
        size, ratio = f"{stored / 1e6:.2f} MB", f"{nbytes / stored:.1f}"
        times = f"{write_time * 1e3:6.1f} ms {read_time * 1e3:6.1f} ms"
        print(f"{kind:8} {codec:12} {size:>10} {ratio:>6} {times}")


def draw(array: zarrc.Array, picture: Path) -> None:
    """Draw the three middle planes of `array`, with the borders of its chunks over them."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    planes = {name: sel for name, sel in parts_of(array.shape).items() if name != "box"}
    axes_of = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}
    widths = [array.shape[axes_of[name][0]] for name in planes]
    figure, frames = plt.subplots(
        1, 3, figsize=(13, 5.4), width_ratios=widths, layout="constrained", facecolor="black"
    )
    for frame, (name, selection) in zip(frames, planes.items(), strict=True):
        draw_plane(frame, array[selection], [array.chunks[k] for k in axes_of[name]])
        touched = math.prod(-(-array.shape[k] // array.chunks[k]) for k in axes_of[name])
        frame.set_title(f"{name}: {touched} of {array.nchunks} chunks read", color="white", fontsize=12)
    figure.suptitle(
        f"{array.shape} {array.dtype}, chunks {array.chunks}: "
        f"{array.nbytes / 1e6:.1f} MB in {array.nbytes_stored / 1e6:.1f} MB",
        color="white",
    )
    figure.savefig(picture, dpi=110)


def draw_plane(frame: Any, plane: np.ndarray, chunk_shape: list[int]) -> None:
    width, height = plane.shape
    frame.imshow(plane.T, cmap="gray", origin="lower", interpolation="nearest")
    style = {"colors": "#ffb000", "linewidths": 1.0}
    frame.vlines(np.append(np.arange(0, width, chunk_shape[0]), width) - 0.5, -0.5, height - 0.5, **style)
    frame.hlines(np.append(np.arange(0, height, chunk_shape[1]), height) - 0.5, -0.5, width - 0.5, **style)
    frame.set_axis_off()


def main() -> None:
    volume = load_volume(sys.argv[1] if len(sys.argv) > 1 else None)
    print(f"an MRI volume: shape {volume.shape}, {volume.dtype}, {volume.nbytes / 1e6:.1f} MB\n")
    with tempfile.TemporaryDirectory(prefix="zarrc-demo-") as name:
        folder = Path(name)
        rows = [numpy_row(folder, volume), *store_all(folder, volume)]
        print_table(rows, volume.nbytes)
        draw(zarrc.open_array(str(folder / "brain-3.zarr" / "blosc-zstd"), mode="r"), Path("demo.png"))
    print("\nevery plane, box and volume read back equals the source; see demo.png")


if __name__ == "__main__":
    main()
