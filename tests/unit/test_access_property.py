"""Access control against a naive reading of RFC 8341: each rule held against each node, with XPath."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.netconf.access.control import AccessControl
from casm_ctrl.netconf.access.rules import NAMESPACE
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.yang.access_marks import Mark
from tests.access_world import ACME, EXTRA, config, control, groups, model, rule, rules

NAMES = {"acme": ACME, "x": EXTRA}
NOBODY: frozenset[str] = frozenset()

_P = "/acme:interfaces/acme:interface"
PATHS = [
    "/",
    "/acme:interfaces",
    "/acme:acme-netconf",
    "/acme:acme-netconf/acme:config-parameters",
    "/acme:step",
    "/acme:step[acme:id='a']/acme:text",
    _P,
    *(f"{_P}[acme:name='{name}']" for name in "ab"),
    f"{_P}[acme:name=$USER]",
    *(
        f"{_P}/{leaf}"
        for leaf in ("acme:name", "acme:mtu", "acme:secret", "acme:guarded", "x:colour", "acme:tag")
    ),
    f"{_P}[acme:name='a']/acme:mtu",
    f"{_P}/acme:tag[.='red']",
    f"{_P}[acme:name='b']/acme:options",
    f"{_P}/acme:options/acme:deep/acme:x",
    f"{_P}/acme:unit[acme:slot='1']",
    f"{_P}/acme:unit[acme:slot='0'][acme:port='1']/acme:note",
    f"{_P}/acme:live",
]
RIGHTS = st.sampled_from(
    ["", "*", "read", "create", "update", "delete", "read create", "create update delete", "exec"]
)

one_rule = st.builds(
    lambda action, rights, leafs: (action, rights, leafs),
    st.sampled_from(["permit", "deny"]),
    RIGHTS,
    st.builds(
        lambda module, path: {k: v for k, v in (("module_name", module), ("path", path)) if v},
        st.sampled_from(["", "", "*", "acme-interfaces", "acme-extra"]),
        st.sampled_from(["", *PATHS]),
    ),
)
rule_lists = st.lists(st.tuples(st.sampled_from(["g", "h", "*"]), st.lists(one_rule, max_size=4)), max_size=3)
defaults = st.tuples(*[st.sampled_from(["permit", "deny"])] * 2)

Rules = list[tuple[str, list[tuple[str, str, dict[str, str]]]]]

leafs = st.fixed_dictionaries(
    {},
    optional={
        "mtu": st.sampled_from("12"),
        "secret": st.sampled_from("st"),
        "guarded": st.sampled_from("gh"),
        "tag": st.sets(st.sampled_from(["red", "blue"])),
        "ethernet": st.just("e"),
        "options": st.sampled_from("xy"),
        "live": st.sampled_from(["", "now"]),
        "unit": st.sets(st.tuples(st.sampled_from("01"), st.sampled_from("01"))),
        "colour": st.sampled_from("cd"),
    },
)


@st.composite
def trees(draw: st.DrawFn) -> str:
    entries = draw(st.dictionaries(st.sampled_from(["a", "b", "eve"]), leafs, max_size=3))
    made = []
    for name, chosen in entries.items():
        values: dict[str, Any] = dict(chosen)
        parts = [f"<name>{name}</name>"]
        for leaf, value in values.items():
            if leaf == "tag":
                parts += [f"<tag>{one}</tag>" for one in sorted(value)]
            elif leaf == "unit":
                parts += [
                    f"<unit><slot>{slot}</slot><port>{port}</port><note>n</note></unit>"
                    for slot, port in sorted(value)
                ]
            elif leaf == "options":
                parts.append(f"<options><deep><x>{value}</x></deep></options>")
            elif leaf == "live":
                parts.append(f"<live>{f'<since>{value}</since>' if value else ''}</live>")
            elif leaf == "colour":
                parts.append(f"<x:colour>{value}</x:colour>")
            else:
                parts.append(f"<{leaf}>{value}</{leaf}>")
        made.append(f"<interface>{''.join(parts)}</interface>")
    steps = draw(st.lists(st.sampled_from("abc"), unique=True, max_size=3))
    retries = draw(st.sampled_from(["", "<retries>1</retries>", "<retries>2</retries>"]))
    return (
        f"<acme-netconf><config-parameters>{retries}</config-parameters></acme-netconf>"
        f"<interfaces>{''.join(made)}</interfaces>"
        + "".join(f"<step><id>{step}</id><text>t</text></step>" for step in steps)
    )


def build(lists: Rules, default: tuple[str, str]) -> AccessControl:
    return control(
        f"<read-default>{default[0]}</read-default><write-default>{default[1]}</write-default>",
        groups(g="eve", h="hans"),
        *(
            rules(
                group,
                *(rule(a, r, name=f"r{i}", **leafs) for i, (a, r, leafs) in enumerate(members)),
                name=f"l{n}",
            )
            for n, (group, members) in enumerate(lists)
        ),
    )


class Naive:
    """The decision for one node at a time, as RFC 8341, 3.4.5 tells it."""

    def __init__(self, lists: Rules, default: tuple[str, str], tree: Element) -> None:
        self._default = default
        self._tree = tree
        self._rules = [one for group, members in lists if group in ("g", "*") for one in members]
        self._marks = model()[1]
        self._selected: dict[str, set[Element]] = {}

    def may(self, node: Element, right: str) -> bool:
        way = [node, *node.iterancestors()]
        way = way[: way.index(self._tree)]
        module = self._marks.modules[etree.QName(node).namespace or ""]
        for action, rights, leafs in self._rules:
            fits = leafs.get("module_name", "*") in ("*", module) and (
                rights in ("", "*") or right in rights.split()
            )
            path = leafs.get("path", "/")
            if fits and (path == "/" or not self._select(path).isdisjoint(way)):
                return action == "permit"
        for upper in way:  # the node's own mark, else that of the nearest node above with one
            tags = tuple(str(step.tag) for step in reversed(way[way.index(upper) :]))
            mark = self._marks.nodes.get(tags)
            if mark is not None and (mark is Mark.DENY_ALL or right != "read"):
                return False
        return self._default[0 if right == "read" else 1] == "permit"

    def _select(self, path: str) -> set[Element]:
        if path not in self._selected:
            expression = "." + re.sub(r"\$USER", "'eve'", path)
            found = self._tree.xpath(expression, namespaces=NAMES)
            assert isinstance(found, list)
            self._selected[path] = {node for node in found if isinstance(node, etree._Element)}
        return self._selected[path]

    def reads(self, node: Element) -> bool:
        """With everything above it (3.2.4)."""
        way = [node, *node.iterancestors()]
        return all(self.may(step, "read") for step in way[: way.index(self._tree)])


def _keys(node: Element) -> list[Element]:
    names = {"interface": ["name"], "unit": ["slot", "port"], "step": ["id"]}.get(
        etree.QName(node).localname, []
    )
    return [leaf for leaf in node if etree.QName(leaf).localname in names]


def _mirror(naive: Naive, node: Element) -> Element | None:
    """What of `node` is shown when each node is decided on by itself, and an entry goes with its key."""
    if not naive.reads(node) or not all(map(naive.reads, _keys(node))):
        return None
    made = etree.Element(node.tag)
    made.text = node.text
    made.extend(child for child in (_mirror(naive, child) for child in node) if child is not None)
    return made


@settings(max_examples=300, deadline=None)
@given(lists=rule_lists, default=defaults, xml=trees())
def test_prune_shows_what_each_node_alone_would(lists: Rules, default: tuple[str, str], xml: str) -> None:
    """RFC 8341 3.2.4: never a node that is denied, and no less than what is permitted."""
    tree = config(xml)
    naive = Naive(lists, default, tree)
    shown = build(lists, default).prune("eve", NOBODY, list(tree))
    expected = [node for node in (_mirror(naive, node) for node in tree) if node is not None]
    assert [etree.tostring(node, method="c14n") for node in map(_bare, shown)] == [
        etree.tostring(node, method="c14n") for node in map(_bare, expected)
    ]


def _bare(node: Element) -> Element:
    made = etree.Element(node.tag)
    made.text = node.text
    made.extend(map(_bare, node))
    return made


@settings(max_examples=300, deadline=None)
@given(lists=rule_lists, default=defaults, xml=trees(), create=st.booleans())
def test_what_appears_or_goes_whole(lists: Rules, default: tuple[str, str], xml: str, create: bool) -> None:
    """RFC 8341 3.2.5: permitted where each node alone is; containers without presence are always there."""
    tree = config(xml)
    naive = Naive(lists, default, tree)
    right = "create" if create else "delete"
    implicit = {"acme-netconf", "config-parameters", "interfaces", "options", "deep"}
    needed = [node for node in tree.iterdescendants("*") if etree.QName(node).localname not in implicit]
    permitted = all(naive.may(node, right) for node in needed)
    empty = config("")
    before, after = (empty, tree) if create else (tree, empty)
    try:
        build(lists, default).check_change("eve", NOBODY, before, after)
    except RpcError as error:
        assert not permitted
        _check_path(error, naive, tree)
    else:
        assert permitted


@settings(max_examples=300, deadline=None)
@given(lists=rule_lists, default=defaults, old=trees(), new=trees())
def test_a_change_is_judged_by_its_difference(
    lists: Rules, default: tuple[str, str], old: str, new: str
) -> None:
    """RFC 8341 3.2.5 and 3.2.8: nodes that only one side has, and leafs that say something else."""
    before, after = config(old), config(new)
    naive_before, naive_after = Naive(lists, default, before), Naive(lists, default, after)
    olds, news = _named(before), _named(after)
    implicit = {"acme-netconf", "config-parameters", "interfaces", "options", "deep"}
    sure = True
    for name, node in olds.items():
        if name not in news and etree.QName(node).localname not in implicit:
            sure &= naive_before.may(node, "delete")
    for name, node in news.items():
        if name not in olds:
            if etree.QName(node).localname not in implicit:
                sure &= naive_after.may(node, "create")
        elif not len(node) and (olds[name].text or "") != (node.text or ""):
            sure &= naive_after.may(node, "update")
    steps = [[n for n in tree if n.startswith("/step")] for tree in (olds, news)]
    both = [[n for n in names if n in olds and n in news and n.count("/") == 1] for names in steps]
    try:
        build(lists, default).check_change("eve", NOBODY, before, after)
    except RpcError:
        # A move needs `update` of one of the entries that changed places.
        assert not sure or (
            both[0] != both[1] and not all(naive_after.may(news[name], "update") for name in both[1])
        )
    else:
        assert sure


def _named(tree: Element) -> dict[str, Element]:
    """All nodes, by paths with keys, in document order."""
    found: dict[str, Element] = {}

    def walk(parent: Element, path: str) -> None:
        for node in parent:
            local = etree.QName(node).localname
            keys = "".join(f"[{leaf.text}]" for leaf in _keys(node)) or (
                f"[{node.text}]" if local == "tag" else ""
            )
            found[f"{path}/{local}{keys}"] = node
            walk(node, f"{path}/{local}{keys}")

    walk(tree, "")
    return found


def _check_path(error: RpcError, naive: Naive, tree: Element) -> None:
    """The path names a node that may be read."""
    if error.path is not None:
        found = tree.xpath("." + error.path, namespaces=dict(error.namespaces))
        assert isinstance(found, list)
        nodes = [node for node in found if isinstance(node, etree._Element)]
        assert len(nodes) == 1
        assert naive.reads(nodes[0])


@settings(max_examples=200, deadline=None)
@given(lists=rule_lists, default=defaults, xml=trees())
def test_who_reads_everything_is_shown_everything(lists: Rules, default: tuple[str, str], xml: str) -> None:
    """The short way is taken only where the long one gives the same."""
    access, tree = build(lists, default), config(xml)
    naive = Naive(lists, default, tree)
    if access.reads_everything("eve", NOBODY):
        assert all(naive.reads(node) for node in tree.iterdescendants("*"))
    for top in tree:
        if access.reads_whole("eve", NOBODY, str(top.tag)):
            assert all(naive.reads(node) for node in top.iter("*"))


def test_the_rules_are_read_as_they_are_written() -> None:
    """A check of this file: the naive reading says no where the rules do."""
    lists: Rules = [("g", [("deny", "read", {"path": f"{_P}[acme:name=$USER]"})])]
    tree = config("<interfaces><interface><name>eve</name></interface></interfaces>")
    assert not Naive(lists, ("permit", "deny"), tree).may(tree[0][0], "read")
    assert NAMESPACE in {etree.QName(tags[0]).namespace for tags in model()[1].nodes}
