"""Where baseA comes from: shipped with the package, Keras' ImageNet weights, or a path."""

from importlib import resources
from pathlib import Path

from transfer.errors import TransferError
from transfer.networks.architecture import Architecture
from transfer.networks.weights import hash_weights, read_weights

_KERAS_URL = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/"
_IMAGENET_ALPHAS = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}
#: `hash_weights` of stem and blocks. Keras publishes no hash of its files; the one of ImageNet was
#: taken from an independent copy of the same network. No copy of the other widths was at hand.
_PINNED = {
    ("fractals", 0.25): "bc4291363b40a68c6bdf8ba9ec7723e3aab364f14b61313b6a6c3c54372faea1",
    ("imagenet", 0.25): "366bad49735a56ebf5083828b287b581e0a7b0da4728ec37801e7727a9c3e70c",
}


def find_source(source: str, alpha: float) -> tuple[str, Path]:
    """Name and weight file of a source task.

    ``source``: ``fractals`` (shipped, alpha 0.25), ``imagenet`` (fetched by Keras into its own
    cache, or found there), or the path of a Keras MobileNet v1 weight file.
    ``alpha``: width multiplier of the network.
    Raises `TransferError` if there are no such weights, saying which file is missing and where to
    put it; if those of alpha 0.25 are not the ones whose SHA-256 is known.
    """
    if source == "fractals":
        return source, _pinned(source, alpha, _shipped(alpha))
    if source == "imagenet":
        return source, _pinned(source, alpha, _imagenet(alpha))
    path = Path(source)
    if not path.is_file():
        raise TransferError(
            f"Expected --source fractals, imagenet or a weight file. There is no file {source}."
        )
    return path.name, path


def _shipped(alpha: float) -> Path:
    path = Path(
        str(resources.files("transfer.networks") / f"shipped/fractals_{alpha:g}.weights.h5")
    )
    if not path.is_file():
        raise TransferError(
            f"Expected --alpha 0.25: the fractal weights shipped are of that width. "
            f"Received: {alpha:g}; give --source imagenet or a weight file."
        )
    return path


def _imagenet(alpha: float) -> Path:
    """Keras' own weights, without top, from its cache or its server."""
    if alpha not in _IMAGENET_ALPHAS:
        widths = ", ".join(f"{known:g}" for known in _IMAGENET_ALPHAS)
        raise TransferError(f"Expected --alpha of {widths} for ImageNet. Received: {alpha:g}.")
    import keras

    name = f"mobilenet_{_IMAGENET_ALPHAS[alpha]}_224_tf_no_top.h5"
    try:
        return Path(keras.utils.get_file(name, _KERAS_URL + name, cache_subdir="models"))
    except Exception as error:  # get_file wraps every network error in a bare Exception
        raise TransferError(
            f"Cannot download {_KERAS_URL}{name}. Fetch it on a machine with access and put it "
            "into the folder models of Keras' home (~/.keras), or give --source PATH."
        ) from error


def _pinned(source: str, alpha: float, path: Path) -> Path:
    """The file, if its values are the known ones, or none are known of this width."""
    known = _PINNED.get((source, alpha))
    if known is not None and hash_weights(read_weights(path, Architecture(alpha=alpha))) != known:
        raise TransferError(
            f"Expected {source} weights of alpha {alpha:g} with the SHA-256 {known[:16]}... in "
            f"{path}. It holds others: remove it, or give --source {path} if you trust it."
        )
    return path
