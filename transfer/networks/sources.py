"""Where baseA comes from: shipped with the package, Keras' ImageNet weights, or a path."""

from importlib import resources
from pathlib import Path

from transfer.errors import TransferError
from transfer.files import sha256_of
from transfer.networks.backbone import DEFAULT, Architecture
from transfer.networks.weights import hash_weights, read_weights

_SERVER = "https://storage.googleapis.com/"
_KERAS = "tensorflow/keras-applications/"
_TF = "weights_tf_dim_ordering_tf_kernels"
#: Keras' ImageNet weights without top: where they are, ``{}`` standing for the width; the widths.
_IMAGENET: dict[str, tuple[str, dict[float, str]]] = {
    "mobilenet": (
        f"{_KERAS}mobilenet/mobilenet_{{}}_224_tf_no_top.h5",
        {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"},
    ),
    "mobilenet_v2": (
        f"{_KERAS}mobilenet_v2/mobilenet_v2_{_TF}_{{}}_224_no_top.h5",
        {alpha: str(alpha) for alpha in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)},
    ),
    "mobilenet_v3_small": (
        f"{_KERAS}mobilenet_v3/weights_mobilenet_v3_small_224_{{}}_float_no_top_v2.h5",
        {0.75: "0.75", 1.0: "1.0"},
    ),
    "mobilenet_v3_large": (
        f"{_KERAS}mobilenet_v3/weights_mobilenet_v3_large_224_{{}}_float_no_top_v2.h5",
        {0.75: "0.75", 1.0: "1.0"},
    ),
    "efficientnet_b0": ("keras-applications/efficientnetb0_notop.h5", {1.0: ""}),
    "efficientnet_v2_b0": (f"{_KERAS}efficientnet_v2/efficientnetv2-b0_notop.h5", {1.0: ""}),
    "resnet50": (f"{_KERAS}resnet/resnet50_{_TF}_notop.h5", {1.0: ""}),
    "convnext_tiny": (f"{_KERAS}convnext/convnext_tiny_notop.h5", {1.0: ""}),
}
#: Shipped files by backbone and width, and their SHA-256.
_SHIPPED = {
    ("mobilenet", 0.25): (
        "fractals_0.25.weights.h5",
        "9ef1e52e754d46213b329a38af5957edc92c82946b1945ae04b39ba4f95a6a98",
    ),
    ("mobilenet_v2", 0.35): (
        "fractals_mobilenet_v2_0.35.weights.h5",
        "1e3802d583ebb61168c1ee253fae17b59ccec6190f18a609bf64f40d238325f7",
    ),
}
#: `hash_weights` of stem and blocks. Keras publishes no hash of this file; this one was taken from
#: an independent copy of the same network. No copy of the other widths was at hand.
_PINNED = {("mobilenet", 0.25): "366bad49735a56ebf5083828b287b581e0a7b0da4728ec37801e7727a9c3e70c"}


def find_source(source: str, alpha: float, backbone: str = DEFAULT) -> tuple[str, Path]:
    """Name and weight file of a source task.

    ``source``: ``fractals`` (shipped: MobileNet v1 of alpha 0.25, MobileNetV2 of alpha 0.35),
    ``imagenet`` (fetched by Keras into its own cache, or found there), or the path of a Keras
    weight file. The error says which file is missing and where to put it.
    """
    if source == "fractals":
        return source, _shipped(alpha, backbone)
    refuse_missing(source)
    path = _imagenet(alpha, backbone) if source == "imagenet" else Path(source)
    values = hash_weights(read_weights(path, Architecture(alpha=alpha, backbone=backbone)))
    known = _PINNED.get((backbone, alpha), values)
    if source == "imagenet" and values != known:
        raise TransferError(
            f"Expected {source} weights of alpha {alpha:g} with the SHA-256 {known[:16]}... in "
            f"{path}. It holds others: remove it, or give --source {path} if you trust it."
        )
    return source if source == "imagenet" else path.name, path


def refuse_missing(source: str) -> None:
    """Raise a `TransferError` if a source is a weight file that is not there."""
    if source not in ("fractals", "imagenet") and not Path(source).is_file():
        raise TransferError(
            f"Expected --source fractals, imagenet or a weight file. There is no file {source}."
        )


def _shipped(alpha: float, backbone: str) -> Path:
    if (backbone, alpha) not in _SHIPPED:
        known = " or ".join(f"{name} of alpha {width:g}" for name, width in _SHIPPED)
        raise TransferError(
            f"Expected {known}: the fractal weights shipped are of that. Received: {backbone} of "
            f"alpha {alpha:g}; give --source imagenet or a weight file."
        )
    name, known = _SHIPPED[backbone, alpha]
    path = Path(str(resources.files("transfer.networks") / "shipped" / name))
    if sha256_of(path) != known:
        raise TransferError(f"Expected the shipped weights in {path}. It holds others: reinstall.")
    return path


def _imagenet(alpha: float, backbone: str) -> Path:
    """Keras' own weights, without top, from its cache or its server."""
    location, widths = _IMAGENET[backbone]
    if alpha not in widths:
        known = ", ".join(f"{width:g}" for width in widths)
        raise TransferError(f"Expected --alpha of {known} for ImageNet. Received: {alpha:g}.")
    import keras

    url = _SERVER + location.format(widths[alpha])
    name = url.rpartition("/")[2]
    try:
        return Path(keras.utils.get_file(name, url, cache_subdir="models"))
    except Exception as error:  # get_file wraps every network error in a bare Exception
        raise TransferError(
            f"Cannot download {url}. Fetch it on a machine with access and put it "
            "into the folder models of Keras' home (~/.keras), or give --source PATH."
        ) from error
