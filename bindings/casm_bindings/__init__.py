"""Classes for our YANG payloads, made by pyangbind from yang/: do not edit, run rebuild_bindings.

- `ietf_address_pool`: ietf-address-pool and its augment casm-address-pool-ext
- `casm_pools`: casm-pools
- `casm_devices`: casm-devices
- `casm_control`: casm-control
- `casm_events`: casm-events
- `casm_operations`: casm-operations

`casm_ctrl.yang.bindings` builds and reads XML with them; use it rather than these classes.
"""
