//! Positions on the earth as scores of sorted sets, and searching among them.
//!
//! A position is a number of 52 bits: longitude and latitude each cut their range in halves 26 times, and the
//! bits of both alternate (a geohash, with the ranges of the Web Mercator projection, EPSG:3857). Positions that
//! are near each other often have the same first bits, so an area is a few ranges of scores: that of the
//! cell in which its centre is, and those of the cells around it. The cells are chosen so big that the area
//! cannot reach beyond them; what is found in them is then measured.
//!
//! Scores, distances and the order in which cells are searched are those of Redis.

use std::ops::Bound;

use super::sorted_set::{ScoreRange, SortedSetRef};

/// The greatest longitude; the least is its negative.
const LONGITUDE_MAX: f64 = 180.0;

/// The greatest latitude that the projection has; the least is its negative.
const LATITUDE_MAX: f64 = 85.051_128_78;

/// The latitudes of geohashes as the rest of the world writes them.
const STANDARD_LATITUDE_MAX: f64 = 90.0;

/// How often each range is halved for a score.
const STEP_MAX: u32 = 26;

/// The earth as a ball, in metres.
const EARTH_RADIUS_METERS: f64 = 6_372_797.560_856;

/// Half of the projection's width, in metres.
const MERCATOR_MAX_METERS: f64 = 20_037_726.37;

/// A position, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// East of Greenwich.
    pub longitude: f64,
    /// North of the equator.
    pub latitude: f64,
}

impl Position {
    /// The position, if it is on the map.
    pub fn new(longitude: f64, latitude: f64) -> Option<Self> {
        let is_on_map = (-LONGITUDE_MAX..=LONGITUDE_MAX).contains(&longitude)
            && (-LATITUDE_MAX..=LATITUDE_MAX).contains(&latitude);
        is_on_map.then_some(Position {
            longitude,
            latitude,
        })
    }

    /// The score that stands for the position.
    pub fn score(self) -> f64 {
        Cell::around(self, STEP_MAX).bits as f64
    }

    /// The middle of what a score stands for.
    pub fn from_score(score: f64) -> Self {
        let area = Cell {
            bits: bits_of(score),
            step: STEP_MAX,
        }
        .area();
        let middle = |ends: (f64, f64), max: f64| f64::midpoint(ends.0, ends.1).clamp(-max, max);
        Position {
            longitude: middle(area.longitude, LONGITUDE_MAX),
            latitude: middle(area.latitude, LATITUDE_MAX),
        }
    }

    /// The geohash as the rest of the world writes it: eleven letters, of which 52 bits fill ten.
    pub fn geohash(self) -> String {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = encode(self, STANDARD_LATITUDE_MAX, STEP_MAX);
        let letters = (1..=10).map(|index| (bits >> (52 - index * 5)) as usize & 31);
        letters
            .chain([0])
            .map(|letter| char::from(ALPHABET[letter]))
            .collect()
    }

    /// The distance on a great circle, in metres, by the haversine formula.
    pub fn distance_meters(self, other: Position) -> f64 {
        let v = ((other.longitude.to_radians() - self.longitude.to_radians()) / 2.0).sin();
        if v == 0.0 {
            return self.latitude_distance_meters(other);
        }
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let u = ((to - from) / 2.0).sin();
        let a = u * u + from.cos() * to.cos() * v * v;
        2.0 * EARTH_RADIUS_METERS * a.sqrt().asin()
    }

    fn latitude_distance_meters(self, other: Position) -> f64 {
        EARTH_RADIUS_METERS * (other.latitude.to_radians() - self.latitude.to_radians()).abs()
    }
}

/// The bits that a score stands for. A sorted set may hold scores that are no bits of a position; these become what
/// the processors make of them on which Redis mostly runs (x86-64): negative ones wrap round, and what is beyond
/// has only the highest bit, or none.
fn bits_of(score: f64) -> u64 {
    const HIGHEST: f64 = (1u64 << 63) as f64;
    let whole = |score: f64| {
        let is_inside = (-HIGHEST..HIGHEST).contains(&score);
        if is_inside { score as i64 } else { i64::MIN }
    };
    if score < HIGHEST {
        whole(score) as u64
    } else {
        whole(score - HIGHEST) as u64 ^ 1 << 63
    }
}

/// The bits of a position, if latitudes end at `latitude_max`.
fn encode(position: Position, latitude_max: f64, step: u32) -> u64 {
    let cells = (1u64 << step) as f64;
    let offset = |value: f64, max: f64| ((value + max) / (max + max) * cells) as u32;
    interleave(
        offset(position.latitude, latitude_max),
        offset(position.longitude, LONGITUDE_MAX),
    )
}

/// The bits of `even` and `odd` by turns, the lowest one from `even`.
fn interleave(even: u32, odd: u32) -> u64 {
    spread(even) | spread(odd) << 1
}

/// Puts a zero before each bit.
fn spread(bits: u32) -> u64 {
    let mut bits = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Takes every other bit, from the lowest on.
fn gather(mut bits: u64) -> u32 {
    bits &= 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

/// A cell of the map: what is left after `step` halvings of each range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    bits: u64,
    step: u32,
}

/// Ends of a cell, the lower first, in degrees.
struct Area {
    longitude: (f64, f64),
    latitude: (f64, f64),
}

impl Cell {
    fn around(position: Position, step: u32) -> Self {
        Cell {
            bits: encode(position, LATITUDE_MAX, step),
            step,
        }
    }

    fn area(self) -> Area {
        let cells = (1u64 << self.step) as f64;
        let ends = |index: u32, max: f64| {
            let end = |index: f64| -max + index / cells * (max + max);
            (end(f64::from(index)), end(f64::from(index) + 1.0))
        };
        Area {
            longitude: ends(gather(self.bits >> 1), LONGITUDE_MAX),
            latitude: ends(gather(self.bits), LATITUDE_MAX),
        }
    }

    /// The cell so many cells to the east and to the north; the map has no border there.
    fn moved(self, east: i32, north: i32) -> Self {
        let mask = ((1u64 << self.step) - 1) as u32;
        let moved = |index: u32, by: i32| match by {
            // The northern and the eastern edge are one cell further, and stay there.
            0 => index,
            by => index.wrapping_add_signed(by) & mask,
        };
        Cell {
            bits: interleave(
                moved(gather(self.bits), north),
                moved(gather(self.bits >> 1), east),
            ),
            ..self
        }
    }

    /// The scores of the positions in the cell.
    fn scores(self) -> ScoreRange {
        let score = |bits: u64| (bits << (52 - self.step * 2)) as f64;
        ScoreRange {
            min: Bound::Included(score(self.bits)),
            max: Bound::Excluded(score(self.bits + 1)),
        }
    }
}

/// What is searched around a centre, in metres.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Everything that is so near.
    Circle {
        /// How near.
        radius: f64,
    },
    /// Everything in a rectangle whose sides are parallels and meridians.
    Box {
        /// From west to east.
        width: f64,
        /// From south to north.
        height: f64,
    },
    /// Everything inside a polygon on the map, whose sides are straight there. Its corners are in their order,
    /// and its centre is to be the [`centroid`].
    Polygon(Vec<Position>),
}

/// The middle of some positions on the ball: the direction of the sum of their vectors.
pub fn centroid(positions: &[Position]) -> Position {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for position in positions {
        let (longitude, latitude) = (
            position.longitude.to_radians(),
            position.latitude.to_radians(),
        );
        x += latitude.cos() * longitude.cos();
        y += latitude.cos() * longitude.sin();
        z += latitude.sin();
    }
    let from_axis = f64::sqrt(x * x + y * y);
    Position {
        longitude: degrees(f64::atan2(y, x)),
        latitude: degrees(f64::atan2(z, from_axis)),
    }
}

/// Whether a position is inside a polygon: whether a ray from it to the east crosses an odd number of sides
/// (W. Randolph Franklin's PNPOLY).
fn is_inside(position: Position, corners: &[Position]) -> bool {
    let Some(&last) = corners.last() else {
        return false;
    };
    let mut is_inside = false;
    let mut before = last;
    for &corner in corners {
        let crosses_latitude =
            (corner.latitude > position.latitude) != (before.latitude > position.latitude);
        if crosses_latitude {
            let share = (before.longitude - corner.longitude)
                * (position.latitude - corner.latitude)
                / (before.latitude - corner.latitude);
            is_inside ^= position.longitude < share + corner.longitude;
        }
        before = corner;
    }
    is_inside
}

/// A position that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<'a> {
    /// Its name.
    pub member: &'a [u8],
    /// Its score.
    pub score: f64,
    /// Where it is.
    pub position: Position,
    /// How far from the centre, in metres.
    pub distance_meters: f64,
}

impl Shape {
    /// The distance of a position from the centre, if it is in the shape.
    fn measure(&self, center: Position, position: Position) -> Option<f64> {
        match *self {
            Shape::Circle { radius } => {
                let distance = center.distance_meters(position);
                (distance <= radius).then_some(distance)
            }
            Shape::Box { width, height } => {
                if position.latitude_distance_meters(center) > height / 2.0 {
                    return None;
                }
                let same_latitude = Position {
                    longitude: center.longitude,
                    ..position
                };
                if position.distance_meters(same_latitude) > width / 2.0 {
                    return None;
                }
                Some(center.distance_meters(position))
            }
            Shape::Polygon(ref corners) => {
                is_inside(position, corners).then(|| center.distance_meters(position))
            }
        }
    }

    /// How far the shape reaches from its centre, in metres.
    fn reach(&self, center: Position) -> f64 {
        match *self {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => {
                (width / 2.0 * (width / 2.0) + height / 2.0 * (height / 2.0)).sqrt()
            }
            Shape::Polygon(_) => {
                let bounds = self.bounds(center);
                let (west, east) = bounds.longitude;
                let (south, north) = bounds.latitude;
                let distance = |longitude, latitude| {
                    center.distance_meters(Position {
                        longitude,
                        latitude,
                    })
                };
                [(west, north), (east, north), (west, south), (east, south)]
                    .into_iter()
                    .map(|(longitude, latitude)| distance(longitude, latitude))
                    .fold(0.0, f64::max)
            }
        }
    }

    /// The longitudes and latitudes between which the shape is.
    fn bounds(&self, center: Position) -> Area {
        let (half_width, half_height) = match *self {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
            Shape::Polygon(ref corners) => {
                let ends = |of: fn(&Position) -> f64| {
                    corners.iter().map(of).fold(
                        (f64::INFINITY, f64::NEG_INFINITY),
                        |(least, most), value| (least.min(value), most.max(value)),
                    )
                };
                return Area {
                    longitude: ends(|corner| corner.longitude),
                    latitude: ends(|corner| corner.latitude),
                };
            }
        };
        let latitude_delta = degrees(half_height / EARTH_RADIUS_METERS);
        // The meridians are nearest to each other at the end that is farther from the equator.
        let narrow = if center.latitude < 0.0 {
            center.latitude - latitude_delta
        } else {
            center.latitude + latitude_delta
        };
        let longitude_delta = degrees(half_width / EARTH_RADIUS_METERS / narrow.to_radians().cos());
        Area {
            longitude: (
                center.longitude - longitude_delta,
                center.longitude + longitude_delta,
            ),
            latitude: (
                center.latitude - latitude_delta,
                center.latitude + latitude_delta,
            ),
        }
    }

    /// How often the ranges are halved for cells that are as big as the shape reaches.
    fn step(&self, center: Position) -> u32 {
        let mut reach = self.reach(center);
        if reach == 0.0 {
            return STEP_MAX;
        }
        let mut step = 1i32;
        while reach < MERCATOR_MAX_METERS {
            reach *= 2.0;
            step += 1;
        }
        step -= 2;
        // Cells are narrower near the poles.
        if center.latitude.abs() > 66.0 {
            step -= 1;
            if center.latitude.abs() > 80.0 {
                step -= 1;
            }
        }
        step.clamp(1, STEP_MAX as i32).cast_unsigned()
    }

    /// The cells that together contain the shape, in the order in which they are searched.
    fn cells(&self, center: Position) -> Vec<Cell> {
        /// East and north of each cell, the centre first.
        const AROUND: [(i32, i32); 9] = [
            (0, 0),
            (0, 1),
            (0, -1),
            (1, 0),
            (-1, 0),
            (1, 1),
            (-1, 1),
            (1, -1),
            (-1, -1),
        ];
        let bounds = self.bounds(center);
        let mut cell = Cell::around(center, self.step(center));
        let reaches_beyond = cell.moved(0, 1).area().latitude.1 < bounds.latitude.1
            || cell.moved(0, -1).area().latitude.0 > bounds.latitude.0
            || cell.moved(1, 0).area().longitude.1 < bounds.longitude.1
            || cell.moved(-1, 0).area().longitude.0 > bounds.longitude.0;
        if cell.step > 1 && reaches_beyond {
            cell = Cell::around(center, cell.step - 1);
        }
        let area = cell.area();
        // Sides to which the shape does not reach out of the middle cell need not be searched.
        let is_useless = |(east, north): (i32, i32)| {
            cell.step >= 2
                && (north < 0 && area.latitude.0 < bounds.latitude.0
                    || north > 0 && area.latitude.1 > bounds.latitude.1
                    || east < 0 && area.longitude.0 < bounds.longitude.0
                    || east > 0 && area.longitude.1 > bounds.longitude.1)
        };
        let around = AROUND.into_iter().filter(|&side| !is_useless(side));
        let mut cells: Vec<Cell> = around
            .map(|(east, north)| cell.moved(east, north))
            .collect();
        // Where the cells are huge, neighbours are the same. The first is compared with none, as in Redis.
        let mut last = None;
        cells.retain(|&cell| {
            let is_same = last == Some((false, cell));
            if !is_same {
                last = Some((last.is_none(), cell));
            }
            !is_same
        });
        cells
    }

    /// Searches a sorted set of positions; ends early when `limit` were found.
    pub fn search<'a>(
        &self,
        center: Position,
        set: SortedSetRef<'a>,
        limit: Option<usize>,
    ) -> Vec<Found<'a>> {
        let mut found = Vec::new();
        let is_enough = |found: &Vec<Found<'a>>| limit.is_some_and(|limit| found.len() >= limit);
        for cell in self.cells(center) {
            for (member, score) in set.range(set.ranks_by_score(&cell.scores())) {
                if is_enough(&found) {
                    return found;
                }
                let position = Position::from_score(score);
                if let Some(distance_meters) = self.measure(center, position) {
                    found.push(Found {
                        member,
                        score,
                        position,
                        distance_meters,
                    });
                }
            }
        }
        found
    }
}

fn degrees(radians: f64) -> f64 {
    radians / (std::f64::consts::PI / 180.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::{EncodingLimits, SortedSet};

    fn position() -> impl Strategy<Value = Position> {
        (-180.0..=180.0, -85.0..=85.0)
            .prop_map(|(longitude, latitude)| Position::new(longitude, latitude).expect("on it"))
    }

    proptest! {
        #[test]
        fn a_score_is_near_its_position(position in position()) {
            let back = Position::from_score(position.score());
            prop_assert!(position.distance_meters(back) < 1.0);
            prop_assert_eq!(back.score(), position.score());
        }

        /// The cells miss nothing that is in the shape, away from the edges of the map.
        #[test]
        fn what_is_in_the_shape_is_found(
            center in (-100.0..=100.0, -60.0..=60.0),
            offsets in proptest::collection::vec((-10.0..=10.0, -10.0..=10.0), 1..60),
            width in 1_000.0..1_500_000.0,
            height in 1_000.0..1_500_000.0,
            is_circle in any::<bool>(),
        ) {
            let center = Position::new(center.0, center.1).expect("on the map");
            let shape = if is_circle {
                Shape::Circle { radius: width }
            } else {
                Shape::Box { width, height }
            };
            let mut set = SortedSet::new();
            let mut expected = Vec::new();
            for (index, (east, north)) in offsets.into_iter().enumerate() {
                let position = Position::new(center.longitude + east, center.latitude + north)
                    .expect("on the map");
                let member = index.to_string().into_bytes();
                set.insert(&member, position.score(), &EncodingLimits::default());
                let stored = Position::from_score(position.score());
                if shape.measure(center, stored).is_some() {
                    expected.push(member);
                }
            }
            let found = shape.search(center, set.as_ref(), None);
            let mut members: Vec<Vec<u8>> =
                found.iter().map(|found| found.member.to_vec()).collect();
            members.sort_by_key(|member| String::from_utf8_lossy(member).parse::<usize>().ok());
            prop_assert_eq!(members, expected);
        }

        /// The same for polygons, which may cross themselves.
        #[test]
        fn what_is_in_the_polygon_is_found(
            center in (-100.0..=100.0, -60.0..=60.0),
            offsets in proptest::collection::vec((-10.0..=10.0, -10.0..=10.0), 1..60),
            corners in proptest::collection::vec((-9.0..=9.0, -9.0..=9.0), 3..7),
        ) {
            let at = |(east, north): (f64, f64)| {
                Position::new(center.0 + east, center.1 + north).expect("on the map")
            };
            let corners: Vec<Position> = corners.into_iter().map(at).collect();
            let mut set = SortedSet::new();
            let mut expected = Vec::new();
            for (index, offset) in offsets.into_iter().enumerate() {
                let score = at(offset).score();
                let member = format!("{index:02}").into_bytes();
                set.insert(&member, score, &EncodingLimits::default());
                if is_inside(Position::from_score(score), &corners) {
                    expected.push(member);
                }
            }
            let center = centroid(&corners);
            let found = Shape::Polygon(corners).search(center, set.as_ref(), None);
            let mut members: Vec<Vec<u8>> =
                found.iter().map(|found| found.member.to_vec()).collect();
            members.sort();
            prop_assert_eq!(members, expected);
        }

        /// In a triangle is what lies on the same side of all its sides.
        #[test]
        fn triangles_contain_what_is_on_one_side_of_their_sides(
            corners in proptest::array::uniform3((-9.0..=9.0, -9.0..=9.0)),
            point in (-9.0..=9.0, -9.0..=9.0),
        ) {
            let of = |(longitude, latitude)| Position { longitude, latitude };
            let side = |from: (f64, f64), to: (f64, f64)| -> f64 {
                (to.0 - from.0) * (point.1 - from.1) - (to.1 - from.1) * (point.0 - from.0)
            };
            let [a, b, c] = corners;
            let sides: [f64; 3] = [side(a, b), side(b, c), side(c, a)];
            // On a side either answer is right.
            prop_assume!(sides.iter().all(|side| side.abs() > 1e-6));
            let is_left = sides.map(|side| side > 0.0);
            let expected = is_left == [true; 3] || is_left == [false; 3];
            prop_assert_eq!(is_inside(of(point), &corners.map(of)), expected);
        }

        #[test]
        fn bits_alternate(even in any::<u32>(), odd in any::<u32>()) {
            let bits = interleave(even, odd);
            prop_assert_eq!((gather(bits), gather(bits >> 1)), (even, odd));
            for index in 0..32 {
                prop_assert_eq!((bits >> (2 * index) & 1) as u32, even >> index & 1);
            }
        }
    }

    /// From the documentation of GEOHASH, GEODIST and GEOPOS.
    #[test]
    fn palermo_and_catania() {
        let palermo = Position::new(13.361_389, 38.115_556).expect("on the map");
        let catania = Position::new(15.087_269, 37.502_669).expect("on the map");
        assert_eq!(palermo.score(), 3_479_099_956_230_698.0);
        let (palermo, catania) = (
            Position::from_score(palermo.score()),
            Position::from_score(catania.score()),
        );
        assert_eq!(palermo.geohash(), "sqc8b49rny0");
        assert_eq!(catania.geohash(), "sqdtr74hyu0");
        assert_eq!(
            format!("{:.4}", palermo.distance_meters(catania)),
            "166274.1516"
        );
        assert!(Position::new(180.1, 0.0).is_none() && Position::new(0.0, 86.0).is_none());
    }
}
