//! Positions on the earth: sorted sets whose scores are positions. The arithmetic is in `value::geo`.

use super::sorted_set::{AddOptions, add_pairs, store_result};
use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, Flags, Group, KeyFlags, KeySpec,
    Locks, Reply,
};
use crate::text::parse_double;
use crate::value::geo::{Found, Position, Shape, centroid};
use crate::value::{SortedSet, SortedSetRef};

const ROW: Command = Command {
    categories: Categories::GEO,
    group: Group::Geo,
    flags: Flags::READONLY,
    keys: &[KeySpec::first(READ_KEY)],
    since: "3.2.0",
    ..Command::DEFAULT
};

const READ_KEY: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const STORE_KEY: KeyFlags = KeyFlags::OW.union(KeyFlags::UPDATE);
const STORE: Flags = Flags::WRITE.union(Flags::DENYOOM);
const SEARCH: &str = "O(N+log(M)), N being the positions near the area and M those that are in it";

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "geoadd",
        history: &[(
            "6.2.0",
            "NX and XX limit it to new or to known members; CH counts changed ones too.",
        )],
        arity: -5,
        flags: STORE,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
        complexity: "O(log(N)) for each position, N being the size of the set",
        summary: "Adds positions to a sorted set, or changes them.",
        syntax: "key [condition^6.2.0= NX|XX] [change^6.2.0= CH] data= (longitude:double latitude:double member) \
                 [(longitude:double latitude:double member) ...]",
        handler: geoadd,
        ..ROW
    },
    Command {
        name: "geodist",
        arity: -4,
        complexity: "O(1)",
        summary: "Answers how far two positions are from each other.",
        syntax: "key member1 member2 [unit= M|KM|FT|MI]",
        handler: geodist,
        ..ROW
    },
    Command {
        name: "geohash",
        arity: -2,
        complexity: "O(1) for each member",
        summary: "Answers positions as geohashes.",
        syntax: "key [member ...]",
        handler: geohash,
        ..ROW
    },
    Command {
        name: "geopos",
        arity: -2,
        complexity: "O(1) for each member",
        summary: "Answers positions as longitudes and latitudes.",
        syntax: "key [member ...]",
        handler: geopos,
        ..ROW
    },
    Command {
        name: "georadius",
        history: &[
            ("6.2.0", "COUNT takes ANY, for as many as are found first."),
            ("7.0.0", "Units may be in capitals."),
        ],
        arity: -6,
        flags: STORE.union(Flags::MOVABLEKEYS),
        keys: &[
            KeySpec::first(READ_KEY),
            KeySpec::after("STORE", 6, STORE_KEY),
            KeySpec::after("STOREDIST", 6, STORE_KEY),
        ],
        // STORE may be given more than once, and the last one counts.
        locks: Locks::All,
        complexity: SEARCH,
        summary: "Answers or stores what is near a position.",
        syntax: "key longitude:double latitude:double radius:double unit= (M|KM|FT|MI) [WITHCOORD] [WITHDIST] \
                 [WITHHASH] [count-block= COUNT count:integer [ANY^6.2.0]] [order= ASC|DESC] [store= (storekey= STORE \
                 key)|(storedistkey= STOREDIST key)]",
        replaced_by: Some("`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"),
        deprecated_since: Some("6.2.0"),
        handler: |cx, out| search(cx, out, Form::Radius { may_store: true }),
        ..ROW
    },
    Command {
        name: "georadius_ro",
        history: &[
            ("6.2.0", "COUNT takes ANY, for as many as are found first."),
            ("7.0.0", "Units may be in capitals."),
        ],
        arity: -6,
        since: "3.2.10",
        complexity: SEARCH,
        summary: "Answers what is near a position.",
        syntax: "key longitude:double latitude:double radius:double unit= (M|KM|FT|MI) [WITHCOORD] [WITHDIST] \
                 [WITHHASH] [count-block= COUNT count:integer [ANY^6.2.0]] [order= ASC|DESC]",
        replaced_by: Some("`GEOSEARCH` with the `BYRADIUS` argument"),
        deprecated_since: Some("6.2.0"),
        handler: |cx, out| search(cx, out, Form::Radius { may_store: false }),
        ..ROW
    },
    Command {
        name: "georadiusbymember",
        history: &[
            ("6.2.0", "COUNT takes ANY, for as many as are found first."),
            ("7.0.0", "Units may be in capitals."),
        ],
        arity: -5,
        flags: STORE.union(Flags::MOVABLEKEYS),
        keys: &[
            KeySpec::first(READ_KEY),
            KeySpec::after("STORE", 5, STORE_KEY),
            KeySpec::after("STOREDIST", 5, STORE_KEY),
        ],
        locks: Locks::All,
        complexity: SEARCH,
        summary: "Answers or stores what is near a member.",
        syntax: "key member radius:double unit= (M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count-block= COUNT \
                 count:integer [ANY]] [order= ASC|DESC] [store= (storekey= STORE key)|(storedistkey= STOREDIST key)]",
        replaced_by: Some(
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        ),
        deprecated_since: Some("6.2.0"),
        handler: |cx, out| search(cx, out, Form::RadiusByMember { may_store: true }),
        ..ROW
    },
    Command {
        name: "georadiusbymember_ro",
        history: &[
            ("6.2.0", "COUNT takes ANY, for as many as are found first."),
            ("7.0.0", "Units may be in capitals."),
        ],
        arity: -5,
        since: "3.2.10",
        complexity: SEARCH,
        summary: "Answers what is near a member.",
        syntax: "key member radius:double unit= (M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count-block= COUNT \
                 count:integer [ANY]] [order= ASC|DESC]",
        replaced_by: Some("`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"),
        deprecated_since: Some("6.2.0"),
        handler: |cx, out| search(cx, out, Form::RadiusByMember { may_store: false }),
        ..ROW
    },
    Command {
        name: "geosearch",
        history: &[("7.0.0", "Units may be in capitals.")],
        arity: -7,
        since: "6.2.0",
        complexity: SEARCH,
        summary: "Answers the positions in a circle, a box or a polygon.",
        syntax: "key [from= FROMMEMBER member|FROMLONLAT longitude:double latitude:double] by= ((circle= (BYRADIUS \
                 radius:double) unit= (M|KM|FT|MI))| (box= (BYBOX width:double) height:double unit= (M|KM|FT|MI))| \
                 (polygon^9.0.0= (BYPOLYGON num-vertices:integer) vertices= (longitude:double latitude:double) \
                 [(longitude:double latitude:double) ...])) \
                 [order= ASC|DESC] [count-block= COUNT count:integer [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
        handler: |cx, out| search(cx, out, Form::Search),
        ..ROW
    },
    Command {
        name: "geosearchstore",
        history: &[("7.0.0", "Units may be in capitals.")],
        arity: -8,
        flags: STORE,
        keys: &[KeySpec::first(STORE_KEY), KeySpec::at(2, READ_KEY)],
        since: "6.2.0",
        complexity: SEARCH,
        summary: "Stores the positions in a circle, a box or a polygon.",
        syntax: "destination:key source:key [from= FROMMEMBER member|FROMLONLAT longitude:double latitude:double] by= \
                 ((circle= (BYRADIUS radius:double) unit= (M|KM|FT|MI))| (box= (BYBOX width:double) height:double \
                 unit= (M|KM|FT|MI))| \
                 (polygon^9.0.0= (BYPOLYGON num-vertices:integer) vertices= (longitude:double latitude:double) \
                 [(longitude:double latitude:double) ...])) [order= ASC|DESC] [count-block= COUNT count:integer [ANY]] [STOREDIST]",
        handler: |cx, out| search(cx, out, Form::SearchStore),
        ..ROW
    },
];

fn number(cx: &Context<'_>, index: usize, error: &'static str) -> Result<f64, CommandError> {
    parse_double(cx.arg(index)).ok_or(CommandError::text(error))
}

/// A longitude at `index` with the latitude behind it.
fn position(cx: &Context<'_>, index: usize) -> Result<Position, CommandError> {
    let read = |index| parse_double(cx.arg(index)).ok_or(CommandError::NotFloat);
    let (longitude, latitude) = (read(index)?, read(index + 1)?);
    Position::new(longitude, latitude).ok_or_else(|| {
        format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}").into()
    })
}

/// The metres in the unit that argument `index` names.
fn unit_meters(cx: &Context<'_>, index: usize) -> Result<f64, CommandError> {
    match cx.arg(index).to_ascii_lowercase().as_slice() {
        b"m" => Ok(1.0),
        b"km" => Ok(1000.0),
        b"ft" => Ok(0.3048),
        b"mi" => Ok(1609.34),
        _ => Err(CommandError::text(
            "ERR unsupported unit provided. please use M, KM, FT, MI",
        )),
    }
}

/// A circle given at `index` by its radius and the unit; and the unit's metres.
fn circle(cx: &Context<'_>, index: usize) -> Result<(Shape, f64), CommandError> {
    let radius = number(cx, index, "ERR need numeric radius")?;
    if radius < 0.0 {
        return Err(CommandError::text("ERR radius cannot be negative"));
    }
    let unit_meters = unit_meters(cx, index + 1)?;
    let radius = radius * unit_meters;
    Ok((Shape::Circle { radius }, unit_meters))
}

/// A box given at `index` by its width, its height and the unit; and the unit's metres.
fn rectangle(cx: &Context<'_>, index: usize) -> Result<(Shape, f64), CommandError> {
    let width = number(cx, index, "ERR need numeric width")?;
    let height = number(cx, index + 1, "ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return Err(CommandError::text("ERR height or width cannot be negative"));
    }
    let unit_meters = unit_meters(cx, index + 2)?;
    let shape = Shape::Box {
        width: width * unit_meters,
        height: height * unit_meters,
    };
    Ok((shape, unit_meters))
}

/// A polygon given at `index` by the number of its corners and their positions.
fn polygon(cx: &Context<'_>, index: usize) -> Result<Vec<Position>, CommandError> {
    const CORNERS_MIN: i64 = 3;
    let count = cx
        .integer(index)
        .ok()
        .filter(|&count| i32::try_from(count).is_ok())
        .ok_or(CommandError::text("ERR invalid number of vertices"))?;
    let possible = (cx.argc() - index - 1) / 2;
    if count < CORNERS_MIN || count as usize > possible {
        return Err(CommandError::text(
            "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices",
        ));
    }
    (0..count as usize)
        .map(|corner| position(cx, index + 1 + corner * 2))
        .collect()
}

fn geoadd(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let mut options = AddOptions::default();
    let mut first = 2;
    while first < cx.argc() {
        let flag = if cx.arg_is(first, "NX") {
            &mut options.only_new
        } else if cx.arg_is(first, "XX") {
            &mut options.only_present
        } else if cx.arg_is(first, "CH") {
            &mut options.count_changed
        } else {
            break;
        };
        *flag = true;
        first += 1;
    }
    let rest = cx.argc() - first;
    if !rest.is_multiple_of(3) || options.only_new && options.only_present {
        return Err(CommandError::Syntax);
    }
    let args = cx.args();
    let pairs = (first..args.len())
        .step_by(3)
        .map(|index| Ok((position(cx, index)?.score(), args.get(index + 2))))
        .collect::<Result<Vec<(f64, &[u8])>, CommandError>>()?;
    if pairs.is_empty() {
        return Err(CommandError::Syntax);
    }
    // Whoever holds a copy of the data is told of the scores.
    let scores: Vec<String> = pairs
        .iter()
        .map(|(score, _)| (*score as u64).to_string())
        .collect();
    let mut command: Vec<&[u8]> = vec![b"ZADD"];
    command.extend((1..first).map(|index| args.get(index)));
    for ((_, member), score) in pairs.iter().zip(&scores) {
        command.extend([score.as_bytes(), member]);
    }
    if add_pairs(cx, out, &options, &pairs)? > 0 {
        cx.rewrite(&command);
    }
    Ok(())
}

/// A distance with four digits behind the point.
fn distance_text(distance: f64) -> String {
    let scaled = (distance * 10_000.0).round_ties_even() as u64;
    format!("{}.{:04}", scaled / 10_000, scaled % 10_000)
}

fn reply_position(out: &mut Reply<'_>, position: Position) {
    out.array(2);
    out.double(position.longitude);
    out.double(position.latitude);
}

fn geodist(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let unit_meters = match cx.argc() {
        4 => 1.0,
        5 => unit_meters(cx, 4)?,
        _ => return Err(CommandError::Syntax),
    };
    let set = cx.sorted_set(cx.key(1))?;
    let position_of = |index| {
        let score = set?.score(cx.arg(index))?;
        Some(Position::from_score(score))
    };
    match (position_of(2), position_of(3)) {
        (Some(from), Some(to)) => {
            let distance = from.distance_meters(to) / unit_meters;
            out.bulk(distance_text(distance).as_bytes());
        }
        _ => out.null(),
    }
    Ok(())
}

/// Writes something for each named member; `None` is for those that are not there.
fn for_each_member(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    write: fn(&mut Reply<'_>, Option<Position>),
) -> CommandResult {
    let set = cx.sorted_set(cx.key(1))?;
    out.array(cx.argc() - 2);
    for index in 2..cx.argc() {
        let score = set.and_then(|set| set.score(cx.arg(index)));
        write(out, score.map(Position::from_score));
    }
    Ok(())
}

fn geohash(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    for_each_member(cx, out, |out, position| match position {
        Some(position) => out.bulk(position.geohash().as_bytes()),
        None => out.null(),
    })
}

fn geopos(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    for_each_member(cx, out, |out, position| match position {
        Some(position) => reply_position(out, position),
        None => out.null_array(),
    })
}

/// The commands that search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Radius { may_store: bool },
    RadiusByMember { may_store: bool },
    Search,
    SearchStore,
}

impl Form {
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }

    /// Whether STORE and STOREDIST with a key are options.
    fn may_store(self) -> bool {
        match self {
            Form::Radius { may_store } | Form::RadiusByMember { may_store } => may_store,
            Form::Search | Form::SearchStore => false,
        }
    }

    fn source(self) -> usize {
        1 + usize::from(self == Form::SearchStore)
    }

    /// Where the options begin.
    fn options(self) -> usize {
        match self {
            Form::Radius { .. } => 6,
            Form::RadiusByMember { .. } => 5,
            Form::Search => 2,
            Form::SearchStore => 3,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

/// What a search is asked for.
#[derive(Default)]
struct Query {
    /// Whether a centre was given: it cannot be known if it is a member of what is not there.
    has_center: bool,
    center: Option<Position>,
    shape: Option<Shape>,
    unit_meters: f64,
    with_distance: bool,
    with_hash: bool,
    with_position: bool,
    order: Option<Order>,
    count: Option<usize>,
    any: bool,
    /// The argument that names where to store the result.
    store: Option<usize>,
    /// Whether distances are stored instead of positions.
    stores_distances: bool,
}

impl Query {
    fn parse(
        cx: &Context<'_>,
        form: Form,
        set: Option<SortedSetRef<'_>>,
    ) -> Result<Self, CommandError> {
        let mut query = Query::default();
        match form {
            Form::Radius { .. } => {
                query.set_center(Some(position(cx, 2)?));
                query.set_shape(circle(cx, 4)?);
            }
            Form::RadiusByMember { .. } => {
                query.set_center(center_at_member(cx, set, 2)?);
                if set.is_some() {
                    query.set_shape(circle(cx, 3)?);
                }
            }
            Form::Search => {}
            Form::SearchStore => query.store = Some(1),
        }
        query.parse_options(cx, form, set)?;
        query.check(cx, form)?;
        Ok(query)
    }

    fn set_center(&mut self, center: Option<Position>) {
        self.has_center = true;
        self.center = center;
    }

    fn set_shape(&mut self, (shape, unit_meters): (Shape, f64)) {
        self.shape = Some(shape);
        self.unit_meters = unit_meters;
    }

    fn parse_options(
        &mut self,
        cx: &Context<'_>,
        form: Form,
        set: Option<SortedSetRef<'_>>,
    ) -> Result<(), CommandError> {
        // The shape and the centre may be given again in the same way, but not in the other.
        let (mut from_member, mut from_position) = (false, false);
        let (mut by_radius, mut by_box, mut by_polygon) = (false, false, false);
        let mut index = form.options();
        while index < cx.argc() {
            let behind = cx.argc() - index - 1;
            match cx.arg(index).to_ascii_lowercase().as_slice() {
                b"withdist" => self.with_distance = true,
                b"withhash" => self.with_hash = true,
                b"withcoord" => self.with_position = true,
                b"any" => self.any = true,
                b"asc" => self.order = Some(Order::Ascending),
                b"desc" => self.order = Some(Order::Descending),
                b"count" if behind >= 1 => {
                    let count = cx.integer(index + 1)?;
                    if count <= 0 {
                        return Err(CommandError::text("ERR COUNT must be > 0"));
                    }
                    self.count = Some(usize::try_from(count).unwrap_or(usize::MAX));
                    index += 1;
                }
                word @ (b"store" | b"storedist") if behind >= 1 && form.may_store() => {
                    self.store = Some(index + 1);
                    self.stores_distances = word == b"storedist";
                    index += 1;
                }
                b"storedist" if form == Form::SearchStore => self.stores_distances = true,
                b"frommember"
                    if behind >= 1 && form.is_search() && !from_position && !by_polygon =>
                {
                    self.set_center(center_at_member(cx, set, index + 1)?);
                    from_member = true;
                    index += 1;
                }
                b"fromlonlat" if behind >= 2 && form.is_search() && !from_member && !by_polygon => {
                    self.set_center(Some(position(cx, index + 1)?));
                    from_position = true;
                    index += 2;
                }
                b"byradius" if behind >= 2 && form.is_search() && !by_box && !by_polygon => {
                    self.set_shape(circle(cx, index + 1)?);
                    by_radius = true;
                    index += 2;
                }
                b"bybox" if behind >= 3 && form.is_search() && !by_radius && !by_polygon => {
                    self.set_shape(rectangle(cx, index + 1)?);
                    by_box = true;
                    index += 3;
                }
                b"bypolygon"
                    if behind >= 2
                        && form.is_search()
                        && !(by_radius || by_box || from_member || from_position) =>
                {
                    let corners = polygon(cx, index + 1)?;
                    index += 1 + corners.len() * 2;
                    self.set_center(Some(centroid(&corners)));
                    self.set_shape((Shape::Polygon(corners), 1.0));
                    by_polygon = true;
                }
                _ => return Err(CommandError::Syntax),
            }
            index += 1;
        }
        Ok(())
    }

    /// Refuses what does not fit together, in Redis's order.
    fn check(&self, cx: &Context<'_>, form: Form) -> CommandResult {
        if self.store.is_some() && (self.with_distance || self.with_hash || self.with_position) {
            let what = match form {
                Form::SearchStore => "GEOSEARCHSTORE",
                _ => "STORE option in GEORADIUS",
            };
            return Err(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )
            .into());
        }
        let name = || String::from_utf8_lossy(cx.arg(0));
        if form.is_search() && !self.has_center {
            return Err(format!(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {}",
                name()
            )
            .into());
        }
        if form.is_search() && self.shape.is_none() {
            return Err(format!(
                "ERR exactly one of BYRADIUS and BYBOX can be specified for {}",
                name()
            )
            .into());
        }
        if self.any && self.count.is_none() {
            return Err(CommandError::text(
                "ERR the ANY argument requires COUNT argument",
            ));
        }
        Ok(())
    }

    /// What is found, in the order asked for, and no more of it than that.
    fn run<'a>(&self, set: SortedSetRef<'a>) -> Vec<Found<'a>> {
        let (Some(shape), Some(center)) = (&self.shape, self.center) else {
            return Vec::new();
        };
        let mut found = shape.search(center, set, self.count.filter(|_| self.any));
        // The nearest ones are meant, unless any will do.
        let nearest = self.count.is_some() && !self.any;
        match self.order.or(nearest.then_some(Order::Ascending)) {
            Some(Order::Ascending) => {
                found.sort_by(|a, b| a.distance_meters.total_cmp(&b.distance_meters));
            }
            Some(Order::Descending) => {
                found.sort_by(|a, b| b.distance_meters.total_cmp(&a.distance_meters));
            }
            None => {}
        }
        found.truncate(self.count.unwrap_or(usize::MAX));
        found
    }

    fn reply(&self, out: &mut Reply<'_>, found: &[Found<'_>]) {
        let options = [self.with_distance, self.with_hash, self.with_position];
        let option_count = options.into_iter().filter(|&is_set| is_set).count();
        out.array(found.len());
        for found in found {
            if option_count > 0 {
                out.array(option_count + 1);
            }
            out.bulk(found.member);
            if self.with_distance {
                let distance = found.distance_meters / self.unit_meters;
                out.bulk(distance_text(distance).as_bytes());
            }
            if self.with_hash {
                out.integer(found.score as i64);
            }
            if self.with_position {
                reply_position(out, found.position);
            }
        }
    }
}

/// The position of the member that argument `index` names; `None` if there is no set.
fn center_at_member(
    cx: &Context<'_>,
    set: Option<SortedSetRef<'_>>,
    index: usize,
) -> Result<Option<Position>, CommandError> {
    let Some(set) = set else {
        return Ok(None);
    };
    let score = set.score(cx.arg(index)).ok_or(CommandError::text(
        "ERR could not decode requested zset member",
    ))?;
    Ok(Some(Position::from_score(score)))
}

fn search(cx: &mut Context<'_>, out: &mut Reply<'_>, form: Form) -> CommandResult {
    let set = cx.sorted_set(cx.key(form.source()))?;
    let query = Query::parse(cx, form, set)?;
    let found = set.map(|set| query.run(set)).unwrap_or_default();
    let Some(store) = query.store else {
        query.reply(out, &found);
        return Ok(());
    };
    let pairs = found
        .iter()
        .map(|found| {
            let score = if query.stores_distances {
                found.distance_meters / query.unit_meters
            } else {
                found.score
            };
            (found.member.to_vec(), score)
        })
        .collect();
    let result = SortedSet::from_pairs(pairs, &cx.limits());
    let event = match form {
        Form::SearchStore => "geosearchstore",
        _ => "georadiusstore",
    };
    store_result(cx, out, cx.key_of(cx.arg(store)), result, event);
    Ok(())
}
