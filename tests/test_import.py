"""What `import resilient_stream` loads and builds, counted: milliseconds differ from run to run, these do not."""

import subprocess
import sys

import pytest

OWN_MODULES = 121
"""Files of the package that an import may read. Each is about 0.3 ms, so a new one is a decision."""

LATE = ("aiohttp", "importlib.metadata", "opentelemetry", "zipfile", "email", "urllib.request")
"""What takes long to load, and is only needed by a process that makes a client."""

FROM_MANY_THREADS = """
import sys, threading
import resilient_stream as r
from resilient_stream.messages import to_messages

sys.setswitchinterval(1e-6)
together, failed = threading.Barrier(8), []

def use():
    together.wait()
    try:
        r.Client(r.Target("openai:m", timeouts=r.Timeouts(connect=1)), limits=r.Limits(max_concurrency=3))
        to_messages([{"role": "user", "content": [{"type": "text", "text": "hi"}]}])
    except BaseException as error:
        failed.append(error)

threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(failed)
"""


def said_by(script: str) -> str:
    """What a fresh process prints that runs this script."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The names of all modules in a process that has imported the package."""
    return set(said_by("import sys, resilient_stream; print(*sys.modules)").split())


def test_an_import_reads_few_files(loaded: set[str]) -> None:
    """The package itself is a bounded number of modules at the import; the rest comes with what needs it."""
    assert len([name for name in loaded if name.split(".")[0] == "resilient_stream"]) <= OWN_MODULES


@pytest.mark.parametrize("module", LATE)
def test_what_takes_long_is_loaded_with_the_first_client(loaded: set[str], module: str) -> None:
    """aiohttp is most of what there is to load: a process that makes no client goes without."""
    assert not {name for name in loaded if name == module or name.startswith(f"{module}.")}


def test_everything_is_loaded_before_the_first_call() -> None:
    """aiohttp comes with the client, not with its first call, which runs in a loop that others share."""
    script = "import sys, resilient_stream as r; r.Client('openai:m'); print('aiohttp' in sys.modules)"
    assert said_by(script) == "True"


def test_an_import_builds_no_validator() -> None:
    """pydantic's models are built by their first use: building all of them is a sixth of the import."""
    models = "r.Timeouts, r.RetryPolicy, r.Limits, r.Recovery, r.Target, r.Message, r.Tool, r.TextPart"
    assert said_by(f"import resilient_stream as r; print(any(m.__pydantic_complete__ for m in ({models})))") == "False"


def test_a_first_use_may_come_from_many_threads_at_once() -> None:
    """Two threads that make their first clients together both get models that are whole."""
    assert said_by(FROM_MANY_THREADS) == "[]"
