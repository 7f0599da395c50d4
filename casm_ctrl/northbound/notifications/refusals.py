"""Errors of subscriptions: identities of RFC 8639 and 8641 as rpc-error, as RFC 8640, 7 writes them."""

from __future__ import annotations

from typing import Literal

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.notifications.names import IDENTITIES, PUSH, SUBSCRIBED, add, element

SN, YP = "ietf-subscribed-notifications", "ietf-yang-push"
Rpc = Literal["establish", "modify", "delete", "kill", "resync"]

_IDENTITIES = {
    "encoding-unsupported": (SN, "invalid-value"),
    "filter-unavailable": (SN, "invalid-value"),
    "filter-unsupported": (SN, "invalid-value"),
    "insufficient-resources": (SN, "resource-denied"),
    "no-such-subscription": (SN, "invalid-value"),
    "replay-unsupported": (SN, "operation-not-supported"),
    "stream-unavailable": (SN, "invalid-value"),
    "cant-exclude": (YP, "operation-not-supported"),
    "datastore-not-subscribable": (YP, "invalid-value"),
    "no-such-subscription-resync": (YP, "invalid-value"),
    "on-change-unsupported": (YP, "operation-not-supported"),
    "period-unsupported": (YP, "invalid-value"),
    "sync-too-big": (YP, "too-big"),
    "update-too-big": (YP, "too-big"),
}
"""Identity → (its module, the error-tag)."""

_INFO = {
    ("establish", False): (SUBSCRIBED, "establish-subscription-stream-error-info"),
    ("modify", False): (SUBSCRIBED, "modify-subscription-stream-error-info"),
    ("delete", False): (SUBSCRIBED, "delete-subscription-error-info"),
    ("kill", False): (SUBSCRIBED, "delete-subscription-error-info"),
    ("establish", True): (PUSH, "establish-subscription-datastore-error-info"),
    ("modify", True): (PUSH, "modify-subscription-datastore-error-info"),
    ("resync", True): (PUSH, "resync-subscription-error"),
}


def refuse(rpc: Rpc, identity: str, message: str, *, push: bool = False, **hints: str) -> RpcError:
    """The error of an operation on a subscription; `hints` are leaves that help to ask again better, by name with
    underscores. `push`: the subscription is to a datastore."""
    module, tag = _IDENTITIES[identity]
    namespace, name = _INFO[rpc, push or rpc == "resync"]
    info: Element = element(f"{{{namespace}}}{name}", prefixes=IDENTITIES)
    add(info, "reason", f"{'sn' if module == SN else 'yp'}:{identity}")
    for leaf, text in hints.items():
        add(info, leaf.replace("_", "-"), text)
    return RpcError("application", tag, app_tag=f"{module}:{identity}", message=message, info=(info,))
