"""What the machine has, and a start of the backend without a line that is not ours."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

from common import devices


def started(program, **environment):
    """(stdout, stderr) of a Python program in a fresh process."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, env=clean | environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.stdout, done.stderr


def test_the_backend_starts_without_a_word():
    program = (
        "from common.devices import start_backend; start_backend()\n"
        "import sys; print('tensorflow' in sys.modules)\n"
        "import keras; print(float(keras.ops.sum(keras.ops.ones((2, 2)))))\n"
        "import os; print(os.environ['TF_CPP_MIN_LOG_LEVEL'], keras.distribution.list_devices())"
    )
    out, complaints = started(program, KERAS_BACKEND="tensorflow")
    assert complaints == ""
    # Errors of level 2 stay: only warnings and what is of no use are held back.
    assert out.startswith("True\n4.0\n2 ['cpu:0'")


def test_a_start_that_fails_keeps_every_line(tmp_path):
    noise = "E0000 cuda_fft.cc:477] Unable to register cuFFT factory"
    (tmp_path / "keras.py").write_text(
        f"import os; os.write(2, b'{noise}\\nworth knowing\\n'); raise ImportError('no backend')"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    program = "from common.devices import start_backend; start_backend()"
    _, complaints = started(program, PYTHONPATH=path)
    for line in (noise, "worth knowing", "ImportError: no backend"):
        assert line in complaints


def test_noise_is_held_back_and_all_else_goes_through(capfd):
    noise = re.compile("^W0000 ")
    with devices.without_noise(noise):
        os.write(2, b"W0000 of no use\nbeware\n")
    os.write(2, b"W0000 later\n")
    assert capfd.readouterr().err == "beware\nW0000 later\n"
    with pytest.raises(ValueError), devices.without_noise(noise):
        os.write(2, b"W0000 of use now\n")
        raise ValueError
    assert capfd.readouterr().err == "W0000 of use now\n"


def test_memory_is_counted_before_it_is_used(monkeypatch):
    assert devices.available_memory() is None or devices.available_memory() > 2**20
    monkeypatch.setattr(devices, "available_memory", lambda: 2**30)
    devices.check_memory(2**29, "1 picture")
    with pytest.raises(ValueError, match=r"9 pictures need 4.0 GiB of memory and 1.0 GiB are free"):
        devices.check_memory(2**32, "9 pictures")
    monkeypatch.setattr(devices, "available_memory", lambda: None)
    devices.check_memory(2**60, "unknown")


def test_precisions(monkeypatch):
    assert devices.choose_precision("bfloat16") == "bfloat16"
    for able, word in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(devices, "has_bfloat16", lambda able=able: able)
        assert devices.choose_precision() == word
    with pytest.raises(ValueError, match="must be auto, float32 or bfloat16. Received: 'half'"):
        devices.choose_precision("half")


@pytest.mark.parametrize("cores,batch,parts", [(2, 32, 2), (4, 6, 2), (2, 1, 1)])
def test_a_core_for_each_micro_batch(monkeypatch, cores, batch, parts):
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(devices, "core_count", lambda: cores)
    assert devices.one_core_per_micro_batch(batch) == parts
    assert os.environ["TF_NUM_INTEROP_THREADS"] == str(parts)
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == str(cores // parts)
