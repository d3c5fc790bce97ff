"""Adapters: small matrices whose products are added to a network's kernels.

    W' = W + sum_i strength_i (alpha_i / r_i) down_i up_i

A network is not changed for it: its kernels are replaced in one call (`stateless_call`), so every
layer that has a kernel can be adapted, on every backend. At strength 0 the sum is W, bit for bit.

Reference:
    Hu et al. 2022, LoRA (arXiv:2106.09685), equation 3;
    Yeh et al. 2024, LyCORIS (arXiv:2309.14859), section 3.1.1, for convolutions (LoCon): k x k down
    to rank r, 1 x 1 up.
"""

from fnmatch import fnmatchcase

import keras
import numpy as np
from keras import ops

from ddpm.nets.layers import named_weights
from ddpm.nets.lidb import ALL, LightForm, is_of
from ddpm.nets.mp_layers import UnitKernels
from ddpm.nets.ranks import block_of


def ranks_of(network, ranks, choice=ALL):
    """Which kernels of a network are adapted, and by which rank.

    Args:
        network: a built network.
        ranks: pairs (pattern, rank), as of `parse_ranks`.
        choice: a word of `lidb.CHOICES`: of which layers; "all": of convolutions, too (LoCon).

    Returns:
        {name of the kernel: rank}, without ranks of 0.

    Raises:
        ValueError: if a pattern names no block of the network.
    """
    kernels = {
        name: variable
        for name, variable in named_weights(network).items()
        if name.endswith("kernel") and len(variable.shape) in (2, 4)
    }
    blocks = dict.fromkeys(block_of(name) for name in kernels)
    for pattern, _ in ranks:
        if not any(fnmatchcase(block, pattern) for block in blocks):
            raise ValueError(f"no block is called {pattern}; there are {', '.join(blocks)}.")
    found = {}
    for name, variable in kernels.items():
        if not is_of(name, variable.shape, choice):
            continue
        rank = next((r for pattern, r in ranks if fnmatchcase(block_of(name), pattern)), 0)
        if rank:
            most = min(int(np.prod(variable.shape[:-1])), variable.shape[-1])
            found[name] = min(rank, most)
    return found


@keras.saving.register_keras_serializable(package="ddpm")
class Adapter(keras.layers.Layer):
    """The matrices of one adapter.

    Args:
        shapes: {name of a kernel: its shape, (..., I, O)}.
        ranks: {name of a kernel: rank}, of the same names.
        alpha: numerator of the scale alpha / rank; None for the rank itself.
    """

    def __init__(self, shapes, ranks, alpha=None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        self.ranks, self.alpha = dict(ranks), alpha
        self.down, self.up = {}, {}
        for i, (name, shape) in enumerate(self.shapes.items()):
            rank = self.ranks[name]
            self.down[name] = self._matrix((*shape[:-1], rank), "random_normal", f"down{i}")
            self.up[name] = self._matrix((rank, shape[-1]), "zeros", f"up{i}")
        self.built = True

    def _matrix(self, shape, initializer, name):
        return self.add_weight(shape=shape, initializer=initializer, name=name, autocast=False)

    def begin(self, network):
        """Give the matrices down a random start as large as the kernels that they change: with
        elements of 1 / sqrt(3) of their root mean square, or of 1 / sqrt(I) where they are 0."""
        rng, kernels = np.random.default_rng(0), named_weights(network)
        for name, down in self.down.items():
            size = float(np.sqrt(np.mean(np.square(ops.convert_to_numpy(kernels[name])))))
            size = size or 1 / np.sqrt(np.prod(down.shape[:-1]))
            down.assign(rng.normal(0, size / np.sqrt(3), down.shape).astype(np.float32))

    def scale(self, name):
        """alpha / rank."""
        rank = self.ranks[name]
        return (rank if self.alpha is None else self.alpha) / rank

    def deltas(self, strength=1.0):
        """What is added to each kernel: {name: float32 (..., I, O)}.

        Args:
            strength: a number, or a tensor of one.
        """
        return {
            name: (strength * self.scale(name)) * ops.matmul(self.down[name], self.up[name])
            for name in self.shapes
        }

    def call(self, strength):
        """`deltas` of a strength that is a tensor."""
        return self.deltas(strength)

    def get_config(self):
        return {
            **super().get_config(),
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "ranks": self.ranks,
            "alpha": self.alpha,
        }


def light_form(network, ranks, numbers, choice, seed=0):
    """The form of light adapters of a network.

    Args:
        network: a built network.
        ranks: pairs (pattern, rank), as of `parse_ranks`: kernels in blocks of rank 0 stay.
        numbers, seed: of the `LightForm`.
        choice: as of `ranks_of`.

    Returns:
        A `LightForm`.

    Raises:
        ValueError: one sentence: a pattern names no block, or nothing is left to adapt.
    """
    weights, found = named_weights(network), ranks_of(network, ranks, choice)
    if not found:
        raise ValueError(
            f"nothing would be trained: every rank is 0, or no kernel is of --kernels {choice}."
        )
    scales = {name: size_of(weights[name]) for name in found}
    return LightForm(
        shapes={name: tuple(weights[name].shape) for name in found},
        scales={name: scale for name, scale in scales.items() if scale != 1},
        numbers=numbers,
        seed=seed,
    )


def size_of(kernel):
    """Root mean square of a kernel, six digits of it: 1 for kernels that are kept at that, and the
    expected 1 / sqrt(I) of those that are 0."""
    if isinstance(kernel.constraint, UnitKernels):
        return 1.0
    size = float(np.sqrt(np.mean(np.square(ops.convert_to_numpy(kernel)))))
    return float(f"{size or 1 / np.sqrt(np.prod(kernel.shape[:-1])):.6g}")


def light_deltas(form, numbers):
    """What the numbers of several light adapters add to each kernel.

    Args:
        form: `LightForm`.
        numbers: float32 (P, L, A + B), of P adapters.

    Returns:
        {name: (before (P, n), behind (P, O))}, float32, whose outer product of one adapter is what
        is added.
    """
    found, middle = {}, form.numbers[0]
    for i, name in enumerate(form.shapes):
        (before, behind), (a, b) = form.bases(name), form.own(name)
        found[name] = (
            ops.matmul(numbers[:, i, :a], np.float32(form.scale(name)) * before.T),
            ops.matmul(numbers[:, i, middle : middle + b], behind),
        )
    return found


def outer(form, name, before, behind):
    """The outer product of a row of `light_deltas` in a kernel's shape: (n,), (O,) ->
    (..., I, O)."""
    return ops.reshape(before[:, None] * behind[None, :], form.shapes[name])


@keras.saving.register_keras_serializable(package="ddpm")
class LightAdapter(keras.layers.Layer):
    """The numbers of one light adapter, with the interface of `Adapter`.

    Args:
        form: `LightForm`, or its dict.
    """

    def __init__(self, form, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.form = form if isinstance(form, LightForm) else LightForm(**form)
        a, b = self.form.numbers
        self.down = self._numbers(a, "down")
        self.up = self._numbers(b, "up")
        self.down.assign(self.form.start()[:, :a])
        self.built = True

    def _numbers(self, count, name):
        shape = (self.form.rows, count)
        return self.add_weight(shape=shape, initializer="zeros", name=name, autocast=False)

    def numbers(self):
        """All of them: NumPy float32 (L, A + B)."""
        parts = [ops.convert_to_numpy(part) for part in (self.down, self.up)]
        return np.where(self.form.used(), np.concatenate(parts, axis=1), 0.0).astype(np.float32)

    def deltas(self, strength=1.0):
        """As `Adapter.deltas`."""
        numbers = ops.concatenate([self.down, strength * self.up], axis=1)
        found = light_deltas(self.form, numbers[None])
        return {name: outer(self.form, name, u[0], v[0]) for name, (u, v) in found.items()}

    def call(self, strength):
        """`deltas` of a strength that is a tensor."""
        return self.deltas(strength)

    def get_config(self):
        return {**super().get_config(), "form": self.form.to_dict()}


@keras.saving.register_keras_serializable(package="ddpm")
class Adapted(keras.Model):
    """A network with adapters: (x_t, t, condition) -> prediction, all arguments as the network's.

    The network's own weights are constants; what is trained are the adapters that are trainable.
    Strengths are values, not constants of the compiled step.

    Args:
        network: a built network.
        adapters: list of `Adapter`, whose names are those of the network's kernels.
        strengths: a number for each; None for 1.
        inside: the network whose kernels are named, where it is a part of `network`
            (`Controlled.base`); None for the network itself.
    """

    def __init__(self, network, adapters, strengths=None, inside=None, **kwargs):
        super().__init__(autocast=False, **{"dtype": network.dtype_policy, **kwargs})
        self.network = network
        self.network.trainable = False
        self.adapters = list(adapters)
        self._named = named_weights(inside or network)
        self.strengths = self.add_weight(
            shape=(len(self.adapters),),
            initializer="ones",
            trainable=False,
            autocast=False,
            dtype="float32",
            name="strengths",
        )
        if strengths is not None:
            self.strengths.assign(strengths)
        self.built = True

    @property
    def config(self):
        """The network's configuration."""
        return self.network.config

    def kernels(self):
        """The changed kernels: {id of the variable: float32 tensor}."""
        strengths, changed = ops.convert_to_tensor(self.strengths), {}
        for i, adapter in enumerate(self.adapters):
            for name, delta in adapter.deltas(strengths[i]).items():
                variable = self._named[name]
                value = changed.get(id(variable))
                value = ops.convert_to_tensor(variable) if value is None else value
                changed[id(variable)] = value + delta
        return changed

    def call(self, x_t, t, condition=None, training=False):
        """Args and result as the network's."""
        return call_with(self.network, self.kernels(), x_t, t, condition, training)


def call_with(network, changed, x_t, t, condition=None, training=False):
    """The prediction of a frozen network with other kernels.

    Args:
        network: whose weights are all constants.
        changed: {id of a variable: float32 tensor}, in its place.
        Others and result as the network's.
    """
    values = [changed.get(id(v), ops.convert_to_tensor(v)) for v in network.non_trainable_variables]
    arguments = (x_t, t) if condition is None else (x_t, t, condition)
    prediction, _ = network.stateless_call([], values, *arguments, training=training)
    return prediction


def innermost(network):
    """The network in which kernels are named, inside control branches and other adapters."""
    while True:
        inner = getattr(network, "base", None) or getattr(network, "network", None)
        if inner is None:
            return network
        network = inner


def merged(factors, rank):
    """The sum of products of factors as one product of a lower rank.

    Args:
        factors: list of (share, down (..., I, r_i), up (r_i, O)).
        rank: of the result; less than the sum of all where that is larger.

    Returns:
        (down, up, error): down (..., I, rank), up (rank, O), float32, and the share of the sum's
        squared length that is lost.

    Reference:
        Eckart and Young 1936. The factors alone are decomposed: QR of what stands on either side,
        then an SVD of the small matrix between.
    """
    grid = factors[0][1].shape[:-1]
    left = np.concatenate(
        [share * np.reshape(down, (-1, down.shape[-1])) for share, down, _ in factors], axis=1
    ).astype(np.float64)
    right = np.concatenate([up for _, _, up in factors], axis=0).astype(np.float64)
    q_left, r_left = np.linalg.qr(left)
    q_right, r_right = np.linalg.qr(right.T)
    u, s, v = np.linalg.svd(r_left @ r_right.T)
    rank = min(rank, len(s))
    root = np.sqrt(s[:rank])
    down = (q_left @ u[:, :rank] * root).reshape(*grid, rank)
    up = (root[:, None] * v[:rank]) @ q_right.T
    whole = np.sum(s**2)
    error = float(np.sum(s[rank:] ** 2) / whole) if whole else 0.0
    return down.astype(np.float32), up.astype(np.float32), error
