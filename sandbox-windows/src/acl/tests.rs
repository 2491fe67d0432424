//! Changes judged by what a file or folder would inherit from them.

use super::*;

fn place(path: &str, content: Content, rights: Rights) -> Place {
    let directory = !path.ends_with(".txt");
    Place { path: path.into(), directory, content, source: None, rights }
}

fn host(path: &str, rights: Rights) -> Place {
    place(path, Content::Host, rights)
}

/// What the package may do with an object after the changes, by Windows' rules of inheritance.
fn access(changes: &[Change], object: &str, folder: bool) -> u32 {
    let object = Path::new(object);
    let mut allowed = 0;
    // From the outermost folder to the object: each seal drops what came from above.
    let mut chain: Vec<_> = object.ancestors().collect();
    chain.reverse();
    for at in chain {
        if changes.contains(&Change::Seal { path: at.into() }) {
            allowed = 0;
        }
        for change in changes {
            let Change::Grant { path, mask, reach } = change else { continue };
            let own = at == object;
            let applies = match reach {
                Reach::Itself => own,
                Reach::Folders => folder,
                Reach::Files => !own && !folder,
                Reach::Below => !own,
            };
            if path == at && applies {
                allowed |= mask;
            }
        }
    }
    allowed
}

#[test]
fn a_readable_tree_can_be_read_and_not_changed() {
    let changes = compile(&[host("/srv", Rights::READ_ONLY)]);
    assert_eq!(access(&changes, "/srv/a/file.txt", false), LOOK | READ_DATA | READ_EA | EXECUTE);
    assert_eq!(access(&changes, "/srv/a", true), LOOK | READ_DATA | READ_EA | EXECUTE);
    assert_eq!(access(&changes, "/other", true), 0);
    assert!(changes.iter().all(|change| matches!(change, Change::Grant { .. })), "{changes:?}");
}

#[test]
fn a_root_cannot_be_deleted_and_its_content_can() {
    let changes = compile(&[host("/w", Rights::READ_WRITE)]);
    assert_eq!(access(&changes, "/w", true) & DELETE, 0);
    assert_ne!(access(&changes, "/w/a", true) & DELETE, 0);
    assert_ne!(access(&changes, "/w/a/b.txt", false) & DELETE, 0);
    let masks = changes.iter().map(|change| match change {
        Change::Grant { mask, .. } => *mask,
        Change::Seal { .. } => 0,
    });
    assert_eq!(masks.fold(0, |all, mask| all | mask) & mask::DELETE_CHILD, 0);
}

#[test]
fn what_is_hidden_or_narrower_is_sealed() {
    let changes = compile(&[
        host("/w", Rights::READ_WRITE),
        place("/w/.ssh", Content::Hidden, Rights::empty()),
        host("/w/.ssh/known.txt", Rights::READ_ONLY),
        place("/w/tmp", Content::Private, Rights::READ_WRITE),
        host("/w/vendor", Rights::READ_ONLY),
        host("/w/vendor/cache", Rights::READ_WRITE),
    ]);
    assert_eq!(access(&changes, "/w/.ssh", true), 0);
    assert_eq!(access(&changes, "/w/.ssh/id", false), 0);
    assert_ne!(access(&changes, "/w/.ssh/known.txt", false) & READ_DATA, 0);
    assert_eq!(access(&changes, "/w/tmp/x", false), 0);
    assert_eq!(access(&changes, "/w/vendor/x", false) & (WRITE_DATA | DELETE), 0);
    assert_ne!(access(&changes, "/w/vendor/x", false) & READ_DATA, 0);
    assert_ne!(access(&changes, "/w/vendor/cache/x", false) & WRITE_DATA, 0);
    let seals = changes.iter().filter(|change| matches!(change, Change::Seal { .. }));
    assert_eq!(seals.count(), 3, "{changes:?}");
}

#[test]
fn case_does_not_hide_a_place_from_its_surroundings() {
    let changes = compile(&[
        host("/Work", Rights::READ_WRITE),
        place("/work/Vendor", Content::Private, Rights::READ_WRITE),
    ]);
    assert!(changes.contains(&Change::Seal { path: "/work/Vendor".into() }), "{changes:?}");
}

#[test]
fn reading_and_listing_are_told_apart() {
    let read = compile(&[host("/d", Rights::READ)]);
    assert_ne!(access(&read, "/d/f", false) & READ_DATA, 0);
    assert_eq!(access(&read, "/d", true) & READ_DATA, 0);
    let list = compile(&[host("/d", Rights::LIST)]);
    assert_eq!(access(&list, "/d/f", false) & READ_DATA, 0);
    assert_ne!(access(&list, "/d", true) & READ_DATA, 0);
    let create = compile(&[host("/d", Rights::CREATE)]);
    assert_eq!(access(&create, "/d/f", false) & WRITE_DATA, 0);
    assert_ne!(access(&create, "/d", true) & APPEND_DATA, 0);
}

#[test]
fn a_file_grants_itself_alone() {
    let changes = compile(&[host("/w/a.txt", Rights::READ_WRITE)]);
    let [Change::Grant { mask, reach: Reach::Itself, .. }] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    assert_eq!(mask & DELETE, 0);
    assert_eq!((Reach::Files.flags(), Reach::Below.flags(), Reach::Folders.flags()), (9, 11, 2));
}
