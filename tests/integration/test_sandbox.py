"""A tool under the sandbox that tries more than its task needs is denied, whatever it is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import clips
from adaptation.adapters import launcher, packager, process, sandbox
from adaptation.adapters.process import Limits
from adaptation.adapters.sandbox import NOTHING, Access, Sandbox, named_in
from adaptation.adapters.tools import versions
from adaptation.errors import SettingsError, ToolError
from command_line import adaptation

pytestmark = pytest.mark.skipif(
    not all(layer.active for layer in sandbox.layers()), reason="this kernel confines nobody"
)
PYTHON = Access(reads=(Path(sys.prefix), Path(sys.base_prefix)))
"""What Python reads when it starts."""
OFF = Sandbox("off")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps, H.264, 1.2 s, no sound."""
    return clips.make_silent(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of somebody else."""
    path = tmp_path / "others" / "secret.txt"
    path.parent.mkdir()
    path.write_text("canary")
    return path


@contextmanager
def canary(kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[socket.socket]:
    """Something that listens on this machine, and will have heard of nobody."""
    with socket.socket(type=kind) as server:
        server.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            server.listen()
        server.settimeout(0)
        yield server


def heard(server: socket.socket) -> bool:
    """Whether anybody has come."""
    try:
        if server.type == socket.SOCK_STREAM:
            server.accept()[0].close()
        else:
            server.recv(1)
    except BlockingIOError:
        return False
    return True


def ffmpeg(words: str, access: Access, within: Sandbox = sandbox.USUAL) -> str:
    """Run FFmpeg without our guards, as a source might bring it to; what it says in the end."""
    argv = [str(clips.tools().ffmpeg), "-nostdin", "-y", "-v", "error", *words.split()]
    try:
        limits = Limits(timeout_seconds=20)
        return process.run(argv, access=access, within=within, limits=limits).stderr_tail
    except ToolError as error:
        return error.stderr_tail


def python(code: str, access: Access = PYTHON, within: Sandbox = sandbox.USUAL) -> str:
    """Run some Python in the place of a tool that was taken over; what it prints."""
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    return process.run(argv, access=access, within=within).stdout


def test_a_tool_reads_its_source_and_nothing_beside_it(clip: Path, tmp_path: Path) -> None:
    other = clip.with_name("other.mp4")
    other.write_bytes(clip.read_bytes())
    words = f"-i file:{other} -c copy file:{tmp_path / 'out.mp4'}"
    access = Access(reads=(clip,), writes=(tmp_path,))
    assert "Permission denied" in ffmpeg(words, access)
    assert "Permission denied" not in ffmpeg(words.replace("other.mp4", clip.name), access)
    assert (tmp_path / "out.mp4").stat().st_size > 0


def test_a_tool_without_access_reads_no_file_at_all(secret: Path) -> None:
    assert ffmpeg("-version", NOTHING) == ""
    for path in (
        secret,
        Path("/etc/passwd"),
        Path("/proc/1/environ"),
        Path("/proc/self/../1/maps"),
    ):
        with pytest.raises(ToolError, match="Permission denied"):
            process.run(["/bin/cat", str(path)])
    assert process.run(["/bin/cat", str(secret)], within=OFF).stdout == "canary"


def test_a_tool_writes_nowhere_but_to_its_folder(clip: Path, tmp_path: Path, secret: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    access = Access(reads=(clip,), writes=(own,))
    link = own / "link"
    link.symlink_to(secret)
    for target in (secret, tmp_path / "new.mp4", Path("/tmp/canary.mp4"), link):
        words = f"-i file:{clip} -c copy -f mp4 file:{target}"
        assert "Permission denied" in ffmpeg(words, access), target
    assert secret.read_text() == "canary"
    assert not (tmp_path / "new.mp4").exists()


@pytest.mark.parametrize("words", ["-i http://{}/x.mp4 -f null -", "-i {} -f mpegts tcp://{}"])
def test_a_tool_connects_to_nobody(clip: Path, words: str) -> None:
    # With devices there is no filter of calls: Landlock alone denies it.
    driven = Access(PYTHON.reads, devices=True)
    for access, within in ((PYTHON, sandbox.USUAL), (driven, sandbox.USUAL), (PYTHON, OFF)):
        with canary() as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            given = words.replace("-i {}", f"-i file:{clip}").format(address)
            ffmpeg(f"-rw_timeout 200000 {given}" if "http" in given else given, access, within)
            assert heard(server) is (within is OFF)


def test_a_tool_sends_no_datagram(clip: Path) -> None:
    for within, hears in ((sandbox.USUAL, False), (OFF, True)):
        with canary(socket.SOCK_DGRAM) as server:
            port = server.getsockname()[1]
            words = f"-i file:{clip} -c copy -f mpegts udp://127.0.0.1:{port}"
            ffmpeg(words, Access(reads=(clip,)), within)
            assert heard(server) is hears


def test_no_socket_can_be_had_and_no_group_left() -> None:
    code = """
        import os, socket, sys
        sys.stdout.reconfigure(line_buffering=True)
        def tried(name, call):
            try:
                call()
            except OSError as error:
                print(name, error.strerror)
        for kind in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, 16, 40):
            tried("socket", lambda: socket.socket(kind, socket.SOCK_DGRAM))
        if os.fork() == 0:
            tried("session", os.setsid)
            tried("group", lambda: os.setpgid(0, 0))
            tried("signal", lambda: os.kill(1, 0))
            os._exit(0)
        os.wait()
    """
    denied = "Operation not permitted"
    expected = [f"socket {denied}"] * 5
    expected += [f"session {denied}", f"group {denied}", f"signal {denied}"]
    assert python(code).splitlines() == expected


def test_packager_reads_and_writes_only_where_it_is_to(
    clip: Path, tmp_path: Path, secret: Path
) -> None:
    inside = tmp_path / "inside"
    escaping = f"in={packager.INPUT_NAME},stream=video,init_segment={secret.parent}/x.mp4"
    with pytest.raises(ToolError) as caught:
        packager.package([f"{escaping},segment_template=$Number$.m4s"], clip, inside, clips.tools())
    assert caught.value.code in {"tool_failed", "tool_crashed"}
    assert [path.name for path in secret.parent.iterdir()] == [secret.name]
    plain = escaping.replace(f"{secret.parent}/", "")
    packager.package([f"{plain},segment_template=$Number$.m4s"], clip, inside, clips.tools())
    assert (inside / "x.mp4").exists()


def test_a_tool_sees_no_variable_that_could_hold_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADAPTATION_DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "canary")
    seen = python("import os; print(dict(os.environ))", within=OFF)
    assert "canary" not in seen
    assert "'HOME': '/nonexistent'" in seen
    names = python("import os; print(*os.environ)").split()
    assert set(names) <= {*sandbox.PASSED_ON, "HOME", "TMPDIR", "TMP", "TEMP", "ADAPTATION_ATTEMPT"}


def test_what_a_command_names_is_what_it_may_touch() -> None:
    command = ["-i", "file:/in/a.mp4", "-i", "file:/in/list.m3u8", "-vf", "scale=1:2"]
    access = named_in(["ffmpeg", *command, "-c:v", "h264_vaapi", "file:/out/b.mp4", "/out/c.jpg"])
    assert access == Access((Path("/in/a.mp4"), Path("/in")), (Path("/out"),), devices=True)
    assert not named_in(command).devices


def test_folders_of_a_build_of_ones_own_can_be_opened(tmp_path: Path, secret: Path) -> None:
    within = Sandbox(programs=(secret.parent,))
    assert process.run(["/bin/cat", str(secret)], within=within).stdout == "canary"
    with pytest.raises(ToolError):
        process.run(["/bin/sh", "-c", f"echo >> {secret}"], within=within)


def test_bubblewrap_is_told_the_same_where_it_stands_in(tmp_path: Path) -> None:
    within = Sandbox("required", (Path("/opt/ffmpeg"),), Path("/usr/bin/bwrap"))
    access = Access(reads=(Path("/in/a.mp4"),), writes=(tmp_path,))
    assert within.words("/bin/cat", access) == []
    words = within.around("/bin/cat", access, tmp_path)
    told = " ".join(words)
    assert told.startswith("/usr/bin/bwrap --unshare-all --die-with-parent")
    assert f" --bind-try {tmp_path} {tmp_path} " in told
    for path in ("/usr", "/opt/ffmpeg", "/in/a.mp4"):
        assert f" --ro-bind-try {path} {path} " in told
    assert told.count("--bind-try") == 1
    assert words[-3:] == ["--chdir", str(tmp_path), "--"]
    assert Sandbox("required").around("/bin/cat", access, None) == []
    within.check()


def test_a_confined_tool_says_its_version() -> None:
    assert all(number.lstrip("nv")[0].isdigit() for number in versions(clips.tools()).values())


WITHOUT_LANDLOCK = """
    import ctypes, os, struct, sys
    # A filter under which Landlock's first system call is unknown, as before Linux 5.13.
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, 444)]
    steps += [(0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7FFF0000)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    whole = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(program)))
    assert libc.prctl(22, 2, whole, 0, 0) == 0
    os.execv(sys.executable, [sys.executable, "-m", "adaptation", *sys.argv[1:]])
"""


def old_kernel(*words: object, mode: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the kernel has no Landlock."""
    argv = [sys.executable, "-c", textwrap.dedent(WITHOUT_LANDLOCK), *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment["ADAPTATION_SANDBOX"] = mode
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


def test_what_is_required_and_missing_is_refused_with_the_remedy(
    clip: Path, tmp_path: Path
) -> None:
    words = ("encode", clip, tmp_path / "asset", "--rendition", "90:100", "--preset", "ultrafast")
    refused = old_kernel(*words, mode="required")
    assert refused.returncode == 2
    assert "landlock is missing" in refused.stderr
    assert "sandbox_missing" in refused.stderr
    assert "lsm=" in refused.stderr
    assert not (tmp_path / "asset").exists()
    # Without being required it is no reason to do nothing.
    done = old_kernel(*words, mode="best-effort")
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "asset"))


def test_a_tool_that_cannot_be_confined_is_not_started() -> None:
    unknown = "import ctypes; ctypes.CDLL(None)"
    script = Path(str(launcher.__file__))
    words = ["limit:NOFILE:64", "confined", "required", "run:/usr"]
    code = WITHOUT_LANDLOCK.replace('"-m", "adaptation", *sys.argv[1:]', "*sys.argv[1:]")
    argv = [sys.executable, "-c", textwrap.dedent(code), "-I", "-S", str(script)]
    ended = subprocess.run(
        [*argv, str(os.getpid()), *words, "--", sys.executable, "-c", unknown],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == launcher.NOT_CONFINED
    assert "cannot be confined" in ended.stderr


def test_the_doctor_names_every_layer_and_why_it_matters() -> None:
    on = adaptation("doctor", "--json")
    found = {one["name"]: one for one in on.documents[0]}
    assert all(found[name]["ok"] and found[name]["why"] for name in LAYERS)
    assert found["landlock"]["found"].startswith("ABI")
    old = old_kernel("doctor", mode="required")
    assert old.returncode == 1
    assert "missing  landlock       the kernel says: Function not implemented" in old.stdout
    assert "needed for keeping a hostile source from reading other files" in old.stdout
    assert {layer.found for layer in sandbox.layers("off") if not layer.active} == {
        "switched off by ADAPTATION_SANDBOX"
    }


LAYERS = ("landlock", "call filter", "limits", "death signal")


def test_a_wrong_word_for_the_sandbox_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    from adaptation.settings import load_settings

    monkeypatch.setenv("ADAPTATION_SANDBOX", "perhaps")
    with pytest.raises(SettingsError, match="ADAPTATION_SANDBOX"):
        load_settings()
    monkeypatch.setenv("ADAPTATION_SANDBOX", "required")
    monkeypatch.setenv("ADAPTATION_SANDBOX_PROGRAMS", "/opt/ffmpeg, opt")
    with pytest.raises(SettingsError, match="no absolute path"):
        load_settings()
