"""A real Slurm of one node, for tests: its daemons are children of the test session and leave nothing behind.

It needs no systemd, no accounting and no munge. Its configuration must lie in /etc/slurm: the jobs of the executor
plugin drop every SLURM_* variable before they call srun. ``python tests/slurm_node.py`` starts one until Ctrl-C.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "sinfo", "scancel")
ETC = Path("/etc/slurm")
MARK = "# for the tests of process"
CONFIGURATION = """{mark} {process}
ClusterName=paper
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/none
CredType=cred/none
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/builtin
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
MinJobAge=600
MaxArraySize=1001
KillWait=5
BatchStartTimeout=60
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=16000 Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""


def unusable() -> str | None:
    """Why no Slurm can be started here; None where one can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"no {absent[0]} here (Debian: slurmctld, slurmd, slurm-client)"
    if os.geteuid() != 0:
        return "Slurm's daemons are started as root"
    if (ETC / "slurm.conf").exists() and not _left_behind():
        return f"{ETC}/slurm.conf exists: this machine has a Slurm of its own"
    return None


def _left_behind() -> bool:
    """Whether the configuration is that of a test session that was killed; its daemons are then ended."""
    mark, _, owner = (ETC / "slurm.conf").read_text(encoding="utf-8").partition("\n")[0].rpartition(" ")
    if mark != MARK or not owner.isdigit() or Path("/proc", owner).exists():
        return False
    for name in ("slurmctld", "slurmd", "slurmstepd"):
        for pid in _processes(name):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return True


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for something to come true.

    Raises:
        TimeoutError: it has not.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:.0f} s: {what}")
        time.sleep(0.1)


class Node:
    """The running Slurm."""

    def __init__(self, folder: Path, cpus: int) -> None:
        self.folder, self.host = folder, socket.gethostname().partition(".")[0]
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        controller, node = _free_ports(2)
        text = CONFIGURATION.format(
            mark=MARK, process=os.getpid(), host=self.host, folder=folder, cpus=cpus,
            controller_port=controller, node_port=node,
        )  # fmt: skip
        ETC.mkdir(exist_ok=True)
        (ETC / "slurm.conf").write_text(text, encoding="utf-8")
        (ETC / "gres.conf").write_text(f"NodeName={self.host} Name=gpu File=/dev/null\n", encoding="utf-8")

    def start(self, *daemons: str) -> None:
        """Start some daemons (both, if none is named) and wait until jobs can run."""
        for name in daemons or ("slurmctld", "slurmd"):
            log = open(self.folder / f"{name}.log", "ab")  # noqa: SIM115
            # A session of its own, so that a signal to the tests' group does not reach it.
            self._daemons[name] = subprocess.Popen([name, "-D"], stdout=log, stderr=log, start_new_session=True)
            log.close()
        until(self.is_ready, 60, f"Slurm is not ready; see {self.folder}/*.log")

    def is_ready(self) -> bool:
        """Whether the node takes jobs."""
        return re.fullmatch(r"(idle|mixed|allocated)", said("sinfo", "-h", "-p", "cpu", "-o", "%T")) is not None

    def kill(self, daemon: str) -> None:
        """Kill a daemon as a crash does, with SIGKILL. The jobs' own processes live on, as they do in Slurm."""
        process = self._daemons.pop(daemon)
        process.kill()
        process.wait()

    def down(self) -> None:
        """Take the node down: slurmd and all processes of its jobs die at once, as when the power fails."""
        self.kill("slurmd")
        for pid in _processes("slurmstepd"):
            for child in [*_descendants(pid), pid]:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        said("scontrol", "update", f"NodeName={self.host}", "State=DOWN", "Reason=test")

    def up(self) -> None:
        """Bring it back."""
        self.start("slurmd")

    def jobs(self, state: str = "all") -> list[str]:
        """Numbers of the jobs in a state, as squeue names it."""
        return said("squeue", "-h", "-t", state, "-o", "%A").split()

    def stop(self) -> None:
        """End everything and remove the configuration."""
        if {"slurmctld", "slurmd"} <= self._daemons.keys():
            said("scancel", "--user", "root")
            with suppress(TimeoutError):
                until(lambda: not self.jobs("R,CG"), 20, "jobs are still there")
        for process in self._daemons.values():
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        for pid in _processes("slurmstepd"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)


def said(*command: str) -> str:
    """What a Slurm command prints, or nothing where it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()


def _free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _stat(pid: str) -> tuple[str, int]:
    """Name and parent of a process."""
    name, rest = Path("/proc", pid, "stat").read_text().partition("(")[2].rsplit(")", 1)
    return name, int(rest.split()[1])


def _all() -> dict[int, tuple[str, int]]:
    found = {}
    for entry in os.listdir("/proc"):
        with suppress(OSError, ValueError):
            found[int(entry)] = _stat(entry)
    return found


def _processes(name: str) -> list[int]:
    return [pid for pid, (found, _) in _all().items() if found == name]


def _descendants(pid: int) -> list[int]:
    """Children, their children and so on, lowest first."""
    parents = {child: parent for child, (_, parent) in _all().items()}
    children = [child for child, parent in parents.items() if parent == pid]
    return [one for child in children for one in [*_descendants(child), child]]


@contextmanager
def node(cpus: int = 8) -> Iterator[Node]:
    """A Slurm that runs jobs, for as long as the block lasts."""
    folder = Path(mkdtemp(prefix="slurm-"))
    one = Node(folder, cpus)
    try:
        one.start()
        yield one
    finally:
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    ends = {signal.SIGINT, signal.SIGTERM}
    with node() as running:
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # not before: the daemons, and their jobs, would inherit it
        print(f"Slurm on {running.host}, its logs in {running.folder}; Ctrl-C ends it", flush=True)
        signal.sigwait(ends)
