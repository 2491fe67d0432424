//! Trees that nobody thought of: what comes back, and what a diff says, against a model.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use proptest::collection::btree_map;
use proptest::prelude::*;
use sandbox_core::SandboxError;
use sandbox_core::session::{Change, ChangeKind};
use sandbox_core::snapshot::{SnapshotError, diff_trees};

use crate::dump::dump;
use crate::world::{World, empty, named, pipe, set_mode};

#[derive(Clone, Debug, PartialEq)]
enum Node {
    File { content: Vec<u8>, mode: u32 },
    Link(String),
    Pipe,
    Folder { inside: Tree, mode: u32 },
}

type Tree = BTreeMap<String, Node>;

/// A folder as text.
type Lines = BTreeMap<PathBuf, String>;

/// Few names, so that two trees have many of them in common; some of them sort unusually.
fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a",
        "b",
        "c",
        "a!",
        "a b",
        "ä",
        ".x",
        "-",
        "%41",
        "\n",
        ".removed-1",
    ])
    .prop_map(str::to_owned)
}

fn leaf() -> impl Strategy<Value = Node> {
    let modes = prop::sample::select(vec![0o644, 0o755, 0o400, 0o600]);
    let contents =
        prop::sample::select(vec![vec![], vec![1], vec![2], vec![0; 70_000], vec![3; 70_000]]);
    prop_oneof![
        4 => (contents, modes).prop_map(|(content, mode)| Node::File { content, mode }),
        1 => prop::sample::select(vec!["a", "../..", "/etc/passwd"])
            .prop_map(|target| Node::Link(target.to_owned())),
        1 => Just(Node::Pipe),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let node = leaf().prop_recursive(4, 40, 6, |inner| {
        let modes = prop::sample::select(vec![0o755, 0o700, 0o555, 0o1777]);
        (btree_map(name(), inner, 0..6), modes)
            .prop_map(|(inside, mode)| Node::Folder { inside, mode })
    });
    btree_map(name(), node, 0..6)
}

fn build(root: &Path, tree: &Tree) {
    for (name, node) in tree {
        let path = root.join(name);
        match node {
            Node::File { content, mode } => {
                fs::write(&path, content).unwrap();
                set_mode(&path, *mode);
            }
            Node::Link(target) => symlink(target, &path).unwrap(),
            Node::Pipe => pipe(&path),
            Node::Folder { inside, mode } => {
                fs::create_dir(&path).unwrap();
                build(&path, inside);
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
        }
    }
}

/// What a diff should say.
fn changes(path: &Path, old: &Tree, new: &Tree, said: &mut Vec<Change>) {
    for (name, node) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        let directory = matches!(node, Node::Folder { .. });
        said.push(Change { path: path.join(name), kind: ChangeKind::Deleted, directory, size: 0 });
    }
    for (name, node) in new {
        change(&path.join(name), old.get(name), node, said);
    }
}

fn change(path: &Path, old: Option<&Node>, new: &Node, said: &mut Vec<Change>) {
    let (directory, size) = match new {
        Node::Folder { .. } => (true, 0),
        Node::File { content, .. } => (false, content.len() as u64),
        _ => (false, 0),
    };
    let kind = match (old, new) {
        (None, _) => Some(ChangeKind::Added),
        (Some(Node::Folder { mode: one, .. }), Node::Folder { mode: other, .. }) => {
            (one != other).then_some(ChangeKind::Mode)
        }
        (Some(Node::Link(one)), Node::Link(other)) => (one != other).then_some(ChangeKind::Link),
        (Some(Node::Pipe), Node::Pipe) => None,
        (Some(Node::File { content: one, mode }), Node::File { content: other, mode: now }) => {
            let mode = (mode != now).then_some(ChangeKind::Mode);
            if one == other { mode } else { Some(ChangeKind::Changed) }
        }
        _ => Some(ChangeKind::Kind),
    };
    said.extend(kind.map(|kind| Change { path: path.to_path_buf(), kind, directory, size }));
    if let Node::Folder { inside, .. } = new {
        let before = match old {
            Some(Node::Folder { inside, .. }) => inside,
            _ => &Tree::new(),
        };
        changes(path, before, inside, said);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_tree_comes_back_and_every_difference_is_told(old in tree(), new in tree()) {
        let world = World::new();
        build(&world.live, &old);
        let before = dump(&world.live);
        let saved = world.save("old").unwrap();
        prop_assert_eq!(saved.files, before.len() as u64 - 1);
        empty(&world.live);
        build(&world.live, &new);
        let after = dump(&world.live);
        let copy = world.store.copy_of(&named("old"), "/work").unwrap();
        let mut expected = Vec::new();
        changes(&PathBuf::new(), &old, &new, &mut expected);
        expected.sort();
        prop_assert_eq!(diff_trees(&copy, &world.live, &[]).unwrap(), expected);
        world.save("new").unwrap();
        world.restore("old").unwrap();
        prop_assert_eq!(dump(&world.live), before);
        world.restore("new").unwrap();
        prop_assert_eq!(dump(&world.live), after);
    }

    #[test]
    fn every_part_of_a_tree_can_be_spared(
        old in tree(),
        new in tree(),
        spared in prop::collection::vec(prop::collection::vec(name(), 1..4), 1..4),
        with in any::<bool>(),
    ) {
        let spared: Vec<PathBuf> = spared.iter().map(|names| names.iter().collect()).collect();
        let is_spared = |path: &Path| spared.iter().any(|spared| path.starts_with(spared));
        let world = World::new();
        build(&world.live, &old);
        let before = dump(&world.live);
        world.save_sparing("old", if with { &spared } else { &[] }).unwrap();
        empty(&world.live);
        build(&world.live, &new);
        let after = dump(&world.live);
        let copy = world.store.copy_of(&named("old"), "/work").unwrap();
        let told = diff_trees(&copy, &world.live, &spared).unwrap();
        prop_assert!(!told.iter().any(|change| is_spared(&change.path)));
        match world.restore_sparing("old", &spared) {
            Err(SandboxError::Snapshot(SnapshotError::NoLevel { .. })) => {
                prop_assert_eq!(dump(&world.live), after);
            }
            restored => {
                restored.unwrap();
                let parts = |all: Lines| -> (Lines, Lines) {
                    all.into_iter().partition(|(path, _)| is_spared(path))
                };
                let (kept, rest) = parts(dump(&world.live));
                prop_assert_eq!(kept, parts(after).0);
                prop_assert_eq!(rest, parts(before).1);
                prop_assert_eq!(diff_trees(&copy, &world.live, &spared).unwrap(), []);
            }
        }
    }
}
