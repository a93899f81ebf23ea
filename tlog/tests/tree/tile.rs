//! Tile coordinates: C2SP paths, key order, and the root of a full tile.

use proptest::prelude::*;
use tlog::{FullTile, TileId};

use crate::naive::{leaves, mth};

fn path(level: u8, index: u64, width: Option<u8>) -> String {
    TileId { level, index }.path(width)
}

#[test]
fn paths_group_three_digits() {
    assert_eq!(path(0, 1_234_067, None), "tile/0/x001/x234/067");
    assert_eq!(path(0, 0, None), "tile/0/000");
    assert_eq!(path(0, 999, None), "tile/0/999");
    assert_eq!(path(0, 1000, None), "tile/0/x001/000");
    assert_eq!(path(0, 1_000_000, None), "tile/0/x001/x000/000");
    assert_eq!(path(63, 7, None), "tile/63/007");
    assert_eq!(path(0, u64::MAX, None), "tile/0/x018/x446/x744/x073/x709/x551/615");
}

#[test]
fn partial_paths_name_their_width() {
    assert_eq!(path(0, 0, Some(3)), "tile/0/000.p/3");
    assert_eq!(path(0, 273, Some(112)), "tile/0/273.p/112");
    assert_eq!(path(1, 1_234_067, Some(255)), "tile/1/x001/x234/067.p/255");
}

#[test]
#[should_panic(expected = "an empty tile has no path")]
fn an_empty_tile_has_no_path() {
    path(0, 0, Some(0));
}

#[test]
fn keys_are_level_then_index() {
    assert_eq!(
        TileId {
            level: 2,
            index: 0x0102
        }
        .key(),
        [2, 0, 0, 0, 0, 0, 0, 1, 2]
    );
}

#[test]
fn a_full_tile_has_the_naive_root() {
    let nodes = leaves(256);
    let root = mth(&nodes);
    assert_eq!(
        FullTile {
            id: TileId { level: 0, index: 0 },
            nodes
        }
        .root(),
        root
    );
}

proptest! {
    #[test]
    fn keys_sort_as_coordinates(a in any::<(u8, u64)>(), b in any::<(u8, u64)>()) {
        let [a, b] = [a, b].map(|(level, index)| TileId { level, index });
        prop_assert_eq!(a.cmp(&b), a.key().cmp(&b.key()));
    }

    #[test]
    fn a_path_spells_its_index(index in any::<u64>()) {
        let spelled: String = path(0, index, None)["tile/0/".len()..].chars().filter(char::is_ascii_digit).collect();
        prop_assert_eq!(spelled.parse(), Ok(index));
    }
}
