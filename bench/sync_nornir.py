"""The edit and commit of bench/sync.py by nornir with nornir_netconf: `sync_nornir.py THREADS < DEVICES`.

Runs in an environment of its own, since nornir_netconf needs an older ncclient than we do.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

from nornir.core import Nornir
from nornir.core.inventory import ConnectionOptions, Defaults, Groups, Host, Hosts, Inventory
from nornir.core.plugins.connections import ConnectionPluginRegister
from nornir.core.task import Task
from nornir.plugins.runners import ThreadedRunner
from nornir_netconf.plugins.tasks import netconf_commit, netconf_edit_config, netconf_lock


def install(task: Task) -> None:
    task.run(netconf_lock, datastore="candidate", operation="lock")
    task.run(netconf_edit_config, target="candidate", config=task.host["config"])
    task.run(netconf_commit)
    task.run(netconf_lock, datastore="candidate", operation="unlock")


def main() -> None:
    ConnectionPluginRegister.auto_register()
    hosts = Hosts()
    for device in json.load(sys.stdin):
        hosts[device["name"]] = Host(
            name=device["name"],
            hostname=device["host"],
            port=device["port"],
            username=device["username"],
            password="casm",
            connection_options={"netconf": ConnectionOptions(extras={"hostkey_verify": False})},
            data={"config": device["config"]},
        )
    inventory = Inventory(hosts=hosts, groups=Groups(), defaults=Defaults())
    fleet = Nornir(inventory=inventory, runner=ThreadedRunner(num_workers=int(sys.argv[1])))
    began, cpu = time.perf_counter(), time.process_time()
    done = fleet.run(task=install)
    fleet.close_connections()
    failed = [name for name, result in done.items() if result.failed]
    if failed:
        raise SystemExit(f"{len(failed)} failed, {failed[0]}: {done[failed[0]][-1].exception}")
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - began,
                "cpu": time.process_time() - cpu,
                **{name: version(name) for name in ("nornir", "nornir_netconf")},
                "ncclient of nornir": version("ncclient"),
            }
        )
    )


if __name__ == "__main__":
    main()
