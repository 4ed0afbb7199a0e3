"""A machine for `make setup` on which nothing is real but a few tools of the shell."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = (
    *("bash", "cat", "cp", "cut", "dirname", "env", "flock", "grep", "head", "mkdir", "mv", "rm"),
    *("sed", "sha256sum", "sleep", "sort", "stat", "tail"),
)

# The interpreter of the tests, under another version; what it would install, it notes down.
# `pip` fetches uv if `log.has_uv` is there, and `log.broken` breaks what it names.
FAKE_PYTHON = """#!/bin/sh
echo "python $*" >>'{log}'
broken=$(cat '{log}.broken' 2>/dev/null)
case "$*" in
  --version) echo 'Python {version}.0' ;;
  *'-m venv'*)
    [ "$broken" != ensurepip ] || {{ echo Traceback >&2; exit 1; }}
    for last; do :; done
    mkdir -p "$last/bin" && cp "$0" "$last/bin/python" ;;
  *'-m pip config list'*) cat '{log}.pip' ;;
  *'-m pip'*requirements/uv.txt) [ -e '{log}.has_uv' ] && cp '{uv}' .python/uv/bin/uv ;;
  *'-m pip'*) [ "$broken" != install ] ;;
  *compileall*) false ;;
  *) exec '{python}' -S -c '
import sys, sysconfig
sys.version_info = (*map(int, "{version}".split(".")), 0, "final", 0)
sys.version, sys.base_prefix = "{version}.0", "{origin}"
sys.modules.update(dict.fromkeys("{lacks}".split()))
sysconfig.get_path = lambda name: "{headers}"
exec(sys.argv[1])' "$2" ;;
esac
"""

# It fetches the Python of `fetched`, if that is there.
FAKE_UV = """#!/bin/sh
[ "$1" = --version ] && {{ echo 'uv 1.2.3'; exit; }}
echo "uv $*" >>'{log}'
env >'{log}.environment'
case "$*" in
  'python install'*) [ -e '{fetched}' ] ;;
  'python find'*) echo '{fetched}' ;;
  'venv '*)
    mkdir -p .venv/bin
    cp "$(command -v "$4")" .venv/bin/python ;;
  'pip sync'*)
    sleep "$(cat '{log}.slow' 2>/dev/null || echo 0)"
    [ "$(cat '{log}.broken' 2>/dev/null)" != install ] ;;
esac
"""


class Machine:
    """A checkout, with the Pythons and the uv that a test puts there."""

    def __init__(self, root: Path):
        self.bin, self.home, self.headers = root / "bin", root / "home", root / "headers"
        # A blank in the path, as people have them.
        self.checkout = root / "check out"
        self.log = root / "log"
        self.fetched = self.checkout / ".python" / "fetched"
        self.environment = {"PATH": str(self.bin), "HOME": str(self.home)}
        for directory in (self.bin, self.home, self.headers):
            directory.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.add_program("c++", "#!/bin/sh\n")
        (self.headers / "Python.h").touch()
        self.uv = self.add_program(
            "uv", FAKE_UV.format(log=self.log, fetched=self.fetched), root / "registry"
        )
        self.note("pip", "")
        shutil.copytree(CHECKOUT / "requirements", self.checkout / "requirements")
        shutil.copy(CHECKOUT / "setup.py", self.checkout)

    def note(self, name: str, text: str) -> None:
        """Tells the fakes of this machine something."""
        Path(f"{self.log}.{name}").write_text(text)

    def mend(self) -> None:
        Path(f"{self.log}.broken").unlink()

    def add_program(self, name: str, text: str, directory: Path | None = None) -> Path:
        program = (directory or self.bin) / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
        return program

    def add_uv(self) -> None:
        shutil.copy(self.uv, self.bin)

    def set_glibc(self, version: str) -> None:
        self.add_program("getconf", f"#!/bin/sh\necho 'glibc {version}'\n")

    def add_python(self, version, *, name=None, directory=None, lacks="") -> Path:
        name = name or f"python{version}"
        text = FAKE_PYTHON.format(
            version=version,
            log=self.log,
            uv=self.uv,
            python=sys.executable,
            headers=self.headers,
            lacks=lacks,
            origin=(directory or self.bin) / name,
        )
        return self.add_program(name, text, directory)

    def start(self, script: str = "setup.sh", *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [self.bin / "bash", self.checkout / "requirements" / script, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # SIGINT is ignored where the tests run in the background.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def setup(self) -> subprocess.CompletedProcess:
        self.log.write_text("")
        process = self.start()
        printed, said = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, printed, said)

    @property
    def calls(self) -> list[str]:
        """What the Pythons and uv were asked to make, and to install into .venv."""
        made = re.findall(
            r"^(?:uv|python .*-m (?:venv|pip)) .*$", self.log.read_text(), re.MULTILINE
        )
        return [call for call in made if not re.search(r"pip config|\.python/uv|uv\.txt", call)]

    def uv_environment(self) -> dict[str, str]:
        """Calls uv by its script, and returns the environment that it finds itself in."""
        assert self.start("uv.sh", "pip", "list").wait(timeout=30) == 0
        lines = Path(f"{self.log}.environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def is_set_up(self) -> bool:
        return (self.checkout / ".venv" / "stamp").exists()
