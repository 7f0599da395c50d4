"""libyang's C functions, out of the shared object that the wheel `oopt-gnpy-libyang` carries.

cffi in ABI mode: no compiler and no system package is needed, and the GIL is released during each call.
Only what `engine` uses is declared. The declarations hold for the library versions that
`load_library` lets through: a `.so` of another major version is refused.
"""

from __future__ import annotations

import importlib.metadata
import re
from functools import cache
from typing import Any

import cffi

from casm_ctrl.base.errors import NotSupported

WHEEL = "oopt-gnpy-libyang"
SO_MAJOR, SO_MINOR = 4, 5
"""The ABI that is declared below, and the oldest minor version of it that was tried."""

# Bits and enumerators of libyang 4 (context.h, parser_data.h, printer_data.h, log.h, tree_schema.h).
CTX_REF_IMPLEMENTED = 0x02
CTX_NO_YANGLIBRARY = 0x04
CTX_DISABLE_SEARCHDIR_CWD = 0x10
PARSE_ONLY = 0x010000
PARSE_STRICT = 0x020000
PARSE_NO_STATE = 0x080000
VALIDATE_NO_STATE = 0x0001
VALIDATE_ALL_ERRORS = 0x0004
PRINT_SIBLINGS = 0x01
PRINT_SHRINK = 0x02
LOG_STORE = 0x02
FORMAT = {"xml": 1, "json": 2}
RPC_YANG, NOTIFICATION_YANG, REPLY_YANG = 1, 2, 3
RPC_NETCONF, NOTIFICATION_NETCONF, REPLY_NETCONF = 4, 5, 6
NODE_CONTAINER, NODE_CHOICE, NODE_LEAF, NODE_LEAF_LIST, NODE_LIST = 0x01, 0x02, 0x04, 0x08, 0x10
NODE_CASE, NODE_RPC, NODE_NOTIFICATION = 0x80, 0x100, 0x400
FLAG_CONFIG, FLAG_USER_ORDERED, FLAG_PRESENCE, FLAG_KEY = 0x0001, 0x0040, 0x0080, 0x0100
FLAG_MANDATORY = 0x0020
NEXT_WITH_CHOICE, NEXT_OUTPUT = 0x01, 0x10
BASES = (
    *("unknown", "binary", "uint8", "uint16", "uint32", "uint64", "string", "bits", "boolean", "decimal64"),
    *("empty", "enumeration", "identityref", "instance-identifier", "leafref", "union"),
    *("int8", "int16", "int32", "int64"),
)
"""The built-in types (RFC 7950, 4.2.4) in the order of the library's numbers for them."""
LEVEL_ERROR = 0
CODE_SYNTAX, CODE_REFERENCE = 1, 4

_DECLARATIONS = """
struct ly_ctx;
struct ly_in;
struct lyd_node;
struct ly_err_item {
    int level; int err; int vecode;
    char *msg; char *data_path; char *schema_path; uint64_t line; char *apptag;
    struct ly_err_item *next; struct ly_err_item *prev;
};
struct lysc_module;
struct lys_module {
    struct ly_ctx *ctx; const char *name; const char *revision; const char *ns; const char *prefix;
    const char *filepath; const char *org; const char *contact; const char *dsc; const char *ref;
    void *parsed; struct lysc_module *compiled;
};
struct lysc_node {
    uint16_t nodetype; uint16_t flags; uint8_t hash[4];
    struct lys_module *module; struct lysc_node *parent; struct lysc_node *next; struct lysc_node *prev;
    const char *name; const char *dsc; const char *ref; void *exts; void *priv;
};
struct lysc_ext { const char *name; };
struct lysc_ext_instance {
    struct lysc_ext *def; const char *argument; struct lys_module *module; void *exts;
    void *parent; int parent_stmt; uint64_t parent_stmt_index; void *substmts; void *compiled;
};
struct lyxp_expr;
struct lysc_must {
    struct lyxp_expr *cond; void *prefixes; const char *dsc; const char *ref; const char *emsg;
    const char *eapptag; void *exts;
};
struct lysc_type { const char *name; void *exts; uintptr_t plugin; int basetype; };
struct lysc_node_leaf { struct lysc_node node; void *musts; void *when; void *type; char *units; char *dflt; };

uint32_t ly_version_so_major(void);
uint32_t ly_version_so_minor(void);
const char *ly_version_so_str(void);
uint32_t ly_log_options(uint32_t opts);

int ly_ctx_new(const char *search_dir, uint32_t options, struct ly_ctx **new_ctx);
int ly_ctx_set_searchdir(struct ly_ctx *ctx, const char *search_dir);
struct lys_module *ly_ctx_load_module(struct ly_ctx *ctx, const char *name, const char *revision,
                                      const char **features);
struct lys_module *ly_ctx_get_module_implemented_ns(const struct ly_ctx *ctx, const char *ns);
struct lys_module *ly_ctx_get_module_implemented(const struct ly_ctx *ctx, const char *name);
struct lys_module *ly_ctx_get_module_iter(const struct ly_ctx *ctx, uint32_t *index);
void ly_ctx_destroy(struct ly_ctx *ctx);
const struct lysc_node *lys_getnext(const struct lysc_node *last, const struct lysc_node *parent,
                                    const struct lysc_module *module, uint32_t options);
const struct lysc_node *lysc_node_child(const struct lysc_node *node);
const struct lysc_node *lys_find_path(const struct ly_ctx *ctx, const struct lysc_node *ctx_node,
                                      const char *path, uint8_t output);

struct lysc_must *lysc_node_musts(const struct lysc_node *node);
const char *lyxp_get_expr(const struct lyxp_expr *exp);

const struct ly_err_item *ly_err_first(const struct ly_ctx *ctx);
void ly_err_clean(struct ly_ctx *ctx, struct ly_err_item *eitem);

int ly_in_new_memory(const char *str, struct ly_in **in);
void ly_in_free(struct ly_in *in, uint8_t destroy);
int lyd_parse_data_mem(const struct ly_ctx *ctx, const char *data, int format, uint32_t parse_options,
                       uint32_t validate_options, struct lyd_node **tree);
int lyd_parse_op(const struct ly_ctx *ctx, struct lyd_node *parent, struct ly_in *in, int format,
                 int data_type, uint32_t parse_options, struct lyd_node **tree, struct lyd_node **op);
int lyd_validate_module(struct lyd_node **tree, const struct lys_module *module, uint32_t options,
                        struct lyd_node **diff);
int lyd_validate_op(struct lyd_node *op_tree, const struct lyd_node *dep_tree, int data_type,
                    struct lyd_node **diff);
int lyd_print_mem(char **strp, const struct lyd_node *root, int format, uint32_t options);
void lyd_free_all(struct lyd_node *node);
void free(void *ptr);
"""
# The structs are longer: ABI mode knows no partial structs, and we read first fields only, through pointers
# that the library gave us. lysc_ext_instance is whole, since it stands in arrays.

_SHARED_OBJECT = re.compile(r"libyang-[0-9a-f]+\.so")

ffi: Any = cffi.FFI()
ffi.cdef(_DECLARATIONS)


@cache
def load_library() -> Any:
    """The library, opened and checked once; NotSupported where it is missing or of another ABI."""
    remedy = "install the locked requirements again (the wheel exists for x86-64 Linux)"
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    path = next((file for file in files if _SHARED_OBJECT.match(file.name)), None)
    if path is None:
        raise NotSupported(f"the YANG engine needs the wheel {WHEEL}, which is not installed", remedy)
    try:
        library: Any = ffi.dlopen(str(path.locate()))
    except OSError as error:
        raise NotSupported(f"the YANG engine's library cannot be loaded: {error}", remedy) from error
    check_version(
        library.ly_version_so_major(),
        library.ly_version_so_minor(),
        ffi.string(library.ly_version_so_str()).decode(),
    )
    library.ly_log_options(LOG_STORE)  # keep messages for us, print none
    return library


def check_version(major: int, minor: int, text: str) -> None:
    """NotSupported where the declarations above are not known to hold for that library version."""
    if major != SO_MAJOR or minor < SO_MINOR:
        raise NotSupported(
            f"the wheel {WHEEL} carries libyang.so {text}, and the YANG engine needs {SO_MAJOR}.{SO_MINOR} "
            f"or a later {SO_MAJOR}.x",
            "install the locked requirements again",
        )
