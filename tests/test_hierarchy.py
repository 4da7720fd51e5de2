"""Groups: members, paths, listing, changes, modes, trees; and a random walk beside a dict."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import zarrc
from zarrc.errors import ContainsArrayError, ContainsGroupError, GroupNotFoundError, ReadOnlyError
from zarrc.hierarchy import Group


@pytest.fixture(params=["memory-2", "memory-3", "files-2", "files-3", "dict-2"])
def root(request, tmp_path):
    """An empty group, of either format, in memory or in files."""
    where, zarr_format = request.param.split("-")
    store = {"memory": zarrc.MemoryStore, "files": lambda: tmp_path / "root", "dict": dict}[where]()
    return zarrc.open_group(store, mode="w", zarr_format=int(zarr_format))


@pytest.fixture
def full(root):
    """A group with members at two levels."""
    root.create_group("b/inner")
    root.zeros("a", shape=(4, 5), dtype="i4")
    root.zeros("b/x", shape=3, dtype="f8")
    root.create_group("c")
    return root


NAMES = ["a", "b", "c"]
PATHS = ["a", "b", "b/inner", "b/x", "c"]


# what it is


def test_properties(root):
    child = root.create_group("foo/bar")
    assert (root.name, root.basename, root.path) == ("/", "", "")
    assert (child.name, child.basename, child.path) == ("/foo/bar", "bar", "foo/bar")
    assert child.zarr_format == root.zarr_format
    assert child.store is root.store
    assert child.chunk_store is root.store
    assert not child.read_only
    assert child.synchronizer is None
    assert repr(child) == "<zarrc.hierarchy.Group '/foo/bar'>"
    assert repr(root) == "<zarrc.hierarchy.Group '/'>"


def test_equality(root):
    root.create_group("foo")
    assert root["foo"] == root["foo"]
    assert root["foo"] != root
    assert root["foo"] != Group(root.store, "foo", read_only=True)
    assert root != 1


def test_attributes(root):
    root.attrs["a"] = 1
    assert Group(root.store).attrs.asdict() == {"a": 1}
    assert root.update_attributes({"b": [1, 2]}) is root
    assert root.metadata.attributes == {"a": 1, "b": [1, 2]}
    child = root.create_group("foo", attributes={"unit": "mm"})
    assert child.attrs["unit"] == root["foo"].attrs["unit"] == "mm"
    with pytest.raises(ReadOnlyError):
        Group(root.store, read_only=True).attrs["c"] = 1


def test_pickling(tmp_path):
    root = zarrc.open_group(tmp_path / "root", mode="w")
    root.zeros("a", shape=5)
    child = root.create_group("foo")
    assert pickle.loads(pickle.dumps(root)) == root
    assert len(pickle.dumps(child)) < 250
    read_only = pickle.loads(pickle.dumps(Group(root.store, "foo", read_only=True)))
    assert read_only.read_only
    assert read_only.path == "foo"


def test_context_manager_closes_the_store():
    class Store(zarrc.MemoryStore):
        closed = 0

        def close(self):
            self.closed += 1

    store = Store()
    with zarrc.group(store) as root:
        root.zeros("a", shape=3)
    assert store.closed == 1


# members


def test_getting(full):
    assert full["a"] == full["/a"] == full["b"]["/a"]
    assert full["b/x"] == full["b"]["x"] == full["/b//x/"]
    assert full["b"]["x"].shape == (3,)
    assert full[""] == full["/"] == full
    assert full.b.inner == full["b/inner"]
    assert full.get("nothing") is None
    assert full.get("a") == full["a"]
    with pytest.raises(KeyError, match="nothing"):
        full["nothing"]
    with pytest.raises(KeyError):
        full["a/x"]
    with pytest.raises(AttributeError, match="nothing"):
        full.nothing  # noqa: B018
    assert not hasattr(full, "_private")


@pytest.mark.parametrize("path", ["..", "b/../a", "./a", "a/."])
def test_paths_stay_inside(full, path):
    for use in (full.__getitem__, full.__contains__, full.create_group, full.__delitem__):
        with pytest.raises(ValueError, match="segment not allowed"):
            use(path)


def test_containing(full):
    assert all(path in full for path in PATHS)
    assert "/b/x" in full["c"]
    assert "x" in full["b"]
    assert "x" not in full
    assert "nothing" not in full
    assert ".zgroup" not in full
    assert "zarr.json" not in full


def test_listing(full):
    assert list(full) == list(full.keys()) == NAMES
    assert len(full) == len(full.items()) == len(full.values()) == 3
    assert list(full.group_keys()) == ["b", "c"]
    assert list(full.array_keys()) == ["a"]
    assert list(full.array_keys(recurse=True)) == ["a", "x"]
    assert [name for name, _ in full.groups()] == ["b", "c"]
    assert dict(full.groups())["b"] == full["b"]
    assert list(full.arrays()) == [("a", full["a"])]
    assert list(full.arrays(recurse=True)) == [("a", full["a"]), ("x", full["b/x"])]
    assert list(full.items()) == [(name, full[name]) for name in NAMES]
    assert list(full.values()) == [full[name] for name in NAMES]
    assert full["a"] in full.values()
    assert ("a", full["a"]) in full.items()
    assert len(full["c"]) == 0
    assert not full["c"]
    assert full


def test_members(full):
    assert full.members() == tuple((name, full[name]) for name in NAMES)
    assert full.members(max_depth=None) == tuple((path, full[path]) for path in PATHS)
    assert full.members(1) == full.members(None)
    assert [full.nmembers(depth) for depth in (0, 1, None)] == [3, 5, 5]
    with pytest.raises(ValueError, match="max_depth"):
        full.members(-1)


def test_visits(full):
    seen = []
    assert full.visit(seen.append) is None
    assert seen == PATHS
    assert full.visitkeys(lambda path: path if path.startswith("b/") else None) == "b/inner"
    seen = []
    full.visitvalues(seen.append)
    assert seen == [full[path] for path in PATHS]
    seen = []
    full["b"].visititems(lambda path, node: seen.append((path, node)))
    assert seen == [("inner", full["b/inner"]), ("x", full["b/x"])]


def test_completion(full):
    assert full._ipython_key_completions_() == NAMES
    assert {"a", "b", "c", "create_group"} <= set(dir(full))


def test_a_notebook_shows_the_repr(full):
    for form in [
        "html",
        "json",
        "javascript",
        "markdown",
        "svg",
        "png",
        "jpeg",
        "latex",
        "pdf",
        "mimebundle",
    ]:
        assert getattr(full, f"_repr_{form}_")() is None
    assert not hasattr(full, "_ipython_display_")


def test_tree(full):
    edge, end = (" ", "") if full.zarr_format == 2 else ("", "\n")
    direct = "a (4, 5) int32", "b", "c"
    assert repr(full.tree()) == (
        f"/\n"
        f"{edge}├── a (4, 5) int32\n"
        f"{edge}├── b\n"
        f"{edge}│   ├── inner\n"
        f"{edge}│   └── x (3,) float64\n"
        f"{edge}└── c{end}"
    )  # fmt: skip
    level = 1 if full.zarr_format == 2 else 0
    assert [line[4 + len(edge) :] for line in repr(full.tree(level=level)).splitlines()[1:]] == list(direct)
    assert repr(full["b"].tree()).splitlines()[0] == ("b" if full.zarr_format == 2 else "/b")
    html = full.tree(expand=True)._repr_html_()
    if full.zarr_format == 2:
        assert "<summary>b</summary>" in full.tree()._repr_html_()
        assert "<details open>" in html
    else:
        assert html.startswith('<pre class="zarr-tree"><b>/</b>\n├── <b>a</b> (4, 5) int32\n')
    assert zarrc.tree(full).__repr__() == repr(full.tree())
    assert repr(zarrc.tree(full["a"])) == "a (4, 5) int32"


def test_nodes_of_the_other_format_are_found():
    store = {}
    zarrc.group(store, path="two")
    zarrc.create_group(dict_of := {})
    store |= {f"two/{key}": value for key, value in dict_of.items()}  # both formats at path "two"
    del store["two/.zgroup"]
    root = zarrc.group(store)
    assert root.zarr_format == 2
    assert list(root) == ["two"]
    assert root["two"].zarr_format == 3


# making


def test_creation_methods(root):
    g = root.create_group("g")
    assert g.zeros("zeros", shape=5).name == "/g/zeros"
    assert g.ones("ones", shape=5)[0] == 1
    assert g.full("full", shape=5, fill_value=7)[0] == 7
    assert g.empty("empty", shape=5).shape == (5,)
    assert g.create("create", shape=5, chunks=2).chunks == (2,)
    assert g.array("array", np.arange(5))[3] == 3
    assert g.create_array("create_array", shape=5, dtype="i4").dtype == np.dtype("i4")
    assert g.create_dataset("dataset", data=np.arange(5))[3] == 3
    assert g.create_dataset("dataset2", shape=5, compression="gzip").shape == (5,)
    source = g["array"]
    assert g.zeros_like("zeros_like", source).dtype == source.dtype
    assert g.ones_like("ones_like", source)[0] == 1
    assert g.empty_like("empty_like", source).chunks == source.chunks
    assert g.full_like("full_like", source, fill_value=3)[0] == 3
    assert len(g) == 13
    assert all(array.zarr_format == root.zarr_format for _, array in g.arrays())
    assert root.zeros("/absolute", shape=2).name == "/absolute"
    assert g.zeros("/g/again", shape=2).name == "/g/again"


def test_arrays_of_the_other_format_are_refused(root):
    with pytest.raises(ValueError, match=f"of format {root.zarr_format}"):
        root.zeros("a", shape=5, zarr_format=5 - root.zarr_format)
    assert list(root) == []
    other = zarrc.array(np.arange(4), zarr_format=5 - root.zarr_format, chunks=2)
    assert root.zeros_like("like", other).zarr_format == root.zarr_format


def test_setting_replaces(root):
    root["a"] = np.arange(5)
    root["a"] = [1, 2]
    root["b/c"] = 3
    np.testing.assert_array_equal(root["a"][:], [1, 2])
    assert root["b/c"][()] == 3


def test_names_that_are_taken(full):
    for make in (full.create_group, lambda name: full.zeros(name, shape=3)):
        with pytest.raises(ContainsArrayError, match="'a'"):
            make("a")
        with pytest.raises(ContainsGroupError, match="'b'"):
            make("b")
        with pytest.raises(ContainsArrayError, match="'a'"):
            make("a/below")
    assert [path for path, _ in full.members(None)] == PATHS
    assert len(full.create_group("b", overwrite=True)) == 0
    assert full.zeros("c", shape=3, overwrite=True).shape == (3,)


def test_requiring_groups(full):
    full["b"].attrs["kept"] = True
    assert full.require_group("b").attrs["kept"]
    assert full.require_group("new/group").name == "/new/group"
    assert [g.path for g in full.require_groups("b", "p")] == ["b", "p"]
    assert [g.path for g in full.create_groups("q", "r/s")] == ["q", "r/s"]
    with pytest.raises(ContainsArrayError):
        full.require_group("a")
    assert full.require_group("a", overwrite=True) == full["a"]
    assert isinstance(full["a"], Group)


@pytest.mark.parametrize("method", ["require_dataset", "require_array"])
def test_requiring_arrays(root, method):
    require = getattr(root, method)
    made = require("m", shape=10, dtype="i4")
    made[:] = 5
    assert require("m", shape=(10,), dtype="i4")[0] == 5
    assert require("m", shape=10, dtype="i2") == made
    with pytest.raises(TypeError, match=r"expected \(10,\), got \(12,\)"):
        require("m", shape=12, dtype="i4")
    with pytest.raises(TypeError, match="cannot be safely cast"):
        require("m", shape=10, dtype="f8")
    with pytest.raises(TypeError, match="do not match exactly"):
        require("m", shape=10, dtype="i2", exact=True)
    root.create_group("p")
    with pytest.raises(ContainsGroupError):
        require("p", shape=10, dtype="i4")
    np.testing.assert_array_equal(root.require_dataset("d", data=np.arange(4))[:], np.arange(4))


def test_deleting(full):
    del full["b"]
    assert list(full) == ["a", "c"]
    assert not any(key.startswith("b/") for key in full.store)
    del full["/a"]
    with pytest.raises(KeyError, match="nothing"):
        del full["nothing"]
    full["x"] = [1]
    full.clear()
    assert len(full) == 0
    assert Group(full.store) == full


def test_moving(full):
    full["a"][:] = 7
    full.move("a", "deep/er/a")
    assert full["deep/er/a"][0, 0] == 7
    assert isinstance(full["deep/er"], Group)
    full.move("b", "c/b")
    assert "c/b/x" in full
    assert "b" not in full
    full["c"].move("b/x", "/x")
    assert "x" in full
    for source, dest, match in (("nothing", "y", "does not exist"), ("x", "c", "already exists")):
        with pytest.raises(ValueError, match=match):
            full.move(source, dest)


def test_chunk_store():
    store, chunk_store = {}, {}
    root = zarrc.group(store, chunk_store=chunk_store)
    root["foo/a"] = np.arange(3)
    assert sorted(chunk_store) == ["foo/a/0"]
    assert root["foo"].chunk_store == root.chunk_store != root.store
    root.move("foo", "bar")
    assert sorted(chunk_store) == ["bar/a/0"]
    np.testing.assert_array_equal(root["bar/a"][:], np.arange(3))
    del root["bar"]
    assert chunk_store == {}


def test_read_only(full):
    closed = Group(full.store, read_only=True)
    assert repr(closed) == "<zarrc.hierarchy.Group '/' read-only>"
    assert closed["b"].read_only
    assert closed["a"].read_only
    for change in (
        lambda: closed.create_group("k"),
        lambda: closed.require_group("b"),
        lambda: closed.zeros("k", shape=4),
        lambda: closed.create_array("k", shape=4, dtype="i4"),
        lambda: closed.require_dataset("a", shape=(4, 5)),
        lambda: closed.__setitem__("a", 3),
        lambda: closed.__delitem__("a"),
        lambda: closed.move("a", "k"),
        lambda: closed["b"].create_group("k"),
    ):
        with pytest.raises(ReadOnlyError):
            change()
    assert [path for path, _ in full.members(None)] == PATHS


def test_members_get_the_groups_synchronizer():
    synchronizer = zarrc.ThreadSynchronizer()
    root = zarrc.group(synchronizer=synchronizer)
    assert root.zeros("a", shape=3).synchronizer is synchronizer
    assert root["a"].synchronizer is root.create_group("g").synchronizer is synchronizer


def test_many_threads_require_the_same(root):
    errors = []

    def work():
        try:
            for n in range(20):
                root.require_group(f"g{n}").attrs[threading.current_thread().name] = n
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, name=f"t{n}") for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    assert len(root) == 20
    assert all(len(group.attrs) == 4 for _, group in Group(root.store).groups())


def test_groups_that_are_gone_are_made_again(root):
    foo = root.create_group("foo")
    del root["foo"]
    foo.zeros("a", shape=3)
    assert isinstance(root["foo"], Group)
    del root["foo"]
    foo.create_group("b")
    assert list(root["foo"]) == ["b"]


# the functions


@pytest.fixture(params=["nothing", "array", "group"])
def standing(request):
    """A store with one kind of node at path x, or none."""
    store = {}
    if request.param == "array":
        zarrc.zeros(10, store=store, path="x")
    elif request.param == "group":
        zarrc.group(store, path="x").attrs["old"] = True
    return request.param, store


@pytest.mark.parametrize("mode", ["r", "r+", "a", "w", "w-", "x"])
def test_modes(mode, standing):
    kind, store = standing
    expected = {
        ("r", "nothing"): GroupNotFoundError,
        ("r+", "nothing"): GroupNotFoundError,
        ("r", "group"): True,
        ("r+", "group"): True,
        ("a", "group"): True,
        ("w", "array"): False,
        ("w-", "group"): ContainsGroupError,
        ("x", "group"): ContainsGroupError,
    }.get((mode, kind), ContainsArrayError if kind == "array" else False)
    before = dict(store)
    if isinstance(expected, bool):
        g = zarrc.open_group(store, mode=mode, path="x")
        assert ("old" in g.attrs) == expected
        assert g.read_only == (mode == "r")
    else:
        with pytest.raises(expected, match="'x'"):
            zarrc.open_group(store, mode=mode, path="x")
        assert store == before


def test_opening_a_group_as_group_object(standing):
    kind, store = standing
    if kind == "group":
        assert Group(store, "x").attrs["old"]
        with pytest.raises(GroupNotFoundError):
            Group(store, "x", zarr_version=3)
        return
    with pytest.raises(ContainsArrayError if kind == "array" else GroupNotFoundError):
        Group(store, "x")


def test_group():
    assert type(zarrc.group().store) is zarrc.MemoryStore
    store = {}
    g = zarrc.group(store, attributes={"a": 1})
    assert sorted(store) == [".zattrs", ".zgroup"]
    g.zeros("x", shape=3)
    assert list(zarrc.group(store)) == ["x"]
    assert list(zarrc.group(store, overwrite=True)) == []
    assert zarrc.group({}, zarr_format=3).zarr_format == 3
    assert zarrc.group(store, path="a/b").name == "/a/b"
    with pytest.raises(ValueError, match="mode must be"):
        zarrc.open_group({}, mode="rw")


def test_create_group():
    store = {}
    g = zarrc.create_group(store, path="a/b", attributes={"n": 1})
    assert sorted(store) == ["a/b/zarr.json", "a/zarr.json", "zarr.json"]
    assert g.attrs.asdict() == {"n": 1}
    with pytest.raises(ContainsGroupError):
        zarrc.create_group(store, path="a/b")
    assert zarrc.create_group(store, path="a/b", overwrite=True).attrs.asdict() == {}
    assert zarrc.create_group({}, zarr_format=2).zarr_format == 2
    assert Group.from_store({}, attributes={"n": 1}).zarr_format == 3


# a random walk: what a dict of paths says, the group says


class Hierarchy(RuleBasedStateMachine):
    """A group and a dict from path to None, for groups, or an array's values."""

    paths = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map("/".join)

    def __init__(self):
        super().__init__()
        self.root = zarrc.group(zarrc.MemoryStore(), zarr_format=self.zarr_format)
        self.model = {}

    def is_free(self, path):
        above = [path[:n] for n, character in enumerate(path) if character == "/"]
        return path not in self.model and all(self.model.get(each) is None for each in above)

    def add(self, path, value):
        for n, character in enumerate(path):
            if character == "/":
                self.model.setdefault(path[:n], None)
        self.model[path] = value

    @rule(path=paths)
    def create_group(self, path):
        if self.is_free(path):
            self.root.create_group(path)
            self.add(path, None)
        else:
            with pytest.raises((ContainsArrayError, ContainsGroupError)):
                self.root.create_group(path)

    @rule(path=paths, value=st.integers(-5, 5))
    def create_array(self, path, value):
        if self.is_free(path):
            self.root.full(path, shape=(2,), fill_value=value, dtype="i4")
            self.add(path, value)
        else:
            with pytest.raises((ContainsArrayError, ContainsGroupError)):
                self.root.zeros(path, shape=2)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete(self, data):
        path = data.draw(st.sampled_from(sorted(self.model)))
        del self.root[path]
        self.model = {p: v for p, v in self.model.items() if p != path and not p.startswith(f"{path}/")}

    @precondition(lambda self: self.model)
    @rule(data=st.data(), dest=paths)
    def move(self, data, dest):
        source = data.draw(st.sampled_from(sorted(self.model)))
        if not self.is_free(dest) or dest.startswith(f"{source}/"):
            with pytest.raises(ValueError):
                self.root.move(source, dest)
            return
        self.root.move(source, dest)
        moved = {p: v for p, v in self.model.items() if p == source or p.startswith(f"{source}/")}
        self.model = {p: v for p, v in self.model.items() if p not in moved}
        for path in sorted(moved):
            self.add(dest + path[len(source) :], moved[path])

    @invariant()
    def agrees(self):
        found = dict(self.root.members(None))
        assert sorted(found) == sorted(self.model)
        for path, value in self.model.items():
            assert path in self.root
            if value is None:
                assert isinstance(found[path], Group)
                below = {p[len(path) + 1 :] for p in self.model if p.startswith(f"{path}/")}
                assert set(found[path]) == {p for p in below if "/" not in p}
            else:
                assert found[path][0] == value
        assert list(self.root) == sorted(p for p in self.model if "/" not in p)


class Hierarchy2(Hierarchy):
    zarr_format = 2


class Hierarchy3(Hierarchy):
    zarr_format = 3


TestHierarchy2 = Hierarchy2.TestCase
TestHierarchy3 = Hierarchy3.TestCase


class TestCreateHierarchy:
    def metadata(self, shape=(4,), **kwargs):
        return zarrc.create_array({}, shape=shape, dtype="i2", **kwargs).metadata

    def test_makes_what_is_named_and_the_groups_above(self):
        store = {}
        named = {"a/b": self.metadata(attributes={"n": 1}), "/c/": zarrc.create_group({}).metadata.to_dict()}
        made = dict(zarrc.create_hierarchy(store, named))
        assert list(made) == ["", "a", "c", "a/b"]
        assert made["a/b"].attrs["n"] == 1
        assert isinstance(made["c"], zarrc.Group)
        assert sorted(store) == ["a/b/zarr.json", "a/zarr.json", "c/zarr.json", "zarr.json"]

    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_below_a_group(self, zarr_format):
        root = zarrc.create_group({}, zarr_format=zarr_format)
        group = root.create_group("g", attributes={"kept": True})
        array = self.metadata(zarr_format=zarr_format)
        made = dict(group.create_hierarchy({"x/y": array, "z": array}))
        assert list(made) == ["x", "z", "x/y"]
        assert root["g/x/y"].metadata == array
        assert root["g"].attrs["kept"]
        with pytest.raises(ValueError, match="below it"):
            group.create_hierarchy({"": array})

    def test_what_is_there(self):
        store = {}
        array = self.metadata()
        zarrc.create_hierarchy(store, {"a/b": array, "a/c": array})
        before = dict(store)
        with pytest.raises(zarrc.errors.ContainsArrayError, match="'a/b'"):
            zarrc.create_hierarchy(store, {"a/b": array, "a/d": array})
        with pytest.raises(zarrc.errors.ContainsGroupError, match="'a'"):
            zarrc.create_hierarchy(store, {"a": array})
        assert store == before
        store["a/b/c/0"] = b"chunk"
        zarrc.create_hierarchy(store, {"a/b": self.metadata((2, 2))}, overwrite=True)
        assert zarrc.open_array(store, path="a/b").shape == (2, 2)
        assert "a/b/c/0" not in store
        assert "a/c/zarr.json" in store

    @pytest.mark.parametrize(
        ("names", "error", "says"),
        [
            (["a", "a/b"], ValueError, "'a/b' is below 'a', which is an array"),
            (["a", "/a/"], ValueError, "two nodes have the path 'a'"),
        ],
    )
    def test_refused(self, names, error, says):
        store = {}
        with pytest.raises(error, match=says):
            zarrc.create_hierarchy(store, dict.fromkeys(names, self.metadata()))
        with pytest.raises(ValueError, match="of one format"):
            zarrc.create_hierarchy(store, {"a": self.metadata(), "b": self.metadata(zarr_format=2)})
        with pytest.raises(TypeError, match="metadata or a dict, not by 3"):
            zarrc.create_hierarchy(store, {"a": 3})
        assert store == {}


def test_store_path():
    from zarrc.storage import MemoryStore, StorePath

    store = MemoryStore()
    place = StorePath(store) / "a" / "b"
    assert (place.path, place.basename, place == StorePath(store, "/a/b/")) == ("a/b", "b", True)
    zarrc.create_array(place / "c", shape=3, dtype="i1")
    assert zarrc.open_group(StorePath(store, "a/b"), mode="r")["c"].path == "a/b/c"
    assert zarrc.open(place, path="c").path == "a/b/c"
    with pytest.raises(ValueError, match=r"\.\."):
        place / ".."
