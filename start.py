"""The first two commands on a new machine. Needs Python 3.11 or 3.12 and nothing else.

    python3 start.py         makes .venv, installs, draws faces with the shipped weights; then
                             renders some, trains a small model on them and samples it
    python3 start.py test    makes .venv-test, installs, runs the fast tests
    python3 start.py studio  makes .venv, installs, opens the studio in the browser

Written for any Python 3, so that an unsupported one gets a sentence.
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SUPPORTED = ((3, 11), (3, 12))
# Files are shared out between two processes, so that what a file makes once is made once; in the
# order of tests/conftest.py, the longest first.
TWO_AT_A_TIME = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")


def main():
    word = sys.argv[1] if len(sys.argv) > 1 else "demo"
    if word not in ("demo", "test", "studio") or len(sys.argv) > 2:
        fail(
            "unknown word {!r}; use: python3 start.py [demo | test | studio]".format(
                " ".join(sys.argv[1:])
            )
        )
    if sys.version_info[:2] not in SUPPORTED:
        found = ".".join(str(number) for number in sys.version_info[:2])
        fail(
            f"this project needs Python 3.11 or 3.12; TensorFlow 2.19 has no build for {found}. "
            "Install one of them and run: python3.11 start.py"
        )
    os.chdir(HERE)
    {"demo": demo, "test": test, "studio": studio}[word]()


def demo():
    """The main job, small: about three minutes after the installation on two cores."""
    python = environment(".venv", ".")
    run(python, *"sample.py --n 16 --out faces.png --zoom 2".split())
    print("\nfaces.png: faces from the weights that come with the project, 64 px.\n", flush=True)
    resume = ["--resume"] if os.path.isdir("runs/demo") else []
    run(python, *"train.py --preset tiny --out runs/demo".split(), *resume)
    run(python, *"sample.py --n 16 --weights runs/demo --out demo.png --zoom 4".split())
    print(
        "\ndemo.png: what a minute of training gives, at 32 px: it shows that training works, not"
    )
    print("how well; the faces that the project can draw are those in faces.png.")
    print(f"Next, the real thing: {os.path.relpath(python)} train.py --epochs 800")


def test():
    """The fast tests."""
    python = environment(".venv-test", ".[test]")
    run(python, "-m", "pytest", "-m", "not slow", *TWO_AT_A_TIME, "--durations", "10")


def studio():
    """The page in the browser, until Ctrl-C."""
    python = environment(".venv", ".[studio]")
    run(python, "-m", "portrait", "studio")


def environment(name, requirement):
    """Make a virtual environment with the project installed, and return its Python."""
    folder = os.path.join(HERE, name)
    python = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")
    if not os.path.exists(python) or subprocess.call([python, "-m", "pip", "--version"], stdout=-3):
        print(f"Making {name} ...", flush=True)
        made = subprocess.call([sys.executable, "-m", "venv", "--clear", folder], stdout=-3)
        if made:
            fail("Python's venv module does not work here; on Debian: apt-get install python3-venv")
    print(f"Installing into {name} (a few minutes the first time) ...", flush=True)
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", requirement)
    return python


def run(*command):
    """Run a command and stop with its exit code where it fails."""
    code = subprocess.call(command)
    if code:
        sys.exit(code)


def fail(sentence):
    sys.stderr.write("Error: " + sentence + "\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
